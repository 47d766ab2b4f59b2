"""Attention with relative positions, which a memory of earlier segments needs (Transformer-XL).

Dai et al. 2019 (arXiv:1901.02860, section 3.3) score query i and key j by four terms, with R the
sinusoid of the *distance* i - j and W its projection, of which each head has its own:

    (a) q_i · k_j   (b) q_i · W R_{i-j}   (c) u · k_j   (d) v · W R_{i-j}

Keys may be more than queries: those before the segment are the memory. The model keeps them without
their gradient (section 3.2), as a ``KeyValueCache`` does.

The paper's code computes (b) and (d) for every distance and shifts the rows of the result. Here the
sinusoid of a difference is split by the addition theorem into a part of i and one of j, so that all
four terms are one dot product of longer vectors: its fused kernel, its O(T) record, any mask.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_widgets.attention.record import DotRecord
from attn_widgets.attention.scaled_dot import scaled_dot
from attn_widgets.errors import ConfigError


def segment_memory(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    *,
    position: Float[Tensor, "head dim feature"],
    content_bias: Float[Tensor, "head dim"],
    position_bias: Float[Tensor, "head dim"],
    mask: Bool[Tensor, "#batch #head #query #key"] | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    record: bool = False,
) -> tuple[Float[Tensor, "batch head query value_dim"], DotRecord | None]:
    """softmax(scale · (a + b + c + d)) V of every head (Dai et al. 2019, section 3.3).

    Parameters
    ----------
    query, key, value
        Projected inputs; the queries are the last rows of the keys, the keys before them are the
        memory. `kv_head` divides `head`.
    position
        W: projects the sinusoid of a distance (half sines, half cosines) to each head.
    content_bias, position_bias
        u and v: what every query looks for whatever it is, by content and by distance.
    mask
        True = visible. A query that sees no key gets a context of zeros.
    causal, window
        Hide later keys; see at most this many keys, the query's own among them.
    scale
        Factor on the scores; ``dim ** -0.5`` when None.
    dropout
        Probability with which a weight is dropped; never shown by a record.
    record
        Whether to return what is needed to compute the weights again.

    Returns
    -------
    context
        Weighted values, in the dtype of `value`; half precision is computed in float32.
    record
        A ``DotRecord`` of the longer queries (dim + feature) and keys; None without `record`.

    Raises
    ------
    ConfigError
        If `feature` is odd, or as ``scaled_dot`` does.
    """
    if position.shape[-1] % 2:
        raise ConfigError(f"position projects {position.shape[-1]} sines and cosines; their number must be even")
    exact = torch.promote_types(query.dtype, torch.float32)
    with torch.autocast(query.device.type, enabled=False):
        long_query, long_key = _lengthened(
            *(x.to(exact) for x in (query, key, position, content_bias, position_bias))
        )  # fmt: skip
        # Fused kernels want values as wide as keys: without this the CPU's takes five times as long and O(T²) memory.
        missing = 0 if record else max(0, long_key.shape[-1] - value.shape[-1])
        context, left = scaled_dot(
            long_query, long_key, F.pad(value.to(exact), (0, missing)), mask=mask, causal=causal, window=window,
            scale=query.shape[-1] ** -0.5 if scale is None else scale, dropout=dropout, record=record,
        )  # fmt: skip
    return context[..., : value.shape[-1]].to(value.dtype), left


def sinusoids(places: Int[Tensor, " place"], features: int, dtype: torch.dtype) -> Float[Tensor, "place {features}"]:
    """sin(p · 10000^(-2i / features)) of every place p, then the cosines, as Transformer-XL's code orders them.

    Angles are computed in float64: places may be many.
    """
    rates = 10_000.0 ** (-torch.arange(0, features, 2, dtype=torch.float64, device=places.device) / features)
    angles = places[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), -1).to(dtype)


def segment_memory_weights(heads: int, dim: int) -> dict[str, Float[Tensor, "{heads} ..."]]:
    """Fresh tensors of `heads` heads of width `dim`; the sinusoids are as wide as all heads together."""
    features = heads * dim + heads * dim % 2
    return {
        "position": torch.randn(heads, dim, features) * features**-0.5,
        "content_bias": torch.zeros(heads, dim),
        "position_bias": torch.zeros(heads, dim),
    }


def _lengthened(query: Tensor, key: Tensor, position: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Make queries (B, H, Q, d + F) and keys (B, Hkv, K, d + F) whose dot product is a + b + c + d."""
    queries, keys, features = query.shape[2], key.shape[2], position.shape[-1]
    places = torch.arange(min(0, keys - queries), keys, device=query.device)
    table = sinusoids(places, features, query.dtype)
    sought = torch.einsum("bhqd,hdf->bhqf", query + v[:, None], position)  # (b) + (d)
    turned = _turn(sought, table[-queries:] if queries else table[:0])
    seen = table[len(table) - keys :].expand(*key.shape[:2], -1, -1)
    return torch.cat((query + u[:, None], turned), -1), torch.cat((key, seen), -1)


def _turn(sought: Tensor, table: Tensor) -> Tensor:
    """Turn what a query seeks by its own place, so that its product with key j's sinusoid tells of i - j.

    a sin(i - j) + b cos(i - j) = (b sin i - a cos i) sin j + (a sin i + b cos i) cos j.
    """
    a, b = sought.chunk(2, -1)
    sin, cos = table.chunk(2, -1)  # (Q, F / 2)
    return torch.cat((b * sin - a * cos, a * sin + b * cos), -1)
