"""Additive attention kept as projected queries and keys, O(head · token · dim), and recomputed where asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from attn_widgets.errors import AttnError
from attn_widgets.trace.vectors import Vectors


@dataclass(frozen=True, eq=False, repr=False)
class AdditiveRecord(Vectors):
    """Projected inputs of one layer; weights are ``softmax(vᵀ tanh(q + k + b))`` over the keys each row could see.

    Source: Bahdanau et al. 2015, "Neural Machine Translation by Jointly Learning to Align and
    Translate", appendix A.1.2. Keys of fewer heads than the queries are shared by neighbouring
    query heads.

    Attributes
    ----------
    query, key
        W_i h_i and W_j h_j, float32 or float16.
    v, b
        The vectors of each query head.
    start, stop
        Row ``i`` sees the keys ``start[i]`` to ``stop[i] - 1``; `causal_range` makes them.
    mask
        True where visible, for anything that is not a range (padding, arbitrary masks), within start and stop.
    """

    query: Float[np.ndarray, "head query dim"]
    key: Float[np.ndarray, "kv_head key dim"]
    v: Float[np.ndarray, "head dim"]
    b: Float[np.ndarray, "head dim"]
    start: Int[np.ndarray, " query"]
    stop: Int[np.ndarray, " query"]
    mask: Bool[np.ndarray, "query key"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        needed = self.query.shape[::2]
        if self.v.shape != needed or self.b.shape != needed:
            raise AttnError(f"v {self.v.shape} and b {self.b.shape} need (head, dim) = {needed}")

    def settings(self) -> dict[str, Any]:
        """Give what `load_record` needs besides the arrays."""
        return {"record": "additive"}

    def _score(self, head: int, query: np.ndarray, key: np.ndarray) -> np.ndarray:
        hidden = (query + self.b[head].astype(np.float32))[:, None] + key  # (rows, keys, dim)
        scores: np.ndarray = np.tanh(hidden, out=hidden) @ self.v[head].astype(np.float32)
        return scores

    def _numbers(self) -> int:
        return int(self.key[0].size)
