"""The losses of a run against its steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attn_widgets.charts.theme import BLUE, INK, ORANGE, Row, inline, themed
from attn_widgets.errors import ConfigError
from attn_widgets.history import History

if TYPE_CHECKING:
    import altair as alt

FALL = 0.04
"""Share of the steps done whose training losses may leave the chart at the top."""


def history_chart(
    history: History, floor: float | None = None, rungs: Mapping[int, float] | None = None
) -> alt.LayerChart:
    """Draw the losses of a run against its steps, in nats per token.

    Parameters
    ----------
    history
        ``run.history``.
    floor
        Entropy of the text in nats per token, below which no model can stay.
    rungs
        Loss of n-gram models by their order, in nats per token (``ngram_rungs``).

    Raises
    ------
    ConfigError
        If the history is empty.
    """
    import altair as alt

    training = [{"step": p.step, "loss": p.loss, "line": "training"} for p in history.train if math.isfinite(p.loss)]
    validation = [
        {"step": v.step, "loss": v.loss, "line": "validation", "nats per character": v.nats_per_character}
        for v in history.validation
        if math.isfinite(v.loss)
    ]
    if not training and not validation:
        raise ConfigError("the history holds no loss yet; train for at least one step")
    marks = [{"loss": loss, "mark": f"{order}-gram {loss:.3f}"} for order, loss in sorted((rungs or {}).items())]
    marks += [] if floor is None else [{"loss": floor, "mark": f"floor {floor:.3f}"}]
    x = alt.X("step:Q", title="step", axis=alt.Axis(format="d", tickMinStep=1))
    y = alt.Y("loss:Q", title="loss (nats per token)", scale=alt.Scale(domain=_in_sight(training, validation, marks)))
    lines = alt.Scale(domain=["training", "validation"], range=[INK, BLUE])
    colour = alt.Color("line:N", title=None, scale=lines, legend=alt.Legend(orient="top"))
    values: dict[str, Any] = {
        "x": x,
        "y": y,
        "color": colour,
        "tooltip": ["step:Q", alt.Tooltip("loss:Q", format=".4f")],
    }
    layers: list[alt.Chart] = []
    if marks:
        base = alt.Chart(inline(marks)).encode(y=y)
        layers.append(base.mark_rule(strokeDash=[5, 4], color=INK, clip=True))
        words = base.mark_text(align="left", dx=6, color=INK)
        layers.append(words.encode(text="mark:N", x=alt.value("width")))
    if training:
        layers.append(alt.Chart(inline(training)).mark_line(strokeWidth=1.2, clip=True).encode(**values))
    title: Any = "Loss during training"
    if validation:
        values["tooltip"] = [*values["tooltip"], alt.Tooltip("nats per character:Q", format=".4f")]
        layers.append(alt.Chart(inline(validation)).mark_line(point=True, clip=True).encode(**values))
        best = min(validation, key=lambda row: float(str(row["loss"])))
        ring = alt.Chart(inline([best])).mark_point(size=160, color=ORANGE, strokeWidth=2)
        layers.append(ring.encode(x=x, y=y))
        title = alt.Title("Loss during training", subtitle=f"best validation {best['loss']:.4f} at step {best['step']}")
    chart: alt.LayerChart = themed(alt.layer(*layers).properties(title=title, width=520, height=260))
    return chart


def _in_sight(training: Sequence[Row], validation: Sequence[Row], marks: Sequence[Row]) -> list[float]:
    """Losses from lowest to highest, without the first fall, which dwarfs all that follows."""
    start = FALL * training[-1]["step"] if training else 0
    shown = [row["loss"] for row in training if row["step"] >= start]
    shown += [row["loss"] for row in (*validation, *marks)]
    low, high = min(shown), max(shown)
    room = 0.05 * (high - low) or 0.05
    return [low - room, high + room]
