"""A matrix of attention as one drawing: its labels, what it predicts, and a legend that names what is no weight.

The main picture of the static snapshot, and the figure that ``save`` writes for a paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from attn_widgets.panels import svg, tiles
from attn_widgets.panels.colours import colours, picture
from attn_widgets.panels.lens import HIDDEN
from attn_widgets.panels.tokens import shorten, visible
from attn_widgets.panels.wire import visible_line
from attn_widgets.trace import VALUE, AttentionTrace, Predictions, head_name

LARGEST = 256
"""Rows or columns of a picture; larger matrices show the maximum of a few cells."""

_LABEL = 12
_SIZE = 340
_ROOMY = 9
"""Cells from this size on carry marks: a dot for zero, a cross for what is no number."""
_NARROWEST = 420
_SHARP = 1024
"""Pixels of a matrix in a file for a paper: many programs blur a small picture that is stretched."""
_READING = "A row is the reading position, a column is what it looks at."


@dataclass(frozen=True)
class Matrix:
    """Weights with the tokens of their rows and columns, and what stands above and beside them."""

    rows: Sequence[str]
    columns: Sequence[str]
    weights: np.ndarray
    states: np.ndarray
    name: str
    title: str = ""
    predictions: Predictions | None = None
    low: float = 0.0
    high: float = 1.0
    factor: int = 1
    """Rows and columns behind each weight, which is then the maximum of as many cells along each side."""
    notes: Sequence[str] = ()
    value: str = "weight"
    """What the numbers are, in a word."""


def head_matrix(trace: AttentionTrace, layer: int, head: int | None, title: str = "") -> Matrix:
    """Take one head of a trace, or the mean over the layer's heads."""
    block = trace.blocks[layer]
    if head is None:
        name, weights, states = f"L{layer} mean", trace.mean(layer), trace.mean_states(layer)
    else:
        name, weights, states = head_name(layer, head), block.record.weights(head), block.record.states(head)
    predictions = trace.predictions_of(layer)
    return Matrix(block.query_tokens, block.key_tokens, weights, states, name, title, predictions)


def head_figure(trace: AttentionTrace, layer: int, head: int | None, title: str = "") -> str:
    """Draw one head, or the mean over the layer's heads, alone."""
    return matrix_figure(head_matrix(trace, layer, head, title))


def matrix_figure(matrix: Matrix) -> str:
    """Draw a matrix alone, as a whole SVG on a light ground."""
    drawn, width, height = draw_matrix(matrix, _SHARP)
    return svg.drawing(width, height, define_hatching(), drawn)


def define_hatching() -> str:
    """Define the look of masked cells, once for a drawing."""
    hatch = colours()["light"]["hatch"]
    return (
        '<defs><pattern id="masked" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<line x1="0" y1="0" x2="0" y2="5" stroke="{hatch}" stroke-width="1.2"/></pattern></defs>'
    )


def draw_matrix(matrix: Matrix, sharp: int = 0) -> tuple[str, float, float]:
    """Draw a matrix with its labels and legend, of about `sharp` pixels; returns the SVG with its width and height."""
    rows, columns = len(matrix.rows), len(matrix.columns)
    most = max(rows, columns, 1)
    cell = min(26.0, max(_SIZE, min(most, 1.4 * _SIZE)) / most)
    row_labels, column_labels = _labels(matrix.rows), _labels(matrix.columns)
    left, top = _widest(row_labels) + 8, 40 + _widest(column_labels)
    wide, high = cell * columns, cell * rows
    small, more = reduce(*_shares(matrix))
    factor = matrix.factor * more
    box = f'x="{left:g}" y="{top:g}" width="{wide:g}" height="{high:g}"'
    parts = [
        f'<rect {box} fill="url(#masked)" stroke="{svg.LINE}"/>',
        svg.embed(_enlarged(picture(*small), sharp), left, top, wide, high) if matrix.weights.size else "",
        _marks(matrix, left, top, cell) if factor == 1 and cell >= _ROOMY else "",
    ]
    step = int(np.ceil(12.5 / cell))
    for i in range(0, rows, step):
        parts.append(svg.text(left - 6, top + (i + 0.5) * cell + 4, row_labels[i], size=11, anchor="end"))
    for i in range(0, columns, step):
        x, y = left + (i + 0.5) * cell + 4, top - 5
        parts.append(svg.text(x, y, column_labels[i], size=11, more=f'transform="rotate(-90 {x:g} {y:g})"'))
    beside, right = "", left + wide
    if matrix.predictions is not None:
        beside, right = _predicted(matrix.predictions, rows, step, cell, (right + 12, top))
    legend, legend_width = _legend(matrix, top + high + 14)
    width = max(right, legend_width, _NARROWEST)
    notes = _readings(matrix, factor)
    words = [svg.text(0, top + high + 54 + 15 * i, note, size=11, fill=svg.MUTED) for i, note in enumerate(notes)]
    height = top + high + 47 + 15 * len(notes)
    return "".join([_headline(matrix, width), *parts, beside, legend, *words]), width, height


