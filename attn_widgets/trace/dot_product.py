"""Dot-product attention kept as queries and keys, O(head · token · dim), and recomputed where asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from attn_widgets.errors import AttnError
from attn_widgets.trace.records import ALL, MASKED, Arrays, Index, array_bytes, check_head, positions, sizes

TILE = 1 << 20
"""Scores held at a time while weights are recomputed (4 MB)."""


@dataclass(frozen=True, eq=False, repr=False)
class DotProductRecord:
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

    def __post_init__(self) -> None:
        query, key = self.query.shape, self.key.shape
        if len(query) != 3 or len(key) != 3 or query[2] != key[2]:
            raise AttnError(f"queries are (head, query, dim), keys (kv_head, key, dim); given {query} and {key}")
        if not key[0] or query[0] % key[0]:
            raise AttnError(f"{key[0]} key heads do not divide {query[0]} query heads")
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
        sees (its denominator needs them). NaN or inf in a query or key makes the rows NaN
        that see it; a row that sees nothing is all masked.
        """
        rows, columns = positions(queries, self.queries, "query"), positions(keys, self.keys, "key")
        out = np.zeros((len(rows), len(columns)), np.float32)
        for at, low, scores, visible in self._tiles(head, rows):
            inside = np.flatnonzero((columns >= low) & (columns < low + scores.shape[1]))
            out[at, inside] = _softmax(scores, visible)[:, columns[inside] - low]
        return out

    def states(self, head: int, queries: Index = ALL, keys: Index = ALL) -> UInt8[np.ndarray, "query key"]:
        """`VALUE` or `MASKED` for each cell."""
        check_head(head, self.heads)
        rows, columns = positions(queries, self.queries, "query"), positions(keys, self.keys, "key")
        return np.where(self._visible(rows, columns), 0, MASKED).astype(np.uint8)

    def scores(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"]:
        """Scaled scores before the softmax; -inf where masked."""
        rows, columns = positions(queries, self.queries, "query"), positions(keys, self.keys, "key")
        out = np.full((len(rows), len(columns)), -np.inf, np.float32)
        for at, low, scores, visible in self._tiles(head, rows):
            inside = np.flatnonzero((columns >= low) & (columns < low + scores.shape[1]))
            out[at, inside] = np.where(visible, scores, -np.inf)[:, columns[inside] - low]
        return out

    def _visible(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        visible = (columns >= self.start[rows, None]) & (columns < self.stop[rows, None])
        return visible if self.mask is None else visible & self.mask[np.ix_(rows, columns)]

    def _tiles(self, head: int, rows: np.ndarray) -> Iterator[tuple[slice, int, np.ndarray, np.ndarray]]:
        """Yield ``(where in rows, first key, scores, visible)`` for tiles of rows that see something."""
        check_head(head, self.heads)
        key = self.key[head // (self.heads // self.key.shape[0])]
        step = max(1, TILE // max(1, self.keys))
        for i in range(0, len(rows), step):
            tile = rows[i : i + step]
            seeing = tile[self.start[tile] < self.stop[tile]]
            if not len(seeing):
                continue
            low, high = int(self.start[seeing].min()), int(self.stop[seeing].max())
            with np.errstate(all="ignore"):  # NaN and inf are data here; they show in the rows they touch
                scores = self.query[head, tile].astype(np.float32) @ key[low:high].astype(np.float32).T
                scores *= np.float32(self.scale)
            yield slice(i, i + len(tile)), low, scores, self._visible(tile, np.arange(low, high))

    def arrays(self) -> Arrays:
        """Give the arrays held, by name."""
        arrays = {"query": self.query, "key": self.key, "start": self.start, "stop": self.stop}
        return arrays if self.mask is None else {**arrays, "mask": self.mask}

    def settings(self) -> dict[str, Any]:
        """Give what `load_record` needs besides the arrays."""
        return {"record": "dot_product", "scale": self.scale}

    def __repr__(self) -> str:
        return sizes(self)


def _softmax(
    scores: Float32[np.ndarray, "query key"], visible: Bool[np.ndarray, "query key"]
) -> Float32[np.ndarray, "query key"]:
    """Softmax of each row over its visible keys, in place of `scores`; zeros where not visible."""
    scores[~visible] = -np.inf
    with np.errstate(all="ignore"):
        scores -= scores.max(axis=1, keepdims=True)  # NaN where a row sees nothing; zeroed below
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
    scores[~visible] = 0
    return scores
