"""Two aligned traces on the wire: a head of both sides, exactly or as pictures; its rows; what differs most.

Up to `EXACT` places a side a head goes as left weights and states, right weights and states
(`attn_widgets.panels.wire`); the page subtracts. Beyond it goes as three pictures of at most
`EXACT` cells a side (`attn_widgets.panels.tiles`): left, right, and the difference on a scale
from -1 to 1, where a reduced cell shows its largest difference of either sign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from attn_widgets.panels import tiles, wire
from attn_widgets.panels.base import Answer, PanelError
from attn_widgets.panels.tokens import visible
from attn_widgets.trace import VALUE
from attn_widgets.trace.align import Aligned, Alignment
from attn_widgets.trace.differences import CellDifference, difference, largest_differences
from attn_widgets.trace.records import ALL, Index

EXACT = 512
"""Rows and columns up to which a head goes with every number."""

MOST = 32
"""Cells in the list of the largest differences."""

SIGNED = tiles.Scale(-1.0, 1.0)

MEAN = -1
"""Number of a layer's mean among its heads."""


class Side(NamedTuple):
    """Numbers of cells, and what each cell is."""

    values: Float32[np.ndarray, "query key"]
    states: UInt8[np.ndarray, "query key"]


class Three(NamedTuple):
    """What is drawn beside each other, and how many cells a side each drawn cell stands for."""

    left: Side
    right: Side
    difference: Side
    step: int


def shape(pair: Aligned, layer: int) -> tuple[int, int]:
    """Places of the rows and of the columns of a layer."""
    return len(pair.rows[layer].pairs), len(pair.columns[layer].pairs)


def step_of(pair: Aligned, layer: int, most: int = EXACT) -> int:
    """How many cells a side one drawn cell stands for where at most `most` are drawn."""
    return max(1, -(-max(shape(pair, layer)) // most))


def sides(pair: Aligned, layer: int, head: int, queries: Index = ALL) -> tuple[Side, Side]:
    """Weights of a head, or of the layer's mean (`MEAN`), on the left and on the right."""
    if head == MEAN:
        one, other = (
            Side(trace.mean(layer, queries), trace.mean_states(layer, queries)) for trace in (pair.left, pair.right)
        )
    else:
        one, other = (
            Side(trace.weights(layer, head, queries), trace.states(layer, head, queries))
            for trace in (pair.left, pair.right)
        )
    return one, other


def drawn(pair: Aligned, layer: int, head: int, most: int = EXACT) -> Three:
    """Reduce both sides and their difference to at most `most` cells a side, a band of rows at a time."""
    step, (rows, columns) = step_of(pair, layer, most), shape(pair, layer)
    band = max(step, tiles.ROWS_AT_ONCE // max(1, columns) // step * step)
    bands = [_reduced(*sides(pair, layer, head, slice(at, at + band)), step) for at in range(0, max(rows, 1), band)]
    left, right, between = (
        Side(*(np.concatenate(parts) for parts in zip(*(three[i] for three in bands), strict=True))) for i in range(3)
    )
    return Three(left, right, between, step)


def _reduced(left: Side, right: Side, step: int) -> tuple[Side, Side, Side]:
    between = difference(left.values, right.values, left.states, right.states)
    return Side(*tiles.reduced(*left, step)), Side(*tiles.reduced(*right, step)), _largest(Side(*between), step)


def _largest(between: Side, step: int) -> Side:
    """Take the largest difference of either sign over ``step × step`` cells; a NaN wins."""
    if step == 1:
        return between
    states = between.states
    low = high = np.where(states == VALUE, between.values, 0)
    for axis in (0, 1):
        at = np.arange(0, low.shape[axis], step)
        low, high = np.minimum.reduceat(low, at, axis), np.maximum.reduceat(high, at, axis)
        states = np.minimum.reduceat(states, at, axis)
    return Side(np.where(-low > high, low, high).astype(np.float32), states)


def packed(pair: Aligned, layer: int, head: int) -> list[bytes]:
    """Write a head for the page: four buffers of exact numbers, or three pictures."""
    if step_of(pair, layer) == 1:
        return exact(*sides(pair, layer, head))
    three = drawn(pair, layer, head)
    codes = [tiles.encode(*side, tiles.Scale()) for side in three[:2]] + [tiles.encode(*three.difference, SIGNED)]
    return [code.tobytes() for code in codes]


def exact(left: Side, right: Side) -> list[bytes]:
    """Weights and states of the left, then of the right."""
    return [data for side in (left, right) for data in (wire.weight_bytes(side.values), wire.state_bytes(side.states))]


def packed_bytes(pair: Aligned, layer: int) -> int:
    """How many bytes `packed` gives."""
    step, (rows, columns) = step_of(pair, layer), shape(pair, layer)
    return 10 * rows * columns if step == 1 else 3 * -(-rows // step) * -(-columns // step)


def cell_spec(cell: CellDifference) -> list[float | None]:
    """Layer, head, row, column, both weights and the difference."""
    numbers = [wire.json_number(number) for number in (cell.left, cell.right, cell.difference)]
    return [cell.layer, cell.head, cell.query, cell.key, *numbers]


class PairAnswers:
    """What a page may ask about two traces.

    Parameters
    ----------
    pair
        The traces.
    asked
        Gives positions named in a request, checked (`SteppingPanel._asked`).
    """

    def __init__(self, pair: Aligned, asked: Callable[..., list[int]]) -> None:
        self._pair, self._asked = pair, asked
        self._largest: dict[int, list[list[float | None]]] = {}

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what may be asked: a head of both sides, one row of it exactly, a layer's largest differences."""
        return {"pair": self._answer_pair, "pair_row": self._answer_row, "largest": self._answer_largest}

    def _place(self, content: Mapping[str, Any], *names: str) -> list[int]:
        """Layer, head or `MEAN`, and what else is named."""
        mean = content.get("mean", False)
        if not isinstance(mean, bool):
            raise PanelError(f"mean must be True or False; given {str(mean)[:40]!r}")
        if not mean:
            return self._asked(content, "layer", "head", *names)
        layer, *rest = self._asked(content, "layer", *names)
        return [layer, MEAN, *rest]

    def _answer_pair(self, content: dict[str, Any]) -> Answer:
        layer, head = self._place(content)
        return {"step": step_of(self._pair, layer)}, packed(self._pair, layer, head)

    def _answer_row(self, content: dict[str, Any]) -> Answer:
        layer, head, query = self._place(content, "query")
        return {}, exact(*sides(self._pair, layer, head, query))

    def _answer_largest(self, content: dict[str, Any]) -> Answer:
        (layer,) = self._asked(content, "layer")
        return {"largest": self.largest(layer)}, []

    def largest(self, layer: int) -> list[list[float | None]]:
        """Cells of a layer's heads that differ most, found once."""
        if layer not in self._largest:
            found = largest_differences(self._pair.left, self._pair.right, [layer], MOST)
            self._largest[layer] = [cell_spec(cell) for cell in found]
        return self._largest[layer]

    def all_largest(self) -> list[list[float | None]]:
        """Cells of all heads that differ most."""
        cells = [cell for layer in range(self._pair.left.layers) for cell in self.largest(layer)]
        return sorted(cells, key=lambda cell: (-abs(cell[6] or 0), cell[:4]))[:MOST]


def axis_spec(alignment: Alignment) -> dict[str, Any]:
    """Name the places of an axis, and say which of them a side lacks and which were replaced."""
    return {
        "labels": list(alignment.labels(visible)),
        "leftOnly": alignment.left_only,
        "rightOnly": alignment.right_only,
        "replaced": alignment.replaced,
    }