def _shares(matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Where values stand between the ends of the scale; what a filter left out looks like its low end."""
    span = (matrix.high - matrix.low) or 1.0
    hidden = matrix.states == HIDDEN
    shares = matrix.weights if (matrix.low, span) == (0, 1) else (matrix.weights - matrix.low) / span
    if matrix.high == 0:  # the logarithm of zero is the end of its scale
        shares = np.where(np.isneginf(shares), 0, shares)
    return np.where(hidden, 0, shares), np.where(hidden, VALUE, matrix.states)


def _readings(matrix: Matrix, factor: int) -> list[str]:
    reduced = [f"Each point is the maximum of {factor}×{factor} cells."] if factor > 1 else []
    return [_READING, *reduced, *matrix.notes]


def _enlarged(image: Image.Image, size: int) -> Image.Image:
    """Repeat each pixel until the picture is about as large as `size`."""
    times = size // max(image.size)
    if times < 2:
        return image
    larger = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
    larger.info.update(image.info)
    return larger


def _labels(tokens: Sequence[str]) -> list[str]:
    return [shorten(visible(token), _LABEL) for token in tokens]


def _widest(labels: Sequence[str]) -> float:
    return max((svg.text_width(label, 11) for label in labels), default=0)


def _headline(matrix: Matrix, width: float) -> str:
    """Name the head, and beside it as much of the title as there is room for."""
    at = svg.text_width(matrix.name, 17) + 16
    # Prose is narrower than the width that is kept free for a label.
    title = shorten(visible_line(matrix.title), max(8, int((width - at) / (0.54 * 12))))
    return svg.text(0, 18, matrix.name, size=17, more='font-weight="600"') + svg.text(
        at, 18, title, size=12, fill=svg.MUTED
    )


def _marks(matrix: Matrix, left: float, top: float, cell: float) -> str:
    """Put a dot in each cell whose weight is exactly zero, a cross in each that is no number."""
    weights, known = matrix.weights, matrix.states == VALUE
    zero = known & (weights == 0) & (matrix.low == 0)  # a logarithm of 0 is a weight of 1
    broken = known & ~np.isfinite(weights) & ~(np.isneginf(weights) & (matrix.high == 0))

    def places(chosen: np.ndarray) -> list[tuple[float, float]]:
        return [(left + (c + 0.5) * cell, top + (r + 0.5) * cell) for r, c in np.argwhere(chosen)]

    dots = "".join(f"M{x:g} {y:g}h0" for x, y in places(zero))
    cross = "".join(f"M{x - 2.5:g} {y - 2.5:g}l5 5M{x - 2.5:g} {y + 2.5:g}l5 -5" for x, y in places(broken))
    grey, light = colours()["light"]["unknown"], "#fff"
    return (f'<path d="{dots}" stroke="{grey}" stroke-width="2" stroke-linecap="round"/>' if dots else "") + (
        f'<path d="{cross}" stroke="{light}" stroke-width="1.2"/>' if cross else ""
    )


def _predicted(
    predictions: Predictions, rows: int, step: int, cell: float, at: tuple[float, float]
) -> tuple[str, float]:
    """Write what each row predicts next, and how likely; returns the SVG with its right edge."""
    x, top = at
    labels = _labels(predictions.tokens)
    right = x + _widest(labels) + 40
    parts = [svg.text(x, top - 6, "predicts", size=11, fill=svg.MUTED)]
    for i in range(0, rows, step):
        y, probability = top + (i + 0.5) * cell + 4, predictions.probabilities[i]
        if np.isfinite(probability):
            parts.append(svg.text(x, y, labels[i], size=11))
            parts.append(svg.text(right, y, f"{probability:.2f}", size=11, anchor="end", fill=svg.MUTED))
    return "".join(parts), right


def _legend(matrix: Matrix, y: float) -> tuple[str, float]:
    ramp = colours()["light"]["ramp"]
    stops = "".join(f'<stop offset="{i / (len(ramp) - 1):g}" stop-color="{c}"/>' for i, c in enumerate(ramp))
    parts = [
        f'<defs><linearGradient id="scale">{stops}</linearGradient></defs>',
        f'<rect x="0" y="{y:g}" width="120" height="9" rx="2" fill="url(#scale)"/>',
        *(svg.text(120 * at, y + 21, f"{matrix.low + (matrix.high - matrix.low) * at:.3g}", size=10, anchor=anchor,
                   fill=svg.MUTED) for at, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))),
    ]  # fmt: skip
    x = 142.0
    for name, fill in (
        ("masked", "url(#masked)"),
        ("zero", ramp[0]),
        ("not a number", colours()["light"]["nan"]),
        ("not captured", colours()["light"]["unknown"]),
    ):
        parts.append(f'<rect x="{x:g}" y="{y - 1:g}" width="11" height="11" fill="{fill}" stroke="{svg.LINE}"/>')
        if name in ("zero", "not a number"):
            shown = np.array([[0.0 if name == "zero" else np.nan]])
            parts.append(_marks(Matrix("a", "b", shown, np.full((1, 1), VALUE), name), x, y - 1, 11))
        parts.append(svg.text(x + 17, y + 8, name, size=11, fill=svg.MUTED))
        x += 30 + svg.text_width(name, 11)
    return "".join(parts), x


def reduce(
    weights: np.ndarray, states: np.ndarray, largest: int = LARGEST
) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """Take the maximum over squares of cells until the matrix is no larger than `largest`; returns also their side."""
    factor = -(-max(*weights.shape, 1) // largest)
    return tiles.reduced(weights, states, factor), factor
