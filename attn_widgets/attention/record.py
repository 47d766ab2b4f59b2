"""What dot-product attention keeps so that its weights can be computed again."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_widgets.attention.masks import causal_mask


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
        if not self.causal:
            return self.mask
        queries, keys = self.query.shape[-2], self.key.shape[-2]
        band = causal_mask(queries, keys, self.window, device=self.query.device)[None, None]
        return band if self.mask is None else self.mask & band

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
    if query.dtype in (torch.float16, torch.bfloat16):
        query, key = query.float(), key.float()
    if key.shape[1] != query.shape[1]:
        key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = query @ key.transpose(-1, -2) * scale  # (B, H, Q, K)
    if visible is None:
        return scores.softmax(-1)
    hidden = ~visible
    # A row without any key is softmaxed as it stands, so that no NaN enters the gradient.
    some = visible.any(-1, keepdim=True)
    return scores.masked_fill(hidden & some, -torch.inf).softmax(-1).masked_fill(hidden, 0.0)
