"""Attention kept as query and key vectors: which cells a row sees, and its weights, a tile of rows at a time.

What dot products and additive scores share. A record brings the score of a tile; the vectors of its keys may belong
to fewer heads than those of its queries, which neighbouring query heads then share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from attn_widgets.errors import AttnError
from attn_widgets.trace.records import ALL, MASKED, Arrays, Index, array_bytes, check_head, positions, sizes

TILE = 1 << 20
"""Numbers held at a time while weights are recomputed (4 MB)."""


class Vectors:
    """Queries and keys of one layer; its subclasses are dataclasses that hold them, and how they are scored."""

    if TYPE_CHECKING:
        query: Float[np.ndarray, "head query dim"]
        key: Float[np.ndarray, "kv_head key dim"]
        start: Int[np.ndarray, " query"]
        stop: Int[np.ndarray, " query"]
        mask: Bool[np.ndarray, "query key"] | None

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

    def arrays(self) -> Arrays:
        """Give the arrays held, by name."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: array for name, array in held.items() if isinstance(array, np.ndarray)}

    def settings(self) -> dict[str, Any]:
        """Give what `load_record` needs besides the arrays."""
        raise NotImplementedError

    def _score(self, head: int, query: np.ndarray, key: np.ndarray) -> np.ndarray:
        """Scores float32 (query, key) of some rows of a head and a stretch of its keys, both float32."""
        raise NotImplementedError

    def _numbers(self) -> int:
        """Numbers that one row of scores takes to compute."""
        raise NotImplementedError

    def _fill(
        self, finish: Callable[..., np.ndarray], head: int, queries: Index, keys: Index, unseen: float
    ) -> np.ndarray:
        """Gather ``finish(scores, visible)`` of the asked cells; `unseen` where a tile's rows see nothing."""
        check_head(head, self.heads)
        rows, columns = positions(queries, self.queries, "query"), positions(keys, self.keys, "key")
        out = np.full((len(rows), len(columns)), unseen, np.float32)
        own = self.key[head // (self.heads // self.key.shape[0])].astype(np.float32, copy=False)
        step = max(1, TILE // max(1, self._numbers()))
        for i in range(0, len(rows), step):
            tile = rows[i : i + step]
            seeing = tile[self.start[tile] < self.stop[tile]]
            if not len(seeing):
                continue
            low, high = int(self.start[seeing].min()), int(self.stop[seeing].max())
            with np.errstate(all="ignore"):  # NaN and inf are data here; they show in the rows they touch
                scores = self._score(head, self.query[head, tile].astype(np.float32), own[low:high])
            inside = np.flatnonzero((columns >= low) & (columns < high))
            done = finish(scores, self._visible(tile, np.arange(low, high)))
            out[i : i + len(tile), _stretch(inside)] = done[:, _stretch(columns[inside] - low)]
        return out

    def _visible(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        visible = columns < self.stop[rows, None]
        if self.start[rows].any():
            visible &= columns >= self.start[rows, None]
        return visible if self.mask is None else visible & self.mask[np.ix_(rows, columns)]

    def __repr__(self) -> str:
        return sizes(self)


def _stretch(places: Int[np.ndarray, " chosen"]) -> slice | Int[np.ndarray, " chosen"]:
    """Neighbouring places as a slice, which NumPy copies many times faster than a choice."""
    if len(places) and places[-1] - places[0] == len(places) - 1 and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _softmax(
    scores: Float32[np.ndarray, "query key"], visible: Bool[np.ndarray, "query key"]
) -> Float32[np.ndarray, "query key"]:
    """Softmax of each row over its visible keys, in place of `scores`; zeros where not visible."""
    np.copyto(scores, -np.inf, where=~visible)
    with np.errstate(all="ignore"):
        scores -= scores.max(axis=1, keepdims=True)  # NaN where a row sees nothing; zeroed below
        np.exp(scores, out=scores)  # exactly 0 where not visible
        total = scores.sum(axis=1, keepdims=True)
        scores /= total
    if not np.isfinite(total).all():
        np.copyto(scores, 0, where=~visible)
    return scores
