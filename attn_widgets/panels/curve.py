"""The static picture of a training run: its loss curve, what was reachable, and a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import NamedTuple

from attn_widgets.history import Progress, Validation
from attn_widgets.panels import svg
from attn_widgets.panels.colours import colours
from attn_widgets.panels.labels import Box, along, beside, spread

WIDTH, HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 42, 26
_WORDS = {"done": "Trained", "interrupted": "Interrupted", "stopped": "Stopped early", "start": "Starting"}

FALL = 0.04
"""Share of the steps done whose training losses may leave the chart at the top."""

Points = Sequence[tuple[float, float]]


def training_html(
    progress: Progress, train: Points, validations: Sequence[Validation], ident: str, notes: Sequence[str] = ()
) -> str:
    """Write a figure with the loss curve, notes, and a folded table of the validations.

    `ident` becomes the figure's id, by which the live view hides it.
    """
    drawn = training_figure(progress, train, validations)
    rows = "".join(
        f"<tr><td>{v.step}</td><td>{v.loss:.4f}</td><td>{v.nats_per_character:.4f}</td></tr>" for v in validations
    )
    table = (
        "<details><summary>validations as a table</summary><table><thead><tr><th>step</th><th>loss</th>"
        f"<th>nats per character</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )
    told = "".join(f"<p>{escape(note)}</p>" for note in notes if note)
    image = svg.image_tag(drawn, _said(progress, validations))
    return f'<figure id="{ident}" style="margin:0">{image}{told}{table}</figure>'


def training_figure(progress: Progress, train: Points, validations: Sequence[Validation]) -> str:
    """Draw the losses of training and validation by step, beside what is reachable, as a whole SVG."""
    best = min(validations, key=lambda v: v.loss, default=None)
    heading = svg.text(0, 15, _said(progress, validations), size=13)
    return svg.drawing(WIDTH, HEIGHT, heading, _draw(progress, train, validations, best))


def _said(progress: Progress, validations: Sequence[Validation]) -> str:
    said = f"{_WORDS.get(progress.phase, 'Training')}: {progress.step} of {progress.steps} steps"
    best = min(validations, key=lambda v: v.loss, default=None)
    return said if best is None else f"{said}, best validation loss {best.loss:.4f} at step {best.step}"


def _draw(progress: Progress, train: Points, validations: Sequence[Validation], best: Validation | None) -> str:
    validated = [(float(v.step), v.loss) for v in validations]
    losses = in_sight(train, validated, progress.floor, progress.rungs)
    if not losses:
        return ""
    ticks = nice_ticks(min(losses), max(losses), 5)
    low, high = ticks[0], ticks[-1]
    last = max([1.0, float(progress.steps), *(step for step, _ in train)])
    levels = [level for level in _levels(progress, best) if low <= level.loss <= high]
    right = WIDTH - _RIGHT - max([svg.text_width(level.label, 11) + 10 for level in levels], default=0)

    def x(step: float) -> float:
        return _LEFT + (right - _LEFT) * step / last

    def y(loss: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (loss - low) / (high - low)

    blue = colours()["light"]["ramp"][10]
    parts = []
    for tick in ticks:
        parts.append(_across(y(tick), right, f'stroke="{svg.LINE}"'))
        parts.append(svg.text(_LEFT - 6, y(tick) + 4, f"{tick:g}", size=11, anchor="end", fill=svg.MUTED))
    for tick in nice_ticks(0, last, 5):
        if tick <= last:
            parts.append(svg.text(x(tick), HEIGHT - 8, f"{tick:g}", size=11, anchor="middle", fill=svg.MUTED))
    parts.append(_draw_levels(levels, y, right))
    fall = [(x(s), y(v)) for s, v in train if math.isfinite(v)]
    curve = [(x(s), y(v)) for s, v in validated if math.isfinite(v)]
    frame = f'<rect x="{_LEFT}" y="{_TOP}" width="{right - _LEFT:g}" height="{HEIGHT - _TOP}"/>'
    clipped = f'<g clip-path="url(#frame)">{_line(fall, "#8b95a3", 1.2)}</g>'
    parts.append(f'<clipPath id="frame">{frame}</clipPath>{clipped}')
    parts.append(_line(curve, blue, 2))
    parts += [f'<circle cx="{at:g}" cy="{height:g}" r="2.5" fill="{blue}"/>' for at, height in curve]
    if best is not None and math.isfinite(best.loss):
        at = (x(best.step), y(best.loss))
        ring = f'<circle cx="{at[0]:g}" cy="{at[1]:g}" r="5.5" fill="none" stroke="{svg.ACCENT}"'
        parts.append(f'{ring} stroke-width="1.6"/>')
        if best is not validations[-1]:  # all later ones are worse: here validation turns
            obstacles = along(fall) + along(curve)
            heights = [y(level.loss) for level in levels]
            parts.append(_turn(best.step, at, (_LEFT, _TOP, right, HEIGHT - _BOTTOM), obstacles, heights))
    return "".join([*parts, _key(blue)])


class _Level(NamedTuple):
    """A loss to compare with, drawn across the chart."""

    loss: float
    label: str
    look: str
    fill: str


def _levels(progress: Progress, best: Validation | None) -> list[_Level]:
    """N-grams, those that are beaten fainter, and the grammar's floor."""
    reached = math.inf if best is None else best.loss
    rungs = [
        _Level(loss, f"{order}-gram {loss:.3f}", f'stroke="{svg.MUTED}" stroke-dasharray="1.5 3"',
               svg.INK if loss <= reached else svg.MUTED)
        for order, loss in progress.rungs
    ]  # fmt: skip
    if progress.floor is None:
        return rungs
    look = f'stroke="{svg.INK}" stroke-dasharray="5 4"'
    return [*rungs, _Level(progress.floor, f"floor {progress.floor:.3f}", look, svg.INK)]


