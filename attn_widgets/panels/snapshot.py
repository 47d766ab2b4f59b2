"""The static picture of a head panel: what stays readable when there is neither kernel nor widget."""

from __future__ import annotations

from html import escape

import numpy as np

from attn_widgets.panels import svg
from attn_widgets.panels.colours import colours, picture
from attn_widgets.panels.tokens import shorten, visible
from attn_widgets.panels.wire import visible_line
from attn_widgets.trace import NOT_CAPTURED, VALUE, AttentionTrace, Block, Predictions, head_name

LARGEST = 256
"""Rows or columns of a picture; larger matrices show the maximum of a few cells."""

MOST_THUMBNAILS = 48
MOST_LINES = 64
_LABEL = 12
_SIZE = 340
_THUMBNAIL = 58


def heads_html(trace: AttentionTrace, layer: int, head: int | None, ident: str, title: str = "") -> str:
    """Write a figure with one head large, all heads small, and a table of what each row looks at most.

    Without a `head` the large one is the mean over the layer's heads. `ident` becomes the figure's id, by which the
    live view hides it.
    """
    block = trace.blocks[layer]
    if head is None:
        weights, states = trace.mean(layer), trace.mean_states(layer)
    else:
        weights, states = block.record.weights(head), block.record.states(head)
    predictions = trace.predictions_of(layer)
    name = f"L{layer} mean" if head is None else head_name(layer, head)
    main, width, height = _main(block, weights, states, predictions, name, title)
    small, small_width, small_height = _thumbnails(trace, (layer, head))
    gap = 36 if small else 0
    moved = f'<g transform="translate({width + gap:g} 0)">{small}</g>' if small else ""
    drawn = svg.drawing(width + gap + small_width, max(height, small_height), _defs(), main, moved)
    rows, columns = len(block.query_tokens), len(block.key_tokens)
    alt = f"{name}: heatmap of {rows} rows by {columns} columns; a row is the reading position, a column what it sees"
    table = _table(block, weights, states, predictions, name)
    return f'<figure id="{ident}" style="margin:0">{svg.image_tag(drawn, alt)}{table}</figure>'


def _defs() -> str:
    hatch = colours()["light"]["hatch"]
    return (
        '<defs><pattern id="masked" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<line x1="0" y1="0" x2="0" y2="5" stroke="{hatch}" stroke-width="1.2"/></pattern></defs>'
    )


def _main(
    block: Block, weights: np.ndarray, states: np.ndarray, predictions: Predictions | None, name: str, title: str
) -> tuple[str, float, float]:
    """Draw the large matrix with its labels; returns the SVG with its width and height."""
    rows, columns = weights.shape
    row_labels = [shorten(visible(token), _LABEL) for token in block.query_tokens]
    column_labels = [shorten(visible(token), _LABEL) for token in block.key_tokens]
    cell = max(1.0, min(26.0, _SIZE / max(rows, columns, 1)))
    left = max([svg.text_width(label, 11) for label in row_labels], default=0) + 8
    top = 34 + max([svg.text_width(label, 11) for label in column_labels], default=0) + 6
    wide, high = cell * columns, cell * rows
    small, factor = _reduce(weights, states)
    parts = [
        svg.text(0, 18, name, size=17, more='font-weight="650"'),
        svg.text(svg.text_width(name, 17) + 16, 18, shorten(visible_line(title), 64), size=12, fill=svg.MUTED),
        f'<rect x="{left:g}" y="{top:g}" width="{wide:g}" height="{high:g}" fill="url(#masked)" stroke="{svg.LINE}"/>',
        svg.embed(picture(*small), left, top, wide, high) if weights.size else "",
    ]
    step = int(np.ceil(10 / cell))
    for i in range(0, rows, step):
        parts.append(svg.text(left - 6, top + (i + 0.5) * cell + 4, row_labels[i], size=11, anchor="end"))
    for i in range(0, columns, step):
        x, y = left + (i + 0.5) * cell + 4, top - 5
        parts.append(svg.text(x, y, column_labels[i], size=11, more=f'transform="rotate(-90 {x:g} {y:g})"'))
    right = left + wide
    if predictions is not None:
        x = right + 12
        parts.append(svg.text(x, top - 6, "predicts", size=11, fill=svg.MUTED))
        next_labels = [shorten(visible(token), _LABEL) for token in predictions.tokens]
        right = x + max([svg.text_width(label, 11) for label in next_labels], default=0) + 40
        for i in range(0, rows, step):
            y, probability = top + (i + 0.5) * cell + 4, predictions.probabilities[i]
            if np.isfinite(probability):
                parts.append(svg.text(x, y, next_labels[i], size=11))
                parts.append(svg.text(right, y, f"{probability:.2f}", size=11, anchor="end", fill=svg.MUTED))
    legend, legend_width = _legend(top + high + 14, factor)
    return "".join([*parts, legend]), max(right, legend_width, 420), top + high + 62


