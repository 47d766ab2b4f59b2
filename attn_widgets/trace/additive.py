"""Additive attention kept as projected queries and keys, O(head · token · dim), and recomputed where asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from attn_widgets.errors import AttnError
from attn_widgets.trace.dot_product import _softmax
from attn_widgets.trace.records import ALL, MASKED, Arrays, Index, array_bytes, check_head, positions, sizes

TILE = 1 << 20
"""Numbers of the hidden layer held at a time while weights are recomputed (4 MB)."""


@dataclass(frozen=True, eq=False, repr=False)
class AdditiveRecord:
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
        query, key = self.query.shape, self.key.shape
        if len(query) != 3 or len(key) != 3 or query[2] != key[2]:
            raise AttnError(f"queries are (head, query, dim), keys (kv_head, key, dim); given {query} and {key}")
        if not key[0] or query[0] % key[0]:
            raise AttnError(f"{key[0]} key heads do not divide {query[0]} query heads")
        if self.v.shape != query[::2] or self.b.shape != query[::2]:
            raise AttnError(f"v {self.v.shape} and b {self.b.shape} need (head, dim) = {query[::2]}")
        if self.start.shape != (query[1],) or self.stop.shape != (query[1],):
            raise AttnError(f"start {self.start.shape} and stop {self.stop.shape} need one entry a row: {query[1]}")
        if query[1] and (self.start.min() < 0 or self.stop.max() > key[1]):
            raise AttnError(f"start and stop must lie within the {key[1]} keys")
        if self.mask is not None and self.mask.shape != (query[1], key[1]):
            raise AttnError(f"mask has the shape {self.mask.shape}; needs (query, key) = {(query[1], key[1])}")

    @property
    def heads(self) -> int:
        """Number of query heads."""
        return int(self.query.shape[0])

    @property
    def queries(self) -> int:
        """Number of query rows."""
        return int(self.query.shape[1])

    @property
    def keys(self) -> int:
        """Number of key columns."""
        return int(self.key.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of memory held."""
        return array_bytes(self.arrays())

    def weights(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"]:
        """Attention weights of one head; 0 where masked.

        Only the asked rows are computed, a tile of rows at a time, each over all keys it
        sees (its denominator needs them). NaN in a query or key makes the rows NaN that see
        it; a row that sees nothing is all masked.
        """
        return self._fill(_softmax, head, queries, keys, 0.0)

    def states(self, head: int, queries: Index = ALL, keys: Index = ALL) -> UInt8[np.ndarray, "query key"]:
        """`VALUE` or `MASKED` for each cell."""
        check_head(head, self.heads)
        rows, columns = positions(queries, self.queries, "query"), positions(keys, self.keys, "key")
        return np.where(self._visible(rows, columns), 0, MASKED).astype(np.uint8)

    def scores(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"]:
        """Scores before the softmax; -inf where masked."""
        return self._fill(lambda scores, visible: np.where(visible, scores, -np.inf), head, queries, keys, -np.inf)

    def _fill(
        self, finish: Callable[..., np.ndarray], head: int, queries: Index, keys: Index, unseen: float
    ) -> np.ndarray:
        """Gather ``finish(scores, visible)`` of the asked cells; `unseen` where a tile's rows see nothing."""
        rows, columns = positions(queries, self.queries, "query"), positions(keys, self.keys, "key")
        out = np.full((len(rows), len(columns)), unseen, np.float32)
        for at, low, scores in self._tiles(head, rows):
            visible = self._visible(rows[at], np.arange(low, low + scores.shape[1]))
            inside = np.flatnonzero((columns >= low) & (columns < low + scores.shape[1]))
            out[at, inside] = finish(scores, visible)[:, columns[inside] - low]
        return out

    def _visible(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        visible = (columns >= self.start[rows, None]) & (columns < self.stop[rows, None])
        return visible if self.mask is None else visible & self.mask[np.ix_(rows, columns)]

    def _tiles(self, head: int, rows: np.ndarray) -> Iterator[tuple[slice, int, np.ndarray]]:
        """Yield ``(where in rows, first key, scores)`` for tiles of rows that see something."""
        check_head(head, self.heads)
        key = self.key[head // (self.heads // self.key.shape[0])]
        v = self.v[head].astype(np.float32)
        step = max(1, TILE // max(1, key.size))
        for i in range(0, len(rows), step):
            tile = rows[i : i + step]
            seeing = tile[self.start[tile] < self.stop[tile]]
            if not len(seeing):
                continue
            low, high = int(self.start[seeing].min()), int(self.stop[seeing].max())
            with np.errstate(all="ignore"):  # NaN and inf are data here; they show in the rows they touch
                query = self.query[head, tile].astype(np.float32) + self.b[head].astype(np.float32)
                hidden = query[:, None] + key[None, low:high].astype(np.float32)  # (rows, keys, dim)
                scores = np.tanh(hidden, out=hidden) @ v
            yield slice(i, i + len(tile)), low, scores

    def arrays(self) -> Arrays:
        """Give the arrays held, by name."""
        names = ("query", "key", "v", "b", "start", "stop", "mask")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def settings(self) -> dict[str, Any]:
        """Give what `load_record` needs besides the arrays."""
        return {"record": "additive"}

    def __repr__(self) -> str:
        return sizes(self)