def _draw_levels(levels: Sequence[_Level], y: Callable[[float], float], right: float) -> str:
    """Lines across the chart, and their names beside it, apart from each other."""
    heights = [y(level.loss) for level in levels]
    parts = []
    for level, height, at in zip(levels, heights, spread(heights, 13, _TOP, HEIGHT - _BOTTOM), strict=True):
        parts.append(_across(height, right, level.look))
        lead = f'x1="{right:g}" x2="{right + 7:g}" y1="{height:g}" y2="{at:g}"'
        parts.append(f'<line {lead} stroke="{svg.MUTED}" stroke-opacity=".5"/>')
        parts.append(svg.text(right + 10, at + 4, level.label, size=11, fill=level.fill))
    return "".join(parts)


def _turn(step: int, at: tuple[float, float], bounds: Box, points: Points, heights: Sequence[float]) -> str:
    """Name the step at which validation turns."""
    label = f"best, step {step}"
    x, y = beside(at, svg.text_width(label, 11), 13, bounds, points, heights)
    halo = 'stroke="#fff" stroke-width="3" paint-order="stroke" stroke-linejoin="round"'
    return svg.text(x, y + 4, label, size=11, anchor="middle", fill=svg.ACCENT, more=halo)


def _across(y: float, right: float, look: str) -> str:
    return f'<line x1="{_LEFT}" x2="{right:g}" y1="{y:g}" y2="{y:g}" {look}/>'


def _key(blue: str) -> str:
    """Say what the lines are, above the chart's right end."""
    x, y = WIDTH - _RIGHT - 210.0, 26
    return (
        _line([(x, y), (x + 16, y)], "#8b95a3", 1.2) + svg.text(x + 21, y + 4, "training", size=11, fill=svg.MUTED)
        + _line([(x + 84, y), (x + 100, y)], blue, 2) + svg.text(x + 105, y + 4, "validation", size=11, fill=svg.MUTED)
        + f'<circle cx="{x + 176}" cy="{y}" r="5" fill="none" stroke="{svg.ACCENT}" stroke-width="1.6"/>'
        + svg.text(x + 186, y + 4, "best", size=11, fill=svg.MUTED)
    )  # fmt: skip


def _line(points: Points, colour: str, width: float) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-linejoin="round"/>'


def in_sight(
    train: Points, validations: Points, floor: float | None, rungs: Iterable[tuple[int, float]] = ()
) -> list[float]:
    """Losses that the vertical axis has to hold.

    Not the first fall, which dwarfs all that follows, nor n-grams that were beaten before they were compared with.
    """
    done = train[-1][0] if train else 0.0
    losses = [loss for step, loss in train if step >= FALL * done] + [loss for _, loss in validations]
    seen = [loss for loss in losses if math.isfinite(loss)] + ([] if floor is None else [floor])
    return seen + [loss for _, loss in rungs if seen and loss <= max(seen)]


def nice_ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers around a range, about so many steps of 1, 2 or 5 times a power of ten."""
    span = (high - low) or max(abs(high), 1.0)
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]
