"""The static picture of a head panel: what stays readable when there is neither kernel nor widget."""

from __future__ import annotations

from html import escape

import numpy as np

from attn_widgets.panels import svg
from attn_widgets.panels.colours import picture
from attn_widgets.panels.figures import Matrix, define_hatching, draw_matrix, head_matrix, reduce
from attn_widgets.panels.tokens import shorten, visible
from attn_widgets.trace import VALUE, AttentionTrace, head_name

MOST_THUMBNAILS = 48
MOST_CELLS = 1 << 24
"""Of all heads, up to which thumbnails are drawn: more would keep the kernel from answering for seconds."""

MOST_LINES = 64
_THUMBNAIL = 58


def heads_html(
    trace: AttentionTrace,
    layer: int,
    head: int | None,
    ident: str,
    title: str = "",
    *,
    matrix: Matrix | None = None,
    first: Matrix | None = None,
) -> str:
    """Write a figure with one head large, all heads small, and a table of what each row looks at most.

    Without a `head` the large one is the mean over the layer's heads, or `matrix` where it is given; `first` are its
    first rows, exactly. `ident` becomes the figure's id, by which the live view hides it.
    """
    matrix = matrix or head_matrix(trace, layer, head, title)
    main, width, height = draw_matrix(matrix)
    small, small_width, small_height = _thumbnails(trace, (layer, head))
    gap = 36 if small else 0
    moved = f'<g transform="translate({width + gap:g} 0)">{small}</g>' if small else ""
    drawn = svg.drawing(width + gap + small_width, max(height, small_height), define_hatching(), main, moved)
    rows, columns = len(matrix.rows), len(matrix.columns)
    alt = f"{matrix.name}: heatmap of {rows} rows by {columns} columns; "
    alt += "a row is the reading position, a column what it sees"
    table = _table(first or matrix, rows)
    return f'<figure id="{ident}" style="margin:0">{svg.image_tag(drawn, alt)}{table}</figure>'


def _thumbnails(trace: AttentionTrace, current: tuple[int, int | None]) -> tuple[str, float, float]:
    """All heads, a layer a row; nothing where there are too many, or just one."""
    heads = list(trace.iter_heads())
    cells = sum(trace.blocks[layer].record.queries * trace.blocks[layer].record.keys for layer, _ in heads)
    if not 1 < len(heads) <= MOST_THUMBNAILS or cells > MOST_CELLS:
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
        small, _ = reduce(record.weights(head), record.states(head), _THUMBNAIL)
        if small[0].size:
            parts.append(svg.embed(picture(*small), x, y + 15, _THUMBNAIL, _THUMBNAIL))
    widest = max(block.record.heads for block in trace.blocks)
    return "".join(parts), widest * pitch_x - 12, 34 + trace.layers * pitch_y


def _table(matrix: Matrix, rows: int) -> str:
    """List what each of the first rows looks at most, folded away."""
    head = f"<tr><th>row</th><th>looks most at</th><th>{matrix.value}</th>"
    head += "<th>predicts</th><th></th>" if matrix.predictions else ""
    lines = [_line(matrix, row) for row in range(min(len(matrix.weights), MOST_LINES))]
    left = rows - len(lines)
    more = f'<tr><td colspan="5">… {left} more rows</td></tr>' if left > 0 else ""
    return (
        f"<details><summary>{matrix.name} as a table</summary><table><thead>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}{more}</tbody></table></details>"
    )


def _line(matrix: Matrix, row: int) -> str:
    cells = [shorten(visible(matrix.rows[row]), 40)]
    known = np.flatnonzero(matrix.states[row] == VALUE)
    numbers = known[~np.isnan(matrix.weights[row, known])]
    if len(numbers):
        top = int(numbers[np.argmax(matrix.weights[row, numbers])])
        cells += [shorten(visible(matrix.columns[top]), 40), f"{matrix.weights[row, top]:.4g}"]
    else:
        cells += ["not a number" if len(known) else "nothing", ""]
    if matrix.predictions is not None:
        probability = matrix.predictions.probabilities[row]
        known_next = bool(np.isfinite(probability))
        token = shorten(visible(matrix.predictions.tokens[row]), 40)
        cells += [token, f"{probability:.2f}"] if known_next else ["", ""]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
