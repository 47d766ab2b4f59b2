"""Differences of two traces on the same places: right minus left, and where they are largest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from attn_widgets.trace.records import MASKED, NOT_CAPTURED, VALUE
from attn_widgets.trace.trace import AttentionTrace


class Difference(NamedTuple):
    """Right minus left, cell by cell, and what each cell is."""

    values: Float32[np.ndarray, "query key"]
    states: UInt8[np.ndarray, "query key"]


def difference(
    left: Float32[np.ndarray, "query key"],
    right: Float32[np.ndarray, "query key"],
    left_states: UInt8[np.ndarray, "query key"],
    right_states: UInt8[np.ndarray, "query key"],
) -> Difference:
    """Subtract weights: unknown where either is, masked where both are; one that is masked counts as 0."""
    unknown = (left_states == NOT_CAPTURED) | (right_states == NOT_CAPTURED)
    masked = (left_states == MASKED) & (right_states == MASKED)
    states = np.where(unknown, NOT_CAPTURED, np.where(masked, MASKED, VALUE)).astype(np.uint8)
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is not a number, and said to be none
        values = np.where(states == VALUE, right - left, 0).astype(np.float32)
    return Difference(values, states)


class CellDifference(NamedTuple):
    """A cell of a head with its weight on both sides."""

    layer: int
    head: int
    query: int
    key: int
    left: float
    right: float

    @property
    def difference(self) -> float:
        """Right minus left."""
        return self.right - self.left


def largest_differences(
    left: AttentionTrace, right: AttentionTrace, layers: Sequence[int] | None = None, most: int = 32
) -> list[CellDifference]:
    """Cells with the largest difference of either sign, over all heads of the layers; traces with the same places.

    What is not finite on either side is left out.
    """
    found = [cell for place in _each(left, layers) for cell in _of_head(left, right, *place, most)]
    return sorted(found, key=lambda cell: (-abs(cell.difference), cell[:4]))[:most]


def _each(trace: AttentionTrace, layers: Sequence[int] | None) -> Iterator[tuple[int, int]]:
    return ((layer, head) for layer, head in trace.iter_heads() if layers is None or layer in layers)


def _of_head(left: AttentionTrace, right: AttentionTrace, layer: int, head: int, most: int) -> list[CellDifference]:
    one, other = (side.weights(layer, head) for side in (left, right))
    between = difference(one, other, left.states(layer, head), right.states(layer, head))
    places = largest_cells(between, most)
    return [CellDifference(layer, head, q, k, float(one[q, k]), float(other[q, k])) for q, k in places]


def largest_cells(between: Difference, most: int) -> list[tuple[int, int]]:
    """Rows and columns of the largest differences of either sign, the largest first; none that is zero or no number."""
    values, states = between
    size = np.where((states == VALUE) & np.isfinite(values), np.abs(values), 0).ravel()
    order = np.argpartition(-size, min(most, size.size) - 1)[:most] if size.size else np.zeros(0, int)
    return [divmod(int(at), values.shape[1]) for at in sorted(order, key=lambda at: (-size[at], at)) if size[at] > 0]
