"""Dot-product attention kept as queries and keys, O(head · token · dim), and recomputed where asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from attn_widgets.trace.vectors import Vectors


@dataclass(frozen=True, eq=False, repr=False)
class DotProductRecord(Vectors):
    """Queries and keys of one layer; weights are ``softmax(scale · q · kᵀ)`` over the keys each row could see.

    Source: Vaswani et al. 2017, "Attention Is All You Need", equation 1. Keys of fewer heads
    than the queries are shared by neighbouring query heads (grouped-query attention).

    Attributes
    ----------
    query, key
        float32 or float16; positions (rotary, norms) already applied.
    scale
        Multiplies the dot products, usually ``dim ** -0.5``.
    start, stop
        Row ``i`` sees the keys ``start[i]`` to ``stop[i] - 1``; `causal_range` makes them.
    mask
        True where visible, for anything that is not a range (padding, arbitrary masks), within start and stop.
    """

    query: Float[np.ndarray, "head query dim"]
    key: Float[np.ndarray, "kv_head key dim"]
    scale: float
    start: Int[np.ndarray, " query"]
    stop: Int[np.ndarray, " query"]
    mask: Bool[np.ndarray, "query key"] | None = None

    def settings(self) -> dict[str, Any]:
        """Give what `load_record` needs besides the arrays."""
        return {"record": "dot_product", "scale": self.scale}

    def _score(self, head: int, query: np.ndarray, key: np.ndarray) -> np.ndarray:
        scores: np.ndarray = query @ key.T
        scores *= np.float32(self.scale)
        return scores

    def _numbers(self) -> int:
        return self.keys
