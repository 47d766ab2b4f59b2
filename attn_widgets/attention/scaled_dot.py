"""Scaled dot-product attention: one fused path, one exact path that leaves a record."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from attn_widgets.attention.record import DotRecord, attention_weights, visible
from attn_widgets.errors import ConfigError


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
    if window is not None and (window < 1 or not causal):
        raise ConfigError(f"window={window} must be at least 1 and comes with causal=True")
    if query.shape[1] % key.shape[1]:
        raise ConfigError(f"{key.shape[1]} key heads do not divide {query.shape[1]} query heads")
    if scale is None:
        scale = query.shape[-1] ** -0.5
    if record:
        return _exact(query, key, value, mask, causal, window, scale, dropout)
    return _fused(query, key, value, mask, causal, window, scale, dropout), None


def _fused(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None,
    causal: bool, window: int | None, scale: float, dropout: float,
) -> Tensor:  # fmt: skip
    queries, keys = query.shape[2], key.shape[2]
    grouped = key.shape[1] != query.shape[1]
    if mask is None and causal:
        if queries == 1:  # one decoding step: the band is a slice, no mask is built
            if window is not None and window < keys:
                key, value = key[:, :, -window:], value[:, :, -window:]
            causal = False
        elif queries == keys and (window is None or window >= keys):
            return F.scaled_dot_product_attention(
                query, key, value, None, dropout, True, scale=scale, enable_gqa=grouped
            )
    seen = visible(queries, key.shape[2], mask, causal, window, query.device)
    if seen is None:
        return F.scaled_dot_product_attention(query, key, value, None, dropout, scale=scale, enable_gqa=grouped)
    # Kernels disagree on rows without any key (NaN, mean, zero): let them see all, then zero them.
    some = seen.any(-1, keepdim=True)
    context = F.scaled_dot_product_attention(
        query, key, value, seen | ~some, dropout, scale=scale, enable_gqa=grouped
    )
    return context.masked_fill(~some, 0.0)


def _exact(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None,
    causal: bool, window: int | None, scale: float, dropout: float,
) -> tuple[Tensor, DotRecord]:  # fmt: skip
    device = query.device.type
    if torch.is_autocast_enabled(device):  # as autocast does for the fused kernel
        dtype = torch.get_autocast_dtype(device)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    record = DotRecord(query, key, scale, mask, causal, window)
    with torch.autocast(device, enabled=False):
        weights = record.weights()  # (B, H, Q, K)
        if dropout:
            weights = F.dropout(weights, dropout)
        wide = value.to(weights.dtype)
        if value.shape[1] != query.shape[1]:
            wide = wide.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
        return (weights @ wide).to(value.dtype), record