def _legend(y: float, factor: int) -> tuple[str, float]:
    ramp = colours()["light"]["ramp"]
    stops = "".join(f'<stop offset="{i / (len(ramp) - 1):g}" stop-color="{c}"/>' for i, c in enumerate(ramp))
    parts = [
        f'<defs><linearGradient id="scale">{stops}</linearGradient></defs>',
        f'<rect x="0" y="{y:g}" width="120" height="9" rx="2" fill="url(#scale)"/>',
        *(svg.text(120 * at, y + 21, f"{at:g}", size=10, anchor=anchor, fill=svg.MUTED)
          for at, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))),
    ]  # fmt: skip
    x = 142.0
    for name, fill in (
        ("masked", "url(#masked)"),
        ("not a number", colours()["light"]["nan"]),
        ("not captured", colours()["light"]["unknown"]),
    ):
        parts.append(f'<rect x="{x:g}" y="{y - 1:g}" width="11" height="11" fill="{fill}" stroke="{svg.LINE}"/>')
        parts.append(svg.text(x + 17, y + 8, name, size=11, fill=svg.MUTED))
        x += 30 + svg.text_width(name, 11)
    reading = "A row is the reading position, a column is what it looks at."
    if factor > 1:
        reading += f" Each point is the maximum of {factor}×{factor} cells."
    parts.append(svg.text(0, y + 40, reading, size=11, fill=svg.MUTED))
    return "".join(parts), x


def _thumbnails(trace: AttentionTrace, current: tuple[int, int | None]) -> tuple[str, float, float]:
    """All heads, a layer a row; nothing where there are too many, or just one."""
    heads = list(trace.iter_heads())
    if not 1 < len(heads) <= MOST_THUMBNAILS:
        return "", 0, 0
    pitch_x, pitch_y = _THUMBNAIL + 12, _THUMBNAIL + 26
    parts = []
    for layer, head in heads:
        record = trace.blocks[layer].record
        x, y = head * pitch_x, 34 + layer * pitch_y
        chosen = (layer, head) == current
        ink, line = (svg.INK, svg.INK) if chosen else (svg.MUTED, svg.LINE)
        parts.append(svg.text(x, y + 10, head_name(layer, head), size=11, fill=ink))
        parts.append(
            f'<rect x="{x:g}" y="{y + 15:g}" width="{_THUMBNAIL}" height="{_THUMBNAIL}" fill="url(#masked)" '
            f'stroke="{line}" stroke-width="{1.5 if chosen else 1}"/>'
        )
        small, _ = _reduce(record.weights(head), record.states(head), _THUMBNAIL)
        if small[0].size:
            parts.append(svg.embed(picture(*small), x, y + 15, _THUMBNAIL, _THUMBNAIL))
    widest = max(block.record.heads for block in trace.blocks)
    return "".join(parts), widest * pitch_x - 12, 34 + trace.layers * pitch_y


def _reduce(
    weights: np.ndarray, states: np.ndarray, largest: int = LARGEST
) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """Take the maximum over squares of cells until the matrix is no larger than `largest`; returns also their side."""
    factor = -(-max(*weights.shape, 1) // largest)
    if factor == 1:
        return (weights, states), 1
    pad = [(0, -size % factor) for size in weights.shape]
    rows, columns = (-(-size // factor) for size in weights.shape)
    shape = (rows, factor, columns, factor)
    value = np.pad(np.where(states == VALUE, weights, -np.inf), pad, constant_values=-np.inf).reshape(shape).max((1, 3))
    state = np.pad(states, pad, constant_values=NOT_CAPTURED).reshape(shape).min((1, 3))
    return (np.where(state == VALUE, value, 0).astype(np.float32), state), factor


def _table(
    block: Block, weights: np.ndarray, states: np.ndarray, predictions: Predictions | None, name: str
) -> str:
    """List what each row looks at most, folded away."""
    head = "<tr><th>row</th><th>looks most at</th><th>weight</th>"
    head += "<th>predicts</th><th></th>" if predictions else ""
    lines = [_line(block, weights, states, predictions, row) for row in range(min(len(weights), MOST_LINES))]
    left = len(weights) - len(lines)
    more = f'<tr><td colspan="5">… {left} more rows</td></tr>' if left > 0 else ""
    return (
        f"<details><summary>{name} as a table</summary><table><thead>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}{more}</tbody></table></details>"
    )


def _line(block: Block, weights: np.ndarray, states: np.ndarray, predictions: Predictions | None, row: int) -> str:
    cells = [shorten(visible(block.query_tokens[row]), 40)]
    seen = np.where(states[row] == VALUE, weights[row], -np.inf)
    if (states[row] == VALUE).any() and not np.isnan(seen).all():
        top = int(np.nanargmax(seen))
        cells += [shorten(visible(block.key_tokens[top]), 40), f"{weights[row, top]:.4g}"]
    else:
        cells += ["nothing", ""]
    if predictions is not None:
        probability = predictions.probabilities[row]
        known = bool(np.isfinite(probability))
        cells += [shorten(visible(predictions.tokens[row]), 40), f"{probability:.2f}"] if known else ["", ""]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
