"""What a panel sees through its lens, as a drawing for a paper: merged, filtered, sorted and scaled as on screen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from attn_widgets.panels import figures, tiles
from attn_widgets.panels.lens import Axis, Cells, Lens, Matrix
from attn_widgets.trace import VALUE, Predictions

NAMES = {"weight": "weight", "score": "score", "log": "logarithm of the weight"}
"""What a lens's values are called."""


@dataclass(frozen=True)
class Reading:
    """What is shown of a matrix besides the lens itself.

    Attributes
    ----------
    name, title
        Above the drawing.
    row
        The token that is read, by which columns are sorted; None for the last one.
    by_weight
        Whether they are sorted.
    last
        Only so many of the last rows; 0 shows all.
    predictions
        Of the trace's rows.
    texts
        Of how many texts the trace is the mean; 0 for one text.
    """

    name: str
    title: str
    row: int | None
    by_weight: bool
    last: int
    predictions: Predictions | None
    texts: int = 0


def draw(matrix: Matrix, reading: Reading) -> str:
    """Draw a matrix alone, as a whole SVG on a light ground."""
    return figures.matrix_figure(shown(matrix, reading))


def shown(matrix: Matrix, reading: Reading) -> figures.Matrix:
    """Compute what is drawn; of a large matrix the maxima over squares of cells."""
    lens, (rows, columns) = matrix.lens, matrix.shape
    first = _first(matrix, reading)
    factor = max(1, -(-max(rows - first, columns) // figures.LARGEST))
    weights, states = reduced(matrix, first, factor)
    scale = tiles.scale_of(matrix, lens.value)
    seen = figures.Matrix(
        rows=matrix.rows.tokens[first:],
        columns=matrix.columns.tokens,
        weights=weights,
        states=states,
        name=reading.name,
        title=reading.title,
        predictions=_predicted(reading.predictions, matrix.rows, first),
        low=scale.low,
        high=scale.high,
        factor=factor,
        notes=_notes(lens, reading),
        value=NAMES[lens.value],
    )
    if reading.by_weight and factor == 1 and weights.size:
        seen = _sorted(seen, _place(matrix.rows, reading.row) - first)
    return seen


def first_rows(matrix: Matrix, reading: Reading, count: int) -> figures.Matrix:
    """Give the exact numbers of the first rows on show, at most `count`."""
    first = _first(matrix, reading)
    rows = slice(first, min(first + count, matrix.shape[0]))
    predicted = _predicted(reading.predictions, matrix.rows, first)
    cells = matrix.cells(rows, slice(0, matrix.shape[1]))
    return figures.Matrix(
        matrix.rows.tokens[rows],
        matrix.columns.tokens,
        *cells,
        reading.name,
        predictions=predicted,
        value=NAMES[matrix.lens.value],
    )


def _first(matrix: Matrix, reading: Reading) -> int:
    return max(0, matrix.shape[0] - reading.last) if reading.last else 0


def reduced(matrix: Matrix, first: int, factor: int) -> Cells:
    """Take maxima over squares of cells from a row on, computed a band of rows at a time."""
    rows, columns = matrix.shape
    band = max(1, tiles.ROWS_AT_ONCE // max(1, columns) // factor) * factor
    parts = [
        tiles.reduced(*matrix.cells(slice(at, min(at + band, rows)), slice(0, columns)), factor)
        for at in range(first, rows, band)
    ]
    if not parts:
        return np.zeros((0, columns), np.float32), np.zeros((0, columns), np.uint8)
    return np.concatenate([values for values, _ in parts]), np.concatenate([states for _, states in parts])


def _predicted(predictions: Predictions | None, rows: Axis, first: int) -> Predictions | None:
    """Give the prediction at the last token of each row."""
    if predictions is None:
        return None
    at = (rows.stops - 1)[first:]
    return Predictions(tuple(predictions.tokens[i] for i in at), predictions.probabilities[at])


def _place(rows: Axis, token: int | None) -> int:
    """Find the row in which a token stands, or the next one before it; the last one without a token."""
    if token is None:
        return len(rows.starts) - 1
    return max(0, int(np.searchsorted(rows.starts, token, side="right")) - 1)


def _sorted(shown: figures.Matrix, row: int) -> figures.Matrix:
    """Put the columns into the order of a row's weights, what has none last."""
    row = min(max(row, 0), len(shown.weights) - 1)
    known = (shown.states[row] == VALUE) & ~np.isnan(shown.weights[row])
    order = np.argsort(np.where(known, -shown.weights[row], np.inf), kind="stable")
    columns = tuple(shown.columns[i] for i in order)
    return replace(shown, columns=columns, weights=shown.weights[:, order], states=shown.states[:, order])


def _notes(lens: Lens, reading: Reading) -> list[str]:
    """Say what was left out, merged or sorted."""
    notes = {
        "Colours are scores before the softmax.": lens.value == "score",
        "Colours are natural logarithms of weights, from 1/10,000 on.": lens.value == "log",
        f"Weights under {lens.threshold:g} are left out.": lens.threshold > 0,
        f"Of each row the {lens.top} strongest are shown.": lens.top > 0,
        "Sub-words are merged: summed over keys, averaged over queries.": lens.words,
        "Special tokens are left out.": lens.hide_special,
        f"The last {reading.last} rows.": reading.last > 0,
        "Columns are sorted by the row that is read.": reading.by_weight,
        f"The mean of n = {reading.texts} texts.": reading.texts > 0,
    }
    return [note for note, holds in notes.items() if holds]
