"""The static picture of a grid of heads: thumbnails or colours of a metric, and the metrics as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import NamedTuple

import numpy as np

from attn_widgets.panels import grid_marks, svg
from attn_widgets.panels.colours import colours, picture
from attn_widgets.panels.frames import Frames
from attn_widgets.panels.grid_plan import FILLED, Place, Plan, in_layers, in_order
from attn_widgets.panels.thumbnails import NOT_A_NUMBER, ZERO, Layer, Overview, layer_spec, shrink
from attn_widgets.panels.tokens import shorten, visible
from attn_widgets.panels.wire import visible_line
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE, Block, head_name
from attn_widgets.trace.head_metrics import METRICS, metric_index

_NUMBERED = 38
"""A cell of this size holds its number."""

MOST_LINES = 512


class At(NamedTuple):
    """Where a panel stands."""

    moment: int
    layer: int
    head: int | None
    query: int | None
    key: int | None


class Values(NamedTuple):
    """One number and one state a head, and where the colours end."""

    numbers: np.ndarray
    states: np.ndarray
    end: float


def plan(overview: Overview, layers: Sequence[int], at: At, order: str) -> Plan:
    """Place all heads: a layer a row, or sorted by a metric or by what is found; layers not among these come last."""
    blocks = overview.frames.traces[at.moment].blocks
    if order == "layer":
        return in_layers(blocks)
    found = gather(overview, layers, at, order)
    return in_order(blocks, {n: np.where(v.states == VALUE, v.numbers, np.nan) for n, v in found.items()})


def draw(overview: Overview, layers: Sequence[int], at: At, metric: str, order: str, title: str) -> str:
    """Draw these layers in an order; heads that are not among them stay empty."""
    blocks = overview.frames.traces[at.moment].blocks
    placed = plan(overview, layers, at, order)
    values = None if metric == "weights" else gather(overview, layers, at, metric)
    parts = [_hatching()]
    for row, places in enumerate(placed.rows):
        for alike, run in _runs(blocks, places, layers):
            column, shape, here = alike
            x, y = placed.x(column), placed.y(row)
            boxes = _boxes(*(shape if values is None else (10, 10)), len(run), x, y, placed.pitch)
            fill = "url(#grid-masked)" if here else "none"
            parts.append(f'<path d="{boxes}" fill="{fill}" stroke="{svg.LINE}" stroke-width="0.6"/>')
            if here and values is None:
                parts.append(_thumbnails(_picked(overview, at.moment, run, placed.pitch), x, y, placed.pitch))
            elif here and values is not None:
                parts.append(_cells([_value(values, place) for place in run], x, y, placed.pitch))
    parts += [*grid_marks.names(placed), *grid_marks.brackets(placed), *grid_marks.frame(placed, at.layer, at.head)]
    legend, width = _legend(overview, at, metric, placed, values, placed.bottom + 14)
    heading = _heading(overview.frames, at, metric, order, len(blocks), len(layers))
    parts.append(svg.text(0, 16, heading, size=15, more='font-weight="650"'))
    parts.append(svg.text(0, 33, shorten(visible_line(title), 90), size=12, fill=svg.MUTED))
    wide = max(placed.x(placed.widest) + 4, width, svg.text_width(heading, 15))
    return svg.drawing(wide, placed.bottom + 58, *parts, legend)


def _heading(frames: Frames, at: At, metric: str, order: str, blocks: int, layers: int) -> str:
    heading = "all heads" if metric == "weights" else f"{told(frames, at, metric)} of all heads"
    if order != "layer":
        heading += f", by {told(frames, at, order)}" if order != metric else ", sorted"
    return heading + (f", {blocks - layers} of {blocks} layers not computed yet" if layers < blocks else "")


def _runs(
    blocks: Sequence[Block], places: Sequence[Place], layers: Sequence[int]
) -> Iterator[tuple[tuple[int, tuple[int, int], bool], list[Place]]]:
    """Neighbours whose thumbnails have one shape, with their first column; what is here apart from what is not."""

    def alike(numbered: tuple[int, Place]) -> tuple[tuple[int, int], bool]:
        layer = numbered[1][0]
        spec = layer_spec(blocks[layer])
        return (spec["rows"], spec["columns"]), layer in layers

    for (shape, here), group in groupby(enumerate(places), alike):
        run = list(group)
        yield (run[0][0], shape, here), [place for _, place in run]


def gather(overview: Overview, layers: Sequence[int], at: At, metric: str) -> dict[int, Values]:
    """Give each layer's numbers; the colours of all end at the same one."""
    found = {layer: _numbers(overview, at, layer, metric) for layer in layers}
    share = metric == "found" or METRICS[metric].share
    finite = [numbers[(states == VALUE) & np.isfinite(numbers)] for numbers, states in found.values()]
    end = 1.0 if share else float(max((part.max(initial=0) for part in finite), default=0)) or 1.0
    return {layer: Values(*pair, end) for layer, pair in found.items()}


