"""The static picture of a comparison: left, right and difference side by side, and what differs most as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from attn_widgets.panels import pairs, svg
from attn_widgets.panels.colours import colours, palette, picture, rgb
from attn_widgets.panels.figures import define_hatching
from attn_widgets.panels.tokens import shorten, visible
from attn_widgets.panels.wire import visible_line
from attn_widgets.trace import MASKED, NOT_CAPTURED, head_name
from attn_widgets.trace.align import Aligned, Alignment
from attn_widgets.trace.differences import difference, largest_cells

LARGEST = 256
"""Rows or columns of a picture; larger matrices are reduced."""

_LABEL = 14
_SIZE = 230
_GAP = 26
_LINES = 12
_BLANK = 'fill="#fff" shape-rendering="crispEdges"'


def drawing(pair: Aligned, layer: int, head: int, names: Sequence[str], title: str = "") -> str:
    """Draw one head of both sides and the difference, as a whole SVG."""
    three = pairs.drawn(pair, layer, head, LARGEST)
    rows, columns = pair.rows[layer], pair.columns[layer]
    row_labels, column_labels = _labels(rows), _labels(columns)
    cell = max(_SIZE / max(len(row_labels), len(column_labels), 1), 0.5)
    cell = min(cell, 26.0)
    left, top = _widest(row_labels) + 8, 62 + _widest(column_labels)
    wide, high = cell * len(column_labels), cell * len(row_labels)
    parts = [svg.text(0, 18, name_of(layer, head), size=17, more='font-weight="650"')]
    parts.append(svg.text(svg.text_width(name_of(layer, head), 17) + 16, 18, _line(title, 80), size=12, fill=svg.MUTED))
    lacking = ((rows.right_only, columns.right_only), (rows.left_only, columns.left_only))
    both = tuple(sorted((*one, *other)) for one, other in zip(*lacking, strict=True))
    pictures = [picture(*three.left), picture(*three.right), signed_picture(*three.difference)]
    for i, (image, missing) in enumerate(zip(pictures, (*lacking, both), strict=True)):
        x = left + i * (wide + _GAP)
        parts.append(svg.text(x, 42, _captions(names)[i], size=12, more='font-weight="600"'))
        parts += _matrix(image, x, top, wide, high, cell, missing)
        parts += _column_labels(column_labels, x, top, cell)
    step = int(np.ceil(10 / cell))
    for i in range(0, len(row_labels), step):
        parts.append(svg.text(left - 6, top + (i + 0.5) * cell + 4, row_labels[i], size=11, anchor="end"))
    legend, legend_width = _legend(top + high + 14, names, bool(any(map(any, lacking))), three.step)
    captions = max(svg.text_width(caption, 12) for caption in _captions(names))
    right = left + 2 * (wide + _GAP) + max(wide, captions)
    return svg.drawing(max(right, legend_width) + 2, top + high + 66, define_hatching(), *parts, legend)


def name_of(layer: int, head: int) -> str:
    """``L1H3``, or ``L1 mean``."""
    return f"L{layer} mean" if head == pairs.MEAN else head_name(layer, head)


def signed_picture(values: np.ndarray, states: np.ndarray) -> Image.Image:
    """Paint differences, one pixel a cell; masked cells are transparent."""
    finite = np.isfinite(values)
    share = (np.clip(np.where(finite, values, 0), -1, 1) + 1) / 2
    pixels = np.full((*values.shape, 4), 255, np.uint8)
    pixels[..., :3] = palette("light", "diverging")[np.floor(share * 255 + 0.5).astype(int)]
    pixels[~finite, :3] = rgb(colours()["light"]["nan"])
    pixels[states == NOT_CAPTURED, :3] = rgb(colours()["light"]["unknown"])
    pixels[states == MASKED] = 0
    return Image.fromarray(pixels, "RGBA")


def _captions(names: Sequence[str]) -> tuple[str, str, str]:
    one, other = (_line(name, 26) for name in names)
    return one, other, f"{other} − {one}"


def _line(text: str, longest: int) -> str:
    return shorten(visible_line(text), longest)


def _labels(alignment: Alignment) -> list[str]:
    return [shorten(label, _LABEL) for label in alignment.labels(visible)]


def _widest(labels: Sequence[str]) -> float:
    return max((svg.text_width(label, 11) for label in labels), default=0)


def _matrix(
    image: Image.Image, x: float, y: float, wide: float, high: float, cell: float, missing: tuple[list[int], ...]
) -> list[str]:
    """Draw a matrix, and strike through the rows and columns that a side lacks."""
    box = f'x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}"'
    parts = [f'<rect {box} fill="url(#masked)" stroke="{svg.LINE}"/>']
    if image.width and image.height:
        parts.append(svg.embed(image, x, y, wide, high))
    rows, columns = missing
    if cell < 4:
        return parts
    for row in rows:
        at = y + row * cell
        parts.append(f'<rect x="{x:g}" y="{at:g}" width="{wide:g}" height="{cell:g}" {_BLANK}/>')
    for column in columns:
        at = x + column * cell
        parts.append(f'<rect x="{at:g}" y="{y:g}" width="{cell:g}" height="{high:g}" {_BLANK}/>')
    lines = [f"M{x:g} {y + (row + 0.5) * cell:g}h{wide:g}" for row in rows]
    lines += [f"M{x + (column + 0.5) * cell:g} {y:g}v{high:g}" for column in columns]
    if lines:
        parts.append(f'<path d="{"".join(lines)}" stroke="{colours()["light"]["unknown"]}" fill="none"/>')
    return parts


def _column_labels(labels: Sequence[str], left: float, top: float, cell: float) -> list[str]:
    step = int(np.ceil(10 / cell))
    parts = []
    for i in range(0, len(labels), step):
        x, y = left + (i + 0.5) * cell + 4, top - 5
        parts.append(svg.text(x, y, labels[i], size=11, more=f'transform="rotate(-90 {x:g} {y:g})"'))
    return parts


def _legend(y: float, names: Sequence[str], lacking: bool, step: int) -> tuple[str, float]:
    parts = [*_scale(0, y, "ramp", ("0", "0.5", "1")), *_scale(150, y, "diverging", ("−1", "0", "+1"))]
    light, x = colours()["light"], 300.0
    looks = [("masked", "url(#masked)"), ("not a number", light["nan"]), ("not captured", light["unknown"])]
    for name, fill in [*looks, ("no counterpart", "#fff")][: 3 + lacking]:
        parts.append(f'<rect x="{x:g}" y="{y - 1:g}" width="11" height="11" fill="{fill}" stroke="{svg.LINE}"/>')
        if name == "no counterpart":
            parts.append(f'<path d="M{x:g} {y + 4.5:g}h11" stroke="{light["unknown"]}"/>')
        parts.append(svg.text(x + 17, y + 8, name, size=11, fill=svg.MUTED))
        x += 30 + svg.text_width(name, 11)
    one, other = (_line(name, 26) for name in names)
    reading = f"Orange: less in {other} than in {one}; blue: more."
    if step > 1:
        reading += f" Each point is the maximum, or the largest difference, of {step}×{step} cells."
    parts.append(svg.text(0, y + 42, reading, size=11, fill=svg.MUTED))
    return "".join(parts), max(x, svg.text_width(reading, 11))


def _scale(x: float, y: float, ramp: str, ticks: Sequence[str]) -> list[str]:
    stops = colours()["light"][ramp]
    shades = "".join(f'<stop offset="{i / (len(stops) - 1):g}" stop-color="{c}"/>' for i, c in enumerate(stops))
    anchors = ("start", "middle", "end")
    return [
        f'<defs><linearGradient id="{ramp}">{shades}</linearGradient></defs>',
        f'<rect x="{x:g}" y="{y:g}" width="120" height="9" rx="2" fill="url(#{ramp})"/>',
        *(
            svg.text(x + 60 * i, y + 21, tick, size=10, anchor=anchors[i], fill=svg.MUTED)
            for i, tick in enumerate(ticks)
        ),
    ]


def html(figure: str, pair: Aligned, layer: int, head: int, names: Sequence[str], ident: str) -> str:
    """Write the figure as an image, with its largest differences as a table, folded away."""
    name = name_of(layer, head)
    rows, columns = pairs.shape(pair, layer)
    one, other = (_line(text, 60) for text in names)
    alt = f"{name}: {one} and {other}, and their difference, {rows} rows by {columns} columns"
    image = svg.image_tag(figure, alt)
    return f'<figure id="{ident}" style="margin:0">{image}{_table(pair, layer, head, (one, other))}</figure>'


def _table(pair: Aligned, layer: int, head: int, names: Sequence[str]) -> str:
    left, right = pairs.sides(pair, layer, head)
    between = difference(left.values, right.values, left.states, right.states)
    rows, columns = (alignment.labels(visible) for alignment in (pair.rows[layer], pair.columns[layer]))
    lines = [
        [
            shorten(rows[query], 40),
            shorten(columns[key], 40),
            f"{left.values[query, key]:.4g}",
            f"{right.values[query, key]:.4g}",
            f"{between.values[query, key]:+.4g}".replace("-", "−"),
        ]
        for query, key in largest_cells(between, _LINES)
    ]
    top = "".join(f"<th>{escape(text)}</th>" for text in ("row", "looks at", *names, "difference"))
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in line)}</tr>" for line in lines)
    body = body or '<tr><td colspan="5">no difference</td></tr>'
    return (
        f"<details><summary>Largest differences of {name_of(layer, head)}</summary>"
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></details>"
    )
