"""One number a head for each metric: means over its rows, gathered a tile of rows at a time.

A tile holds some rows of one head, so that a long text never needs a whole matrix. Rows that see nothing, and rows of
which a cell was not captured, are left out of the means; a row that is not a number makes the mean so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, UInt8

from attn_widgets.errors import AttnError
from attn_widgets.trace.blocks import Block
from attn_widgets.trace.metrics import induction_targets
from attn_widgets.trace.records import NOT_CAPTURED, VALUE, Record, StackedRecord, WeightsRecord
from attn_widgets.trace.vectors import Vectors

TILE = 1 << 19
"""Cells of a tile (2 MB as float32)."""


class Metric(NamedTuple):
    """How a metric is told to a person."""

    title: str
    about: str
    share: bool
    """Whether it lies between 0 and 1; else its scale ends at the largest head."""


METRICS = {
    "entropy": Metric("entropy", "mean entropy of a row in nats: 0 looks at one token, more spreads out", False),
    "distance": Metric("distance", "mean distance in tokens between a row and what it looks at", False),
    "previous_token": Metric("previous token", "mean weight on the token before", True),
    "induction": Metric("induction", "mean weight on tokens that followed the same token earlier", True),
    "sink": Metric("sink", "mean weight on the first token, over the rows after the first", True),
}
"""All metrics of a head, in the order in which `head_metrics` gives them."""


class Tile(NamedTuple):
    """Some rows of one head, from the first key to the last one that any of these rows sees."""

    head: int
    rows: slice
    weights: Float[np.ndarray, "row seen"]
    states: UInt8[np.ndarray, "row key"]


def tiles(record: Record, heads: Sequence[int], multiple: int = 1) -> Iterator[Tile]:
    """Go down the rows in tiles of a `multiple` of rows, in each tile through the heads."""
    step = multiple * max(1, TILE // max(1, record.keys * multiple))
    shared = shares_states(record)
    for start in range(0, record.queries, step):
        rows = slice(start, min(start + step, record.queries))
        states = None
        for head in heads:
            if states is None or not shared:
                states = record.states(head, rows)
                seen = np.flatnonzero((states == VALUE).any(axis=0))
                stop = int(seen[-1]) + 1 if len(seen) else 0
            yield Tile(head, rows, record.weights(head, rows, slice(0, stop)), states)


def shares_states(record: Record) -> bool:
    """Whether all heads of a record are known to mask the same cells."""
    if isinstance(record, StackedRecord):
        return all(shares_states(part.record) for part in record.parts)
    if isinstance(record, WeightsRecord):
        return all(plane is None or len(plane) == 1 for plane in (record.mask, record.known))
    return isinstance(record, Vectors)


class HeadMetrics:
    """Gathers the metrics of a layer's heads from tiles, in whatever order they come.

    Rows of cross-attention do not stand among the keys: distance, previous token and induction do not apply there.
    """

    def __init__(self, block: Block) -> None:
        self._block = block
        self._positions = np.arange(block.record.keys - block.record.queries, block.record.keys)
        self._among = block.kind != "cross"
        self._sums = np.zeros((len(METRICS), block.record.heads))
        self._counts = np.zeros((len(METRICS), block.record.heads), int)
        self._states: np.ndarray | None = None

    def add(self, tile: Tile) -> None:
        """Take a tile into the means."""
        if self._states is not tile.states:  # heads that share their states share what follows from them
            self._states = tile.states
            complete = (tile.states == VALUE).any(axis=1) & (tile.states != NOT_CAPTURED).all(axis=1)
            self._counted = complete
            self._here = self._positions[tile.rows]
            self._far = np.abs(self._here[:, None] - np.arange(tile.states.shape[1])).astype(np.float32)
            self._targets = self._find_targets(tile.rows) if self._among else None
        weights = tile.weights
        self._take("entropy", tile.head, _entropy(weights), self._counted)
        self._take("sink", tile.head, _column(weights, np.zeros(len(weights), int)), self._after_first(tile.rows))
        if self._targets is None:
            return
        before = self._here - 1
        self._take("distance", tile.head, _row_sums(weights, self._far[:, : weights.shape[1]]), self._counted)
        self._take("previous_token", tile.head, _column(weights, before), self._counted & (before >= 0))
        rows, columns = self._targets
        inside = columns < weights.shape[1]
        found = np.bincount(rows[inside], weights[rows[inside], columns[inside]], len(weights))
        has_target = np.bincount(rows, minlength=len(weights)) > 0
        self._take("induction", tile.head, found, self._counted & has_target)

    def values(self) -> Float64[np.ndarray, "metric head"]:
        """Means so far; NaN where no row counts."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self._sums / np.where(self._counts > 0, self._counts, np.nan))

    def _find_targets(self, rows: slice) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
        return induction_targets(self._block.query_tokens[rows], self._block.key_tokens, self._here)

    def _after_first(self, rows: slice) -> Bool[np.ndarray, " row"]:
        after: np.ndarray = self._counted & (np.arange(rows.start, rows.stop) > 0)
        return after

    def _take(self, name: str, head: int, values: np.ndarray, counted: np.ndarray) -> None:
        at = list(METRICS).index(name)
        self._sums[at, head] += values[counted].sum()
        self._counts[at, head] += int(counted.sum())


def _entropy(weights: np.ndarray) -> Float[np.ndarray, " row"]:
    """As `metrics.entropy`, in single precision: a page of 4,096 tokens has 16 million logarithms a head."""
    with np.errstate(all="ignore"):
        return 0.0 - _row_sums(weights, np.log(weights + np.finfo(np.float32).tiny))  # 0 · log of tiny is 0


def _row_sums(weights: np.ndarray, factors: np.ndarray) -> Float[np.ndarray, " row"]:
    with np.errstate(all="ignore"):
        return np.asarray(np.einsum("ij,ij->i", weights, factors))


def _column(weights: np.ndarray, columns: np.ndarray) -> Float64[np.ndarray, " row"]:
    """Weight of each row on one column; 0 beyond what the tile's rows see."""
    inside = (columns >= 0) & (columns < weights.shape[1])
    out = np.zeros(len(weights))
    out[inside] = weights[np.flatnonzero(inside), columns[inside]]
    return out


def head_metrics(block: Block) -> Float64[np.ndarray, "metric head"]:
    """All `METRICS` of all heads of a layer; NaN where one does not apply or no row counts."""
    gathered = HeadMetrics(block)
    for tile in tiles(block.record, range(block.record.heads)):
        gathered.add(tile)
    return gathered.values()


def metric_index(name: str) -> int:
    """Place of a metric among `METRICS`.

    Raises
    ------
    AttnError
        If there is no such metric.
    """
    if name not in METRICS:
        raise AttnError(f"metric {str(name)[:40]!r} does not exist; there are {', '.join(METRICS)}")
    return list(METRICS).index(name)