def _numbers(overview: Overview, at: At, layer: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and states of a layer's heads; one that no row counts for is not known."""
    if metric != "found":
        held = overview.layer(at.moment, layer)
        numbers = held.metrics[metric_index(metric)]
        odd = np.broadcast_to((held.states == NOT_A_NUMBER).any(axis=(1, 2)), numbers.shape)
        return numbers, np.where(np.isnan(numbers) & ~odd, NOT_CAPTURED, VALUE).astype(np.uint8)
    block, shown = (overview.frames.block(at.moment, n) for n in (layer, at.layer))
    alike = (block.query_tokens, block.key_tokens) == (shown.query_tokens, shown.key_tokens)
    if at.query is None or at.key is None or not alike:
        heads = block.record.heads
        return np.full(heads, np.nan), np.full(heads, NOT_CAPTURED, np.uint8)
    _, (weights, states) = overview.found(at.moment, layer, at.query, at.key)
    return np.frombuffer(weights, "<f4").astype(float), np.frombuffer(states, np.uint8)


def told(frames: Frames, at: At, metric: str) -> str:
    """Name what colours the heads."""
    if metric != "found":
        return METRICS[metric].title
    if at.query is None or at.key is None:
        return "weight on a cell (none chosen)"
    block = frames.block(at.moment, at.layer)
    query, key = (shorten(visible(t), 24) for t in (block.query_tokens[at.query], block.key_tokens[at.key]))
    return f"weight of ‘{query}’ on ‘{key}’"


def _picked(overview: Overview, moment: int, run: Sequence[Place], pitch: float) -> Layer:
    """Thumbnails of some heads, of one layer or of many."""
    held = [overview.layer(moment, layer) for layer, _ in run]
    levels = np.stack([one.levels[head] for one, (_, head) in zip(held, run, strict=True)])
    states = np.stack([one.states[head % len(one.states)] for one, (_, head) in zip(held, run, strict=True)])
    _, rows, columns = levels.shape
    picked = Layer(levels, states, np.empty((0, len(run))))
    factor = _joined(rows, columns, pitch)
    return picked if factor == 1 else shrink(picked, factor)


def _thumbnails(held: Layer, x: float, y: float, pitch: float) -> str:
    """Draw thumbnails as one strip, clear between them; of more cells than there is room for, their maximum."""
    heads, rows, columns = held.levels.shape
    if not held.levels.size:
        return ""
    gap = _gap(rows, columns)
    across = max(rows, columns) + gap
    weights, states = np.zeros((rows, heads, across), np.float32), np.full((rows, heads, across), MASKED, np.uint8)
    marks = held.states.transpose(1, 0, 2)
    weights[:, :, :columns] = np.where(marks == NOT_A_NUMBER, np.nan, held.levels.transpose(1, 0, 2) / 255)
    states[:, :, :columns] = np.where((marks == ZERO) | (marks == NOT_A_NUMBER), VALUE, marks)
    image = picture(weights.reshape(rows, -1), states.reshape(rows, -1))
    return svg.embed(image, x, y, heads * pitch, rows * pitch / across)


def _gap(rows: int, columns: int) -> int:
    """Cells left free between two thumbnails."""
    return max(1, round(max(rows, columns) / 10))


def _boxes(rows: int, columns: int, heads: int, x: float, y: float, pitch: float) -> str:
    """Outline heads beside each other."""
    scale = pitch / (max(rows, columns) + _gap(rows, columns))
    wide, high = columns * scale, rows * scale
    return "".join(f"M{x + h * pitch:.6g} {y:.6g}h{wide:.6g}v{high:.6g}h-{wide:.6g}z" for h in range(heads))


def _joined(rows: int, columns: int, pitch: float) -> int:
    """Side of the square of a thumbnail's cells that one point of the figure stands for."""
    return max(1, int(np.ceil(max(rows, columns) / (1.3 * pitch))))


def _value(values: Mapping[int, Values], place: Place) -> tuple[float, int, float]:
    """Return a head's number and state, and where the colours end."""
    layer, head = place
    held = values[layer]
    return float(held.numbers[head]), int(held.states[head]), held.end


def _cells(values: Sequence[tuple[float, int, float]], x: float, y: float, pitch: float) -> str:
    """Draw numbers of heads as colours, with the numbers where there is room."""
    shares = np.array([[number / end for number, _, end in values]], np.float32)
    palette = picture(shares, np.array([[state for _, state, _ in values]], np.uint8)).convert("RGBA")
    side, parts = pitch * FILLED, []
    for i, (number, state, _) in enumerate(values):
        pixel = palette.getpixel((i, 0))
        assert isinstance(pixel, tuple)
        red, green, blue, alpha = pixel
        left = x + i * pitch
        if alpha:
            box = f'x="{left:.6g}" y="{y:.6g}" width="{side:.6g}" height="{side:.6g}"'
            parts.append(f'<rect {box} fill="#{red:02x}{green:02x}{blue:02x}"/>')
        if pitch >= _NUMBERED and state == VALUE and np.isfinite(number):
            ink = svg.INK if 0.3 * red + 0.59 * green + 0.11 * blue > 120 else "#fff"
            middle = left + side / 2, y + side / 2 + 4
            parts.append(svg.text(*middle, f"{number:.2f}", size=11, anchor="middle", fill=ink))
    return "".join(parts)


def _hatching() -> str:
    hatch = colours()["light"]["hatch"]
    return (
        '<defs><pattern id="grid-masked" width="5" height="5" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="5" stroke="{hatch}" stroke-width="1.2"/>'
        "</pattern></defs>"
    )


def _legend(
    overview: Overview, at: At, metric: str, placed: Plan, values: dict[int, Values] | None, y: float
) -> tuple[str, float]:
    light = colours()["light"]
    ramp = light["ramp"]
    stops = "".join(f'<stop offset="{i / (len(ramp) - 1):g}" stop-color="{c}"/>' for i, c in enumerate(ramp))
    end = next((held.end for held in values.values()), 1.0) if values else 1.0
    parts = [
        f'<defs><linearGradient id="grid-scale">{stops}</linearGradient></defs>',
        f'<rect x="0" y="{y:g}" width="120" height="9" rx="2" fill="url(#grid-scale)"/>',
        svg.text(0, y + 21, "0", size=10, fill=svg.MUTED),
        svg.text(120, y + 21, f"{end:.3g}", size=10, anchor="end", fill=svg.MUTED),
    ]
    x = 142.0
    unknown = "not captured" if metric in ("weights", "found") else "no row counts"
    for name, fill in (("masked", "url(#grid-masked)"), ("not a number", light["nan"]), (unknown, light["unknown"])):
        if name == "masked" and values is not None and metric != "found":
            continue
        parts.append(f'<rect x="{x:g}" y="{y - 1:g}" width="11" height="11" fill="{fill}" stroke="{svg.LINE}"/>')
        parts.append(svg.text(x + 17, y + 8, name, size=11, fill=svg.MUTED))
        x += 30 + svg.text_width(name, 11)
    reading = _reading(overview, at, metric, placed)
    parts.append(svg.text(0, y + 38, reading, size=11, fill=svg.MUTED))
    return "".join(parts), max(x, svg.text_width(reading, 11) * 0.9)


def _reading(overview: Overview, at: At, metric: str, placed: Plan) -> str:
    order = "A layer a row, a head a column" if placed.by_layer else "The largest first"
    if metric == "found":
        return f"{order}; the colour is the head's weight on this cell."
    if metric != "weights":
        return f"{order}; {METRICS[metric].about}."
    specs = [layer_spec(block) for block in overview.frames.traces[at.moment].blocks]
    factor = max(spec["factor"] * _joined(spec["rows"], spec["columns"], placed.pitch) for spec in specs)
    most = f" Each point is the maximum of {factor}×{factor} weights." if factor > 1 else ""
    return f"{order}; in each a row reads, a column is what it looks at.{most}"


def table(overview: Overview, layers: Sequence[int], at: At, order: str) -> str:
    """List the metrics of each head in the order shown, folded away."""
    head = "".join(f"<th>{escape(metric.title)}</th>" for metric in METRICS.values())
    lines = [
        f"<tr><td>{head_name(layer, h)}</td>"
        + "".join(f"<td>{_number(v)}</td>" for v in overview.layer(at.moment, layer).metrics[:, h])
        + "</tr>"
        for row in plan(overview, layers, at, order).rows
        for layer, h in row
        if layer in layers
    ]
    more = f'<tr><td colspan="{len(METRICS) + 1}">… {len(lines) - MOST_LINES} more heads</td></tr>'
    shown = "".join(lines[:MOST_LINES]) + (more if len(lines) > MOST_LINES else "")
    return (
        "<details><summary>metrics of all heads as a table</summary><table><thead><tr><th>head</th>"
        f"{head}</tr></thead><tbody>{shown}</tbody></table></details>"
    )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4g}"
