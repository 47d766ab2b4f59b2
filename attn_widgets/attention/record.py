"""What dot-product attention keeps so that its weights can be computed again, and the steps that mechanisms share."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from attn_widgets.attention.masks import causal_mask
from attn_widgets.errors import ConfigError


class DotRecord(NamedTuple):
    """Queries and keys of one layer: O(T·d) memory, where the weights would be O(T²).

    Attributes
    ----------
    query
        Queries as the dot product saw them (after rotation): Float[Tensor, "batch head query dim"].
    key
        Keys, one per *group* of heads: Float[Tensor, "batch kv_head key dim"]. May be a view of a
        cache, whose first `key` columns never change.
    scale
        Factor on the dot products.
    mask
        True = visible, broadcastable to "batch head query key"; None when nothing else is masked.
    causal
        Whether later keys are masked; the queries are the last rows.
    window
        How many keys a query sees at most, itself included, when `causal`.
    """

    query: Tensor
    key: Tensor
    scale: float
    mask: Tensor | None = None
    causal: bool = False
    window: int | None = None

    def visible(self) -> Bool[Tensor, "#batch #head #query #key"] | None:
        """Where a query may see a key; None where every query sees every key."""
        return visible_keys(self.query, self.key, self.mask, self.causal, self.window)

    def weights(self) -> Float[Tensor, "batch head query key"]:
        """Attention weights of every head; masked entries are zero, a fully masked row is all zeros."""
        return attention_weights(self.query, self.key, self.scale, self.visible())


def attention_weights(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    scale: float,
    visible: Bool[Tensor, "#batch #head #query #key"] | None,
) -> Float[Tensor, "batch head query key"]:
    """softmax(scale · Q Kᵀ) over the visible keys (Vaswani et al. 2017, equation 1).

    Half precision is computed in float32. A query that sees nothing gets zeros, not NaN; a NaN in
    a query or a visible key stays NaN.
    """
    query, key = full_precision(query), widen(full_precision(key), query.shape[1])
    return masked_softmax(query @ key.transpose(-1, -2) * scale, visible)


def masked_softmax(
    scores: Float[Tensor, "batch head query key"], visible: Bool[Tensor, "#batch #head #query #key"] | None
) -> Float[Tensor, "batch head query key"]:
    """Softmax over the visible keys; hidden keys, and all keys of a query that sees nothing, get zero."""
    if visible is None:
        return scores.softmax(-1)
    hidden = ~visible
    # A row without any key is softmaxed as it stands, so that no NaN enters the gradient.
    some = visible.any(-1, keepdim=True)
    return scores.masked_fill(hidden & some, -torch.inf).softmax(-1).masked_fill(hidden, 0.0)


def weigh(
    weights: Float[Tensor, "batch head query key"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    dropout: float = 0.0,
) -> Float[Tensor, "batch head query value_dim"]:
    """Sum the values by their weights, some of which are dropped; in the dtype of `value`."""
    if dropout:
        weights = F.dropout(weights, dropout)
    return (weights @ widen(value, weights.shape[1]).to(weights.dtype)).to(value.dtype)


def visible_keys(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    mask: Bool[Tensor, "#batch #head #query #key"] | None,
    causal: bool,
    window: int | None,
) -> Bool[Tensor, "#batch #head #query #key"] | None:
    """Join a mask and the causal band of a window; None where every query sees every key."""
    if not causal:
        return mask
    band = causal_mask(query.shape[-2], key.shape[-2], window, device=query.device)[None, None]
    return band if mask is None else mask & band


def full_precision(tensor: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Half precision as float32; anything else as it is."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def widen(tensor: Float[Tensor, "batch kv_head key dim"], heads: int) -> Float[Tensor, "batch {heads} key dim"]:
    """Repeat the keys or values of each group for its query heads."""
    return tensor if tensor.shape[1] == heads else tensor.repeat_interleave(heads // tensor.shape[1], dim=1)


def check_arguments(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    causal: bool,
    window: int | None,
) -> None:
    """Refuse what no mechanism can do.

    Raises
    ------
    ConfigError
        If `window` comes without `causal` or is below 1, or `kv_head` does not divide `head`.
    """
    if window is not None and (window < 1 or not causal):
        raise ConfigError(f"window={window} must be at least 1 and comes with causal=True")
    if not key.shape[1] or query.shape[1] % key.shape[1]:
        raise ConfigError(f"{key.shape[1]} key heads do not divide {query.shape[1]} query heads")
