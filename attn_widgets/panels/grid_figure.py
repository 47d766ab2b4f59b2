"""The static picture of a grid of heads: thumbnails or colours of a metric, and the metrics as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from attn_widgets.panels import svg
from attn_widgets.panels.colours import colours, picture
from attn_widgets.panels.frames import Frames
from attn_widgets.panels.thumbnails import NOT_A_NUMBER, ZERO, Layer, Overview, layer_spec, shrink
from attn_widgets.panels.tokens import shorten, visible
from attn_widgets.panels.wire import visible_line
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE, head_name
from attn_widgets.trace.head_metrics import METRICS, metric_index

_WIDE, _TOP, _LEFT = 760, 58, 34
_LARGEST, _SMALLEST = 62, 7
_FILLED = 10 / 11
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


def draw(overview: Overview, layers: Sequence[int], at: At, metric: str, title: str) -> str:
    """Draw these layers, a layer a row; rows that are not among them stay empty."""
    blocks = overview.frames.traces[at.moment].blocks
    pitch = _pitch(overview, at)
    values = None if metric == "weights" else gather(overview, layers, at, metric)
    parts = [_hatching()]
    for layer, block in enumerate(blocks):
        y = _TOP + layer * pitch
        spec = layer_spec(block)
        size = (spec["rows"], spec["columns"]) if values is None else (10, 10)
        fill = "url(#grid-masked)" if layer in layers else "none"
        boxes = _boxes(*size, block.record.heads, y, pitch)
        parts.append(f'<path d="{boxes}" fill="{fill}" stroke="{svg.LINE}" stroke-width="0.6"/>')
        if layer in layers and values is None:
            parts.append(_thumbnails(_coarse(overview.layer(at.moment, layer), pitch), y, pitch))
        elif values is not None and layer in values:
            parts.append(_cells(values[layer], y, pitch))
    parts += _names(overview.frames, at, pitch)
    height = _TOP + len(blocks) * pitch
    legend, width = _legend(overview, at, metric, values, height + 14)
    widest = _LEFT + max(block.record.heads for block in blocks) * pitch
    heading = "all heads" if values is None else f"{told(overview.frames, at, metric)} of all heads"
    left_out = len(blocks) - len(layers)
    if left_out:
        heading += f", {left_out} of {len(blocks)} layers not computed yet"
    parts.append(svg.text(0, 16, heading, size=15, more='font-weight="650"'))
    parts.append(svg.text(0, 33, shorten(visible_line(title), 90), size=12, fill=svg.MUTED))
    return svg.drawing(max(widest + 4, width, svg.text_width(heading, 15)), height + 58, *parts, legend)


def _pitch(overview: Overview, at: At) -> float:
    """From one head to the next."""
    widest = max(block.record.heads for block in overview.frames.traces[at.moment].blocks)
    return min(_LARGEST, max(_SMALLEST, _WIDE / widest))


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


def _thumbnails(held: Layer, y: float, pitch: float) -> str:
    """Draw a layer's thumbnails as one strip, clear between them."""
    heads, rows, columns = held.levels.shape
    if not held.levels.size:
        return ""
    gap = _gap(rows, columns)
    across = max(rows, columns) + gap
    weights, states = np.zeros((rows, heads, across), np.float32), np.full((rows, heads, across), MASKED, np.uint8)
    marks = np.broadcast_to(held.states, held.levels.shape).transpose(1, 0, 2)
    weights[:, :, :columns] = np.where(marks == NOT_A_NUMBER, np.nan, held.levels.transpose(1, 0, 2) / 255)
    states[:, :, :columns] = np.where((marks == ZERO) | (marks == NOT_A_NUMBER), VALUE, marks)
    image = picture(weights.reshape(rows, -1), states.reshape(rows, -1))
    return svg.embed(image, _LEFT, y, heads * pitch, rows * pitch / across)


def _gap(rows: int, columns: int) -> int:
    """Cells left free between two thumbnails."""
    return max(1, round(max(rows, columns) / 10))


def _boxes(rows: int, columns: int, heads: int, y: float, pitch: float) -> str:
    """Outline the thumbnails of a layer."""
    scale = pitch / (max(rows, columns) + _gap(rows, columns))
    wide, high = columns * scale, rows * scale
    return "".join(f"M{_LEFT + h * pitch:.6g} {y:.6g}h{wide:.6g}v{high:.6g}h-{wide:.6g}z" for h in range(heads))


def _coarse(held: Layer, pitch: float) -> Layer:
    """Take the maximum of a thumbnail's cells where there are more than the figure has room for."""
    _, rows, columns = held.levels.shape
    factor = _joined(rows, columns, pitch)
    return held if factor == 1 else shrink(held, factor)


