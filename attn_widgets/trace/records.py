"""Records: what is kept of one layer's attention, and how its weights come back on demand.

A record answers for any head and any rows and columns. Four things stay apart: a *value*
(which may be zero or NaN), a *masked* cell (the row could not see that key; weight 0) and a
cell that was *not captured* (nothing is known; weight 0 as a placeholder). `states` tells.
"""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped, UInt8

from attn_widgets.errors import AttnError

Index = slice | int
"""A slice of an axis, or one position (an axis of length one; negative counts from the end)."""

Arrays = dict[str, Shaped[np.ndarray, "..."]]
"""Arrays by name, as a file holds them."""

ALL = slice(None)
VALUE, MASKED, NOT_CAPTURED = 0, 1, 2
"""States of a cell, as `states` gives them."""


@runtime_checkable
class Record(Protocol):
    """What one layer's attention can be asked. Heads are counted from zero."""

    @property
    def heads(self) -> int:
        """Number of heads."""
        ...

    @property
    def queries(self) -> int:
        """Number of query rows."""
        ...

    @property
    def keys(self) -> int:
        """Number of key columns."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of memory held."""
        ...

    def weights(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"]:
        """Attention weights; 0 where masked or not captured."""
        ...

    def states(self, head: int, queries: Index = ALL, keys: Index = ALL) -> UInt8[np.ndarray, "query key"]:
        """`VALUE`, `MASKED` or `NOT_CAPTURED` for each cell."""
        ...

    def scores(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"] | None:
        """Scores before the softmax (-inf where masked, NaN where not captured), or None where there are none."""
        ...

    def arrays(self) -> Arrays:
        """Give the arrays held, by name, for a file."""
        ...

    def settings(self) -> dict[str, Any]:
        """Give the rest, JSON-ready; `load_record` takes both back."""
        ...


def positions(index: Index, size: int, axis: str) -> Int[np.ndarray, " chosen"]:
    """Absolute positions that a slice or a single position names on an axis of `size`."""
    try:
        if isinstance(index, slice):
            return np.arange(size)[index]
        place = operator.index(index)
    except TypeError:
        raise AttnError(f"{axis} must be a position or a slice; given {reprlib.repr(index)}") from None
    if not -size <= place < size:
        raise AttnError(f"{axis} {place} does not exist; there are {size}: 0 to {size - 1}")
    return np.array([place % size])


def check_head(head: int, heads: int) -> int:
    """Refuse a head that is not there; negative ones too, since names such as L0H1 have none."""
    if not hasattr(head, "__index__"):
        raise AttnError(f"head must be a whole number; given {reprlib.repr(head)}")
    if not 0 <= head < heads:
        raise AttnError(f"head {head} does not exist; the layer has {heads}: 0 to {heads - 1}")
    return head


def causal_range(
    queries: int, keys: int, window: int | None = None
) -> tuple[Int[np.ndarray, " query"], Int[np.ndarray, " query"]]:
    """Visible keys ``[start, stop)`` of each row when the rows are the last `queries` of `keys` positions.

    With `window`, a row sees itself and the ``window - 1`` keys before it.
    """
    stop = np.arange(keys - queries + 1, keys + 1)
    start = np.zeros_like(stop) if window is None else np.maximum(stop - window, 0)
    return start, np.maximum(stop, 0)


@dataclass(frozen=True, eq=False, repr=False)
class WeightsRecord:
    """Weights that were given as they are; nothing is checked about their sign or sum.

    Attributes
    ----------
    matrix
        The weights, float32 or float16.
    mask
        True where a row may see a key; one matrix for all heads or one a head; None: everything is visible.
    known
        True where a weight was captured, shaped like `mask`; None: everything was.
    """

    matrix: Float[np.ndarray, "head query key"]
    mask: Bool[np.ndarray, "mask_head query key"] | None = None
    known: Bool[np.ndarray, "known_head query key"] | None = None

    def __post_init__(self) -> None:
        if self.matrix.ndim != 3:
            raise AttnError(f"weights of a layer are (head, query, key); given the shape {self.matrix.shape}")
        for name, flags in (("mask", self.mask), ("known", self.known)):
            works = (1, *self.matrix.shape[1:]), self.matrix.shape
            if flags is not None and flags.shape not in works:
                raise AttnError(f"{name} has the shape {flags.shape}; weights {works[1]} need {works[0]} or {works[1]}")

    @property
    def heads(self) -> int:
        """Number of heads."""
        return int(self.matrix.shape[0])

    @property
    def queries(self) -> int:
        """Number of query rows."""
        return int(self.matrix.shape[1])

    @property
    def keys(self) -> int:
        """Number of key columns."""
        return int(self.matrix.shape[2])

    @property
    def nbytes(self) -> int:
        """Bytes of memory held."""
        return array_bytes(self.arrays())

    def weights(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"]:
        """Attention weights of one head; 0 where masked or not captured."""
        chosen = self._pick(self.matrix, head, queries, keys).astype(np.float32)
        chosen[self.states(head, queries, keys) != VALUE] = 0
        return chosen

    def states(self, head: int, queries: Index = ALL, keys: Index = ALL) -> UInt8[np.ndarray, "query key"]:
        """`VALUE`, `MASKED` or `NOT_CAPTURED`; a masked cell is known to be zero, captured or not."""
        states = np.zeros(self._pick(self.matrix, head, queries, keys).shape, np.uint8)
        if self.known is not None:
            states[~self._pick(self.known, head, queries, keys)] = NOT_CAPTURED
        if self.mask is not None:
            states[~self._pick(self.mask, head, queries, keys)] = MASKED
        return states

    def scores(self, head: int, queries: Index = ALL, keys: Index = ALL) -> None:
        """None: weights alone do not tell the scores."""

    def _pick(self, array: np.ndarray, head: int, queries: Index, keys: Index) -> np.ndarray:
        check_head(head, self.heads)
        rows, columns = positions(queries, self.queries, "query"), positions(keys, self.keys, "key")
        chosen: np.ndarray = array[head if len(array) > 1 else 0][np.ix_(rows, columns)]
        return chosen

    def arrays(self) -> Arrays:
        """Give the arrays held, by name."""
        arrays = {"matrix": self.matrix, "mask": self.mask, "known": self.known}
        return {name: array for name, array in arrays.items() if array is not None}

    def settings(self) -> dict[str, Any]:
        """Give what `load_record` needs besides the arrays."""
        return {"record": "weights"}

    def __repr__(self) -> str:
        return sizes(self)


class Part(NamedTuple):
    """Rows from `first_row` on, whose record's key 0 stands at the absolute position `first_key`."""

    first_row: int
    first_key: int
    record: Record


@dataclass(frozen=True, eq=False, repr=False)
class StackedRecord:
    """Records of row ranges stacked under each other, as a generation leaves them that refilled its window.

    A row belongs to the first part that holds it (that attention led to the token chosen
    there). Keys outside of its part are masked; rows in no part were not captured.
    """

    parts: Sequence[Part]
    queries: int
    keys: int

    def __post_init__(self) -> None:
        if not self.parts:
            raise AttnError("a stacked record needs at least one part")
        if len({part.record.heads for part in self.parts}) > 1:
            raise AttnError(f"parts have {[part.record.heads for part in self.parts]} heads; all need as many")
        for row, key, record in self.parts:
            if min(row, key) < 0 or row + record.queries > self.queries or key + record.keys > self.keys:
                raise AttnError(
                    f"a part of {record.queries} x {record.keys} at row {row}, key {key} "
                    f"does not fit into {self.queries} x {self.keys}"
                )

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.parts[0].record.heads

    @property
    def nbytes(self) -> int:
        """Bytes of memory held."""
        return array_bytes(self.arrays())

    def weights(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"]:
        """Attention weights of one head; 0 where masked or not captured."""
        return self._fill("weights", head, queries, keys, 0.0, 0.0).astype(np.float32, copy=False)

    def states(self, head: int, queries: Index = ALL, keys: Index = ALL) -> UInt8[np.ndarray, "query key"]:
        """`VALUE`, `MASKED` or `NOT_CAPTURED` for each cell."""
        return self._fill("states", head, queries, keys, float(MASKED), float(NOT_CAPTURED)).astype(np.uint8)

    def scores(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"] | None:
        """Scores before the softmax, None where a part has none."""
        if any(part.record.scores(head, slice(0, 0), slice(0, 0)) is None for part in self.parts):
            return None
        return self._fill("scores", head, queries, keys, -np.inf, np.nan).astype(np.float32, copy=False)

    def _fill(self, what: str, head: int, queries: Index, keys: Index, outside: float, nowhere: float) -> np.ndarray:
        """Gather `what` from the parts: `outside` of a part's keys, `nowhere` for rows in no part."""
        check_head(head, self.heads)
        rows, columns = positions(queries, self.queries, "query"), positions(keys, self.keys, "key")
        out = np.full((len(rows), len(columns)), nowhere, np.float32)
        left = np.ones(len(rows), bool)
        for first_row, first_key, record in self.parts:
            mine = left & (rows >= first_row) & (rows < first_row + record.queries)
            left &= ~mine
            inside = (columns >= first_key) & (columns < first_key + record.keys)
            out[mine] = outside
            if not (mine.any() and inside.any()):
                continue
            local = rows[mine] - first_row
            # One call over the span of the wanted rows and columns, then the wanted ones of it.
            low, left_key = local.min(), columns[inside].min() - first_key
            spans = slice(low, local.max() + 1), slice(left_key, columns[inside].max() + 1 - first_key)
            block = cast(np.ndarray, getattr(record, what)(head, *spans))
            out[np.ix_(mine, inside)] = block[np.ix_(local - low, columns[inside] - first_key - left_key)]
        return out

    def arrays(self) -> Arrays:
        """Give the arrays of all parts, named ``0.query`` and so on."""
        return {f"{i}.{name}": a for i, part in enumerate(self.parts) for name, a in part.record.arrays().items()}

    def settings(self) -> dict[str, Any]:
        """Give what `load_record` needs besides the arrays."""
        parts = [dict(p.record.settings(), first_row=p.first_row, first_key=p.first_key) for p in self.parts]
        return {"record": "stacked", "queries": self.queries, "keys": self.keys, "parts": parts}

    def __repr__(self) -> str:
        return sizes(self)


def sizes(record: Record) -> str:
    """Name a record by its sizes, not by its numbers."""
    return f"{type(record).__name__}(heads={record.heads}, queries={record.queries}, keys={record.keys})"


def array_bytes(arrays: Arrays) -> int:
    """Bytes of the arrays, counting one that is held twice once."""
    return sum({id(array): array.nbytes for array in arrays.values()}.values())
