"""Pictures of a matrix, one byte a cell: coded, reduced, a rectangle at a time.

Codes 0 to ``TOP`` are steps of the scale (a weight is right within 1/500); what is no number on
it has a code of its own. A reduced cell shows the maximum of several; if one of them is not a
number, it shows that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from attn_widgets.panels.lens import HIDDEN, Cells, Matrix
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE

TOP = 250
ZERO_CODE, NAN_CODE, HIDDEN_CODE, MASKED_CODE, UNKNOWN_CODE = 251, 252, 253, 254, 255
"""Exactly zero, no number, left out by a filter, masked, not captured."""

ROWS_AT_ONCE = 1 << 20
"""Cells computed at once, so that a matrix of 4,096 rows needs a few megabytes."""


@dataclass(frozen=True)
class Scale:
    """From which value to which the colours go."""

    low: float = 0.0
    high: float = 1.0


def encode(
    values: Float[np.ndarray, "row column"], states: UInt8[np.ndarray, "row column"], scale: Scale
) -> UInt8[np.ndarray, "row column"]:
    """Code each cell in one byte; values outside of the scale take its near end."""
    if scale.high == 0:  # the logarithm of zero is the end of its scale, not a number gone wrong
        values = np.where(np.isneginf(values), scale.low, values)
    finite = np.isfinite(values)
    span = (scale.high - scale.low) or 1.0
    share = np.clip((np.where(finite, values, 0) - scale.low) / span, 0, 1)
    code = np.floor(share * TOP + 0.5).astype(np.uint8)
    code[~finite] = NAN_CODE
    if scale.low == 0:
        code[finite & (values == 0)] = ZERO_CODE
    for state, its in ((HIDDEN, HIDDEN_CODE), (MASKED, MASKED_CODE), (NOT_CAPTURED, UNKNOWN_CODE)):
        code[states == state] = its
    return code


def reduced(values: np.ndarray, states: np.ndarray, step: int) -> Cells:
    """Maximum of ``step × step`` cells, NaN if one of them is; masked if some are and none has a value."""
    if step == 1:
        return values, states
    seen = np.where(states == VALUE, values, -np.inf)
    seen = _folded(np.maximum, _folded(np.maximum, seen, step).T, step).T  # a NaN wins
    states = _folded(np.minimum, _folded(np.minimum, states, step).T, step).T
    return np.where(states == VALUE, seen, 0).astype(np.float32), states


def _folded(choose: np.ufunc, cells: np.ndarray, step: int) -> np.ndarray:
    """Choose among every `step` rows; several times faster than ``choose.reduceat``, which goes cell by cell."""
    chosen = cells[::step].copy()
    for row in range(1, min(step, len(cells))):
        others = cells[row::step]
        choose(chosen[: len(others)], others, out=chosen[: len(others)])
    return chosen


def picture(matrix: Matrix, rows: slice, columns: slice, step: int, scale: Scale) -> UInt8[np.ndarray, "row column"]:
    """Code a rectangle of a matrix, computed a band of rows at a time.

    Parameters
    ----------
    matrix
        What is shown.
    rows, columns
        The rectangle, within the matrix.
    step
        Each code is the maximum of so many rows and columns.
    scale
        Of the colours.
    """
    wide = max(1, columns.stop - columns.start)
    band = max(step, ROWS_AT_ONCE // wide // step * step)
    parts = []
    for start in range(rows.start, rows.stop, band):
        cells = matrix.cells(slice(start, min(start + band, rows.stop)), columns)
        parts.append(encode(*reduced(*cells, step), scale))
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.uint8)


def scale_of(matrix: Matrix, value: str) -> Scale:
    """Weights go from 0 to 1, logarithms from that of 1/10,000 to 0, scores from the least to the largest seen."""
    if value == "weight":
        return Scale()
    if value == "log":
        return Scale(float(np.log(1e-4)), 0.0)
    low, high, (rows, columns) = np.inf, -np.inf, matrix.shape
    band = max(1, ROWS_AT_ONCE // max(1, columns))
    for start in range(0, rows, band):
        values, states = matrix.cells(slice(start, min(start + band, rows)), slice(0, columns))
        known = values[(states == VALUE) & np.isfinite(values)]
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    return Scale(low, high) if low <= high else Scale()
