"""The static picture of a training run: its loss curve, what was reachable, and a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from attn_widgets.history import Progress, Validation
from attn_widgets.panels import svg
from attn_widgets.panels.colours import colours

WIDTH, HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 42, 26
_WORDS = {"done": "Trained", "interrupted": "Interrupted", "stopped": "Stopped early", "start": "Starting"}

FALL = 0.04
"""Share of the steps done whose training losses may leave the chart at the top."""

Points = Sequence[tuple[float, float]]


def training_html(progress: Progress, train: Points, validations: Sequence[Validation], ident: str) -> str:
    """Write a figure with the loss curve and a folded table of the validations.

    `ident` becomes the figure's id, by which the live view hides it.
    """
    said = f"{_WORDS.get(progress.phase, 'Training')}: {progress.step} of {progress.steps} steps"
    best = min(validations, key=lambda v: v.loss, default=None)
    if best is not None:
        said += f", best validation loss {best.loss:.4f} at step {best.step}"
    drawn = svg.drawing(WIDTH, HEIGHT, svg.text(0, 15, said, size=13), _draw(progress, train, validations, best))
    rows = "".join(
        f"<tr><td>{v.step}</td><td>{v.loss:.4f}</td><td>{v.nats_per_character:.4f}</td></tr>" for v in validations
    )
    table = (
        "<details><summary>validations as a table</summary><table><thead><tr><th>step</th><th>loss</th>"
        f"<th>nats per character</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )
    note = f"<p>{escape(progress.note)}</p>" if progress.note else ""
    return f'<figure id="{ident}" style="margin:0">{svg.image_tag(drawn, said)}{note}{table}</figure>'


def _draw(progress: Progress, train: Points, validations: Sequence[Validation], best: Validation | None) -> str:
    validated = [(float(v.step), v.loss) for v in validations]
    losses = in_sight(train, validated, progress.floor)
    if not losses:
        return ""
    ticks = nice_ticks(min(losses), max(losses), 5)
    low, high = ticks[0], ticks[-1]
    last = max([1.0, float(progress.steps), *(step for step, _ in train)])

    def x(step: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * step / last

    def y(loss: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (loss - low) / (high - low)

    blue = colours()["light"]["ramp"][10]
    parts = []
    for tick in ticks:
        parts.append(_across(y(tick), f'stroke="{svg.LINE}"'))
        parts.append(svg.text(_LEFT - 6, y(tick) + 4, f"{tick:g}", size=11, anchor="end", fill=svg.MUTED))
    for tick in nice_ticks(0, last, 5):
        if tick <= last:
            parts.append(svg.text(x(tick), HEIGHT - 8, f"{tick:g}", size=11, anchor="middle", fill=svg.MUTED))
    frame = f'<rect x="{_LEFT}" y="{_TOP}" width="{WIDTH - _LEFT}" height="{HEIGHT - _TOP}"/>'
    fall = _line([(x(s), y(v)) for s, v in train if math.isfinite(v)], "#8b95a3", 1.2)
    parts.append(f'<clipPath id="frame">{frame}</clipPath><g clip-path="url(#frame)">{fall}</g>')
    parts.append(_line([(x(s), y(v)) for s, v in validated if math.isfinite(v)], blue, 2))
    parts += [f'<circle cx="{x(s):g}" cy="{y(v):g}" r="2.5" fill="{blue}"/>' for s, v in validated if math.isfinite(v)]
    if progress.floor is not None:
        at = y(progress.floor)
        parts.append(_across(at, f'stroke="{svg.INK}" stroke-dasharray="5 4"'))
        parts.append(svg.text(_LEFT + 6, at - 5, f"grammar's floor {progress.floor:.3f}", size=11))
    if best is not None and math.isfinite(best.loss):
        ring = f'<circle cx="{x(best.step):g}" cy="{y(best.loss):g}" r="5.5" fill="none" stroke="{svg.ACCENT}"'
        parts.append(f'{ring} stroke-width="1.6"/>')
    return "".join([*parts, _key(blue)])


def _across(y: float, look: str) -> str:
    return f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:g}" y2="{y:g}" {look}/>'


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


def in_sight(train: Points, validations: Points, floor: float | None) -> list[float]:
    """Losses that the vertical axis has to hold: not the first fall, which dwarfs all that follows."""
    done = train[-1][0] if train else 0.0
    losses = [loss for step, loss in train if step >= FALL * done] + [loss for _, loss in validations]
    return [loss for loss in losses if math.isfinite(loss)] + ([] if floor is None else [floor])


def nice_ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers around a range, about so many steps of 1, 2 or 5 times a power of ten."""
    span = (high - low) or max(abs(high), 1.0)
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]