def _joined(rows: int, columns: int, pitch: float) -> int:
    """Side of the square of a thumbnail's cells that one point of the figure stands for."""
    return max(1, int(np.ceil(max(rows, columns) / (1.3 * pitch))))


def _cells(values: Values, y: float, pitch: float) -> str:
    """Draw a layer's numbers as colours, with the numbers where there is room."""
    numbers, states, end = values
    image = picture((numbers / end).astype(np.float32)[None], states[None])
    palette = image.convert("RGBA")
    side, parts = pitch * _FILLED, []
    for head in range(len(numbers)):
        pixel = palette.getpixel((head, 0))
        assert isinstance(pixel, tuple)
        red, green, blue, alpha = pixel
        x = _LEFT + head * pitch
        if alpha:
            box = f'x="{x:.6g}" y="{y:.6g}" width="{side:.6g}" height="{side:.6g}"'
            parts.append(f'<rect {box} fill="#{red:02x}{green:02x}{blue:02x}"/>')
        if pitch >= _NUMBERED and states[head] == VALUE and np.isfinite(numbers[head]):
            ink = svg.INK if 0.3 * red + 0.59 * green + 0.11 * blue > 120 else "#fff"
            middle = x + side / 2, y + side / 2 + 4
            parts.append(svg.text(*middle, f"{numbers[head]:.2f}", size=11, anchor="middle", fill=ink))
    return "".join(parts)


def _names(frames: Frames, at: At, pitch: float) -> list[str]:
    """Name layers and heads where they do not crowd, and frame the one on show."""
    blocks = frames.traces[at.moment].blocks
    step, side = max(1, int(np.ceil(14 / pitch))), pitch * _FILLED
    parts = [
        svg.text(_LEFT - 7, _TOP + layer * pitch + side / 2 + 4, f"L{layer}", size=11, anchor="end", fill=svg.MUTED)
        for layer in range(0, len(blocks), step)
    ]
    step = max(1, int(np.ceil(26 / pitch)))
    widest = max(block.record.heads for block in blocks)
    parts += [
        svg.text(_LEFT + h * pitch + side / 2, _TOP - 6, f"H{h}", size=11, anchor="middle", fill=svg.MUTED)
        for h in range(0, widest, step)
    ]
    first, count = (at.head, 1) if at.head is not None else (0, blocks[at.layer].record.heads)
    box = f'x="{_LEFT + first * pitch - 1:.6g}" y="{_TOP + at.layer * pitch - 1:.6g}"'
    size = f'width="{(count - 1) * pitch + side + 2:.6g}" height="{side + 2:.6g}"'
    return [*parts, f'<rect {box} {size} fill="none" stroke="{svg.ACCENT}" stroke-width="2"/>']


def _hatching() -> str:
    hatch = colours()["light"]["hatch"]
    return (
        '<defs><pattern id="grid-masked" width="5" height="5" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="5" stroke="{hatch}" stroke-width="1.2"/>'
        "</pattern></defs>"
    )


def _legend(overview: Overview, at: At, metric: str, values: dict[int, Values] | None, y: float) -> tuple[str, float]:
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
    reading = _reading(overview, at, metric)
    parts.append(svg.text(0, y + 38, reading, size=11, fill=svg.MUTED))
    return "".join(parts), max(x, svg.text_width(reading, 11) * 0.9)


def _reading(overview: Overview, at: At, metric: str) -> str:
    if metric == "found":
        return "A layer a row, a head a column; the colour is the head's weight on this cell."
    if metric != "weights":
        return f"A layer a row, a head a column; {METRICS[metric].about}."
    specs = [layer_spec(block) for block in overview.frames.traces[at.moment].blocks]
    factor = max(spec["factor"] * _joined(spec["rows"], spec["columns"], _pitch(overview, at)) for spec in specs)
    most = f" Each point is the maximum of {factor}×{factor} weights." if factor > 1 else ""
    return f"A layer a row, a head a column; in each a row reads, a column is what it looks at.{most}"


def table(overview: Overview, moment: int, layers: Sequence[int]) -> str:
    """List the metrics of each head, folded away."""
    head = "".join(f"<th>{escape(metric.title)}</th>" for metric in METRICS.values())
    lines = [
        f"<tr><td>{head_name(layer, h)}</td>" + "".join(f"<td>{_number(v)}</td>" for v in column) + "</tr>"
        for layer in layers
        for h, column in enumerate(overview.layer(moment, layer).metrics.T)
    ]
    more = f'<tr><td colspan="{len(METRICS) + 1}">… {len(lines) - MOST_LINES} more heads</td></tr>'
    shown = "".join(lines[:MOST_LINES]) + (more if len(lines) > MOST_LINES else "")
    return (
        "<details><summary>metrics of all heads as a table</summary><table><thead><tr><th>head</th>"
        f"{head}</tr></thead><tbody>{shown}</tbody></table></details>"
    )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4g}"
