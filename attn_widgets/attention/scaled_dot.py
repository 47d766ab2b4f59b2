"""Scaled dot-product attention: one fused path, one exact path that leaves a record."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from attn_widgets.attention.record import DotRecord, check_arguments, weigh


def scaled_dot(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    *,
    mask: Bool[Tensor, "#batch #head #query #key"] | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    record: bool = False,
) -> tuple[Float[Tensor, "batch head query value_dim"], DotRecord | None]:
    """softmax(scale · Q Kᵀ) V of every head (Vaswani et al. 2017, equation 1).

    Both paths give the same context. Without a record PyTorch's fused kernel runs; with one the
    weights are computed step by step, in float32 for half-precision input.

    Parameters
    ----------
    query, key, value
        Projected inputs; `kv_head` divides `head` (grouped heads, arXiv:2305.13245).
    mask
        True = visible. A query that sees no key gets a context of zeros.
    causal
        Hide later keys; the queries are the last rows (see ``causal_mask``).
    window
        With `causal`: see at most this many keys, the query's own among them.
    scale
        Factor on the dot products; ``dim ** -0.5`` when None.
    dropout
        Probability with which a weight is dropped; pass 0 when not training. A record never shows
        dropout: its weights are those before it.
    record
        Whether to return what is needed to compute the weights again.

    Returns
    -------
    context
        Weighted values, in the dtype of `value` (under autocast: autocast's).
    record
        Views of the query and key that the product saw; None without `record`.

    Raises
    ------
    ConfigError
        If `window` comes without `causal` or is below 1, or `kv_head` does not divide `head`.
    """
    check_arguments(query, key, causal, window)
    terms = DotRecord(query, key, query.shape[-1] ** -0.5 if scale is None else scale, mask, causal, window)
    if not record:
        return _fused(*_one_row(terms, value), dropout), None
    device = query.device.type
    if not torch.is_autocast_enabled(device):
        return _exact(*_one_row(terms, value), dropout), terms
    dtype = torch.get_autocast_dtype(device)  # autocast gives the fused kernel this; the exact steps shall see it too
    terms = terms._replace(query=query.to(dtype), key=key.to(dtype))
    with torch.autocast(device, enabled=False):
        return _exact(*_one_row(terms, value.to(dtype)), dropout), terms


def _one_row(terms: DotRecord, value: Tensor) -> tuple[DotRecord, Tensor]:
    """Replace the band of a single query by a slice of the keys, which needs no mask."""
    if not terms.causal or terms.mask is not None or terms.query.shape[2] != 1 or not terms.key.shape[2]:
        return terms, value
    key, window = terms.key, terms.window
    if window is not None and window < key.shape[2]:
        key, value = key[:, :, -window:], value[:, :, -window:]
    return DotRecord(terms.query, key, terms.scale), value


def _fused(terms: DotRecord, value: Tensor, dropout: float) -> Tensor:
    query, key, scale, mask, causal, window = terms
    queries, keys = query.shape[2], key.shape[2]
    grouped = key.shape[1] != query.shape[1]
    triangle = causal and mask is None and queries == keys and (window is None or window >= keys)
    seen = None if triangle else terms.visible()
    if seen is None:
        return F.scaled_dot_product_attention(
            query, key, value, None, dropout, triangle, scale=scale, enable_gqa=grouped
        )  # fmt: skip
    # Kernels disagree on rows without any key (NaN, mean, zero): let them see all, then zero them.
    some = seen.any(-1, keepdim=True)
    context = F.scaled_dot_product_attention(query, key, value, seen | ~some, dropout, scale=scale, enable_gqa=grouped)
    return context.masked_fill(~some, 0.0)


def _exact(terms: DotRecord, value: Tensor, dropout: float) -> Tensor:
    return weigh(terms.weights(), value, dropout)
