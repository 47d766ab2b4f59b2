"""A record laid out on places that another text shares: what it lacks there was not captured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, UInt8

from attn_widgets.trace.records import (
    ALL,
    MASKED,
    NOT_CAPTURED,
    Arrays,
    Index,
    Record,
    array_bytes,
    positions,
    sizes,
)

NOWHERE = -1
"""Position of a place that a side lacks."""


@dataclass(frozen=True, eq=False, repr=False)
class AlignedRecord:
    """A record on places: each is a position of the record, rising, or `NOWHERE` and then not captured.

    Attributes
    ----------
    record
        What is known.
    rows, columns
        For each place where it stands in the record.
    """

    record: Record
    rows: Int[np.ndarray, " row"]
    columns: Int[np.ndarray, " column"]

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.record.heads

    @property
    def queries(self) -> int:
        """Number of places of the rows."""
        return len(self.rows)

    @property
    def keys(self) -> int:
        """Number of places of the columns."""
        return len(self.columns)

    @property
    def nbytes(self) -> int:
        """Bytes of memory held."""
        return array_bytes(self.record.arrays())

    def weights(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"]:
        """Attention weights of one head; 0 where masked or not captured."""
        return self._fill(self.record.weights, head, queries, keys, 0.0, np.float32)

    def states(self, head: int, queries: Index = ALL, keys: Index = ALL) -> UInt8[np.ndarray, "query key"]:
        """`VALUE`, `MASKED` or `NOT_CAPTURED` for each cell."""
        return self._fill(self.record.states, head, queries, keys, float(NOT_CAPTURED), np.uint8)

    def scores(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"] | None:
        """Scores before the softmax, None where there are none."""
        if self.record.scores(head, slice(0, 0), slice(0, 0)) is None:
            return None
        return self._fill(self.record.scores, head, queries, keys, np.nan, np.float32)

    def _fill(
        self, ask: Callable[..., Any], head: int, queries: Index, keys: Index, nowhere: float, dtype: Any
    ) -> np.ndarray:
        """Ask for the span of the wanted cells, and put them to their places."""
        rows = self.rows[positions(queries, self.queries, "query")]
        columns = self.columns[positions(keys, self.keys, "key")]
        out = np.full((len(rows), len(columns)), nowhere, dtype)
        low, left = (int(at[at != NOWHERE].min()) if (at != NOWHERE).any() else 0 for at in (rows, columns))
        high, right = (int(at.max(initial=NOWHERE)) + 1 for at in (rows, columns))
        span = ask(head, slice(low, high), slice(left, right))
        for to_row, row in _runs(rows, low):
            for to_column, column in _runs(columns, left):
                out[to_row, to_column] = span[row, column]
        return out

    def arrays(self) -> Arrays:
        """Give what is known as plain weights, which is how it is written to a file."""
        states = np.stack([self.states(head) for head in range(self.heads)])
        matrix = np.stack([self.weights(head) for head in range(self.heads)])
        return {"matrix": matrix, "mask": states != MASKED, "known": states != NOT_CAPTURED}

    def settings(self) -> dict[str, Any]:
        """Give what `load_record` needs besides the arrays."""
        return {"record": "weights"}

    def __repr__(self) -> str:
        return sizes(self)


def _runs(places: Int[np.ndarray, " place"], low: int) -> list[tuple[slice, slice]]:
    """Pairs of slices: places whose positions follow each other, and those positions, counted from `low`."""
    known = np.flatnonzero(places != NOWHERE)
    if not known.size:
        return []
    breaks = np.flatnonzero((np.diff(known) != 1) | (np.diff(places[known]) != 1)) + 1
    runs = np.split(known, breaks)
    starts = [int(places[run[0]]) - low for run in runs]
    return [(slice(run[0], run[-1] + 1), slice(at, at + len(run))) for run, at in zip(runs, starts, strict=True)]
