"""Altair charts of trainings, heads, costs and comparisons: values that can be changed, saved and embedded.

Each function returns an ordinary Altair chart. None has a ground of its own and all colours keep a
contrast of at least 3 to a white and to a black page, so that a chart is readable in light and dark; lines
that belong together differ in shape or dash as well as in colour. The data are inside the chart: nothing is loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_widgets.errors import ConfigError
from attn_widgets.history import History
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE, AttentionTrace, head_name

if TYPE_CHECKING:
    import altair as alt

Row = Mapping[str, Any]

INK = "#747b87"
"""Text, axes and whatever stands behind the data."""

BLUE, ORANGE = "#3f7fd0", "#cc6a1e"

SERIES = (BLUE, ORANGE, "#2a8f7c", "#b4529c", "#8a8a2a", "#c75a6b", "#7a68c9", "#5d8f3a", INK)
HOURGLASS = "M-.8,-.8L.8,-.8L-.8,.8L.8,.8Z"
SHAPES = (
    "circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left",
    HOURGLASS,
)  # fmt: skip

LARGEST = 64
"""Rows or columns of a heatmap; of a larger matrix each cell is the maximum of several."""

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
        base = alt.Chart(_data(marks)).encode(y=y)
        layers.append(base.mark_rule(strokeDash=[5, 4], color=INK, clip=True))
        words = base.mark_text(align="left", dx=6, color=INK)
        layers.append(words.encode(text="mark:N", x=alt.value("width")))
    if training:
        layers.append(alt.Chart(_data(training)).mark_line(strokeWidth=1.2, clip=True).encode(**values))
    title: Any = "Loss during training"
    if validation:
        values["tooltip"] = [*values["tooltip"], alt.Tooltip("nats per character:Q", format=".4f")]
        layers.append(alt.Chart(_data(validation)).mark_line(point=True, clip=True).encode(**values))
        best = min(validation, key=lambda row: float(str(row["loss"])))
        ring = alt.Chart(_data([best])).mark_point(size=160, color=ORANGE, strokeWidth=2)
        layers.append(ring.encode(x=x, y=y))
        title = alt.Title("Loss during training", subtitle=f"best validation {best['loss']:.4f} at step {best['step']}")
    chart: alt.LayerChart = _themed(alt.layer(*layers).properties(title=title, width=520, height=260))
    return chart


def _in_sight(training: Sequence[Row], validation: Sequence[Row], marks: Sequence[Row]) -> list[float]:
    """Losses from lowest to highest, without the first fall, which dwarfs all that follows."""
    start = FALL * training[-1]["step"] if training else 0
    shown = [row["loss"] for row in training if row["step"] >= start]
    shown += [row["loss"] for row in (*validation, *marks)]
    low, high = min(shown), max(shown)
    room = 0.05 * (high - low) or 0.05
    return [low - room, high + room]


def heatmap(trace: AttentionTrace, layer: int, head: int) -> alt.LayerChart:
    """Draw the weights of one head: a row is the reading position, a column what it looks at.

    The more weight, the less of the page shines through. Masked cells hold a small stroke, those of which nothing
    is known a dot, and those that are not a number a cross. Matrices beyond ``LARGEST`` show the maximum of
    several cells, and say so.

    Raises
    ------
    AttnError
        If the trace has no such layer or head.
    """
    import altair as alt

    block = trace.block(layer)
    weights, states, factor = _reduce(trace.weights(layer, head), trace.states(layer, head))
    rows, columns = ([_label(token) for token in tokens[::factor]] for tokens in (block.query_tokens, block.key_tokens))
    cells = [
        {"query": i, "key": j, "weight": _number(weights.item(i, j)),
         "state": _state(weights.item(i, j), states.item(i, j)),
         "looks": rows[i], "at": columns[j]}
        for i, j in np.ndindex(weights.shape)
    ]  # fmt: skip
    if factor > 1:
        subtitle = f"each cell is the maximum of {factor} × {factor} weights"
    else:
        subtitle = "a row is the reading position, a column what it looks at"
    size = max(7, min(30, 420 // max(*weights.shape, 1)))
    x = _tokens_axis(alt.X, "key", "looked at", columns, orient="top", labelAngle=-60)
    y = _tokens_axis(alt.Y, "query", "reading", rows)
    told = [alt.Tooltip(f"{name}:N") for name in ("looks", "at", "state")] + [alt.Tooltip("weight:Q", format=".4f")]
    base = alt.Chart(_data(cells)).encode(x=x, y=y, tooltip=told)
    scale = alt.Scale(domain=[0, 1], range=[0, 1], clamp=True)
    legend = alt.Legend(values=[0, 0.25, 0.5, 0.75, 1], format=".2f", symbolType="square", symbolFillColor=BLUE)
    layers = [
        base.transform_filter("datum.state == 'value'")
        .mark_rect(fill=BLUE)
        .encode(opacity=alt.Opacity("weight:Q", title="weight", scale=scale, legend=legend)),
        *(
            base.transform_filter(f"datum.state == '{state}'").mark_point(
                shape=shape, size=size * 3, angle=angle, color=colour, opacity=opacity, filled=state == "not captured"
            )
            for state, shape, angle, colour, opacity in (
                ("masked", "stroke", 45, INK, 0.55),
                ("not captured", "circle", 0, INK, 0.8),
                ("not a number", "cross", 45, ORANGE, 1.0),
            )
            if any(cell["state"] == state for cell in cells)
        ),
    ]
    shape = {"width": size * len(columns), "height": size * len(rows)}
    title = alt.Title(f"{head_name(layer, head)}: attention weights", subtitle=subtitle)
    chart: alt.LayerChart = _themed(alt.layer(*layers).properties(title=title, **shape))
    return chart


def _reduce(weights: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Take the maximum over squares of cells until the matrix is no larger than `LARGEST`; returns also their side."""
    factor = -(-max(*weights.shape, 1) // LARGEST)
    if factor == 1:
        return weights, states, 1
    known = np.where(states == VALUE, weights, -np.inf)
    starts = [np.arange(0, size, factor) for size in weights.shape]
    largest = np.maximum.reduceat(np.maximum.reduceat(known, starts[0], axis=0), starts[1], axis=1)
    best = np.minimum.reduceat(np.minimum.reduceat(states, starts[0], axis=0), starts[1], axis=1)
    return np.where(best == VALUE, largest, 0), best, factor


def _state(weight: float, state: int) -> str:
    if state == VALUE:
        return "value" if math.isfinite(weight) else "not a number"
    return {MASKED: "masked", NOT_CAPTURED: "not captured"}[state]


def _number(weight: float) -> float | None:
    """Give a float that JSON has."""
    return round(weight, 6) if math.isfinite(weight) else None


def _label(token: str) -> str:
    """Write a token so that it can be read: white space and controls written out."""
    return token if token.isprintable() and token.strip() else repr(token)


def _tokens_axis(make: Callable[..., Any], field: str, title: str, tokens: Sequence[str], **look: Any) -> Any:
    """Make an axis of positions, which are unique, labelled with their tokens, which may not be."""
    import altair as alt

    axis = alt.Axis(labelExpr=f"{json.dumps(list(tokens))}[datum.value]", labelOverlap=True, grid=False, **look)
    return make(f"{field}:O", title=title, axis=axis)


def cost_chart(rows: Iterable[Row]) -> alt.HConcatChart:
    """Draw time and memory of attention mechanisms against the length of the text, both axes logarithmic.

    Parameters
    ----------
    rows
        One for each mechanism and length: ``mechanism``, ``length`` in tokens, ``seconds``, ``megabytes``; None where
        it was stopped, with the reason as ``stopped``. ``exponent``, when given, stands in the legend.
    """
    import altair as alt

    rows = list(rows)
    names = list(dict.fromkeys(row["mechanism"] for row in rows))
    if not names:
        raise ConfigError("there is no cost to draw; give a row for each mechanism and length")
    if len(names) > len(SERIES):
        raise ConfigError(f"{len(names)} mechanisms are too many to tell apart; at most {len(SERIES)} work")
    power = {row["mechanism"]: row["exponent"] for row in rows if row.get("exponent") is not None}
    called = {name: f"{name}, n^{power[name]:.2f}" if name in power else name for name in names}
    points = [
        {"mechanism": called[row["mechanism"]], "length": row["length"], "seconds": row["seconds"],
         "megabytes": row["megabytes"]}
        for row in rows
    ]  # fmt: skip
    domain = list(called.values())
    picked = alt.selection_point(fields=["mechanism"], bind="legend")
    legend = alt.Legend(title="mechanism, growth of time" if power else "mechanism", labelLimit=300)
    colours = alt.Scale(domain=domain, range=list(SERIES[: len(domain)]))
    shapes = alt.Scale(domain=domain, range=list(SHAPES[: len(domain)]))
    lengths = sorted({row["length"] for row in rows})

    def against_length(field: str, title: str) -> alt.Chart:
        measured = [point for point in points if (point[field] or 0) > 0]
        below = alt.Axis(values=lengths, format="d", labelAngle=-45)
        beside = alt.Axis(format="~g", values=_tens(measured, field))
        drawn: alt.Chart = (
            alt.Chart(_data(measured))
            .mark_line(point=alt.OverlayMarkDef(size=55, filled=True, opacity=1))
            .encode(
                x=alt.X(
                    "length:Q", title="length (tokens)", scale=alt.Scale(type="log", base=2, nice=False), axis=below
                ),
                y=alt.Y(f"{field}:Q", title=title, scale=alt.Scale(type="log"), axis=beside),
                color=alt.Color("mechanism:N", scale=colours, legend=legend),
                shape=alt.Shape("mechanism:N", scale=shapes, legend=legend),
                opacity=alt.condition(picked, alt.value(1), alt.value(0.15)),
                tooltip=["mechanism:N", "length:Q", alt.Tooltip(f"{field}:Q", format=".3~g")],
            )
            .properties(width=300, height=300)
        )
        return drawn

    title: Any = "Cost of attention against length"
    if stopped := [f"{row['mechanism']} at {row['length']:,}: {row['stopped']}" for row in rows if row.get("stopped")]:
        title = alt.Title(title, subtitle=[f"stopped: {line}" for line in stopped])
    seconds = against_length("seconds", "time (s)").add_params(picked)
    pair = alt.hconcat(seconds, against_length("megabytes", "peak memory (MB)"))
    chart: alt.HConcatChart = _themed(pair.properties(title=title))
    return chart


def _tens(points: Sequence[Row], field: str) -> list[float]:
    """Powers of ten around the values, for a logarithmic axis that is not all grid."""
    powers = [math.log10(point[field]) for point in points]
    return [10.0**k for k in range(math.floor(min(powers)), math.ceil(max(powers)) + 1)] if powers else []


def bars_with_spread(
    rows: Iterable[Row], *, title: str = "Models by task", unit: str = "accuracy", domain: Sequence[float] | None = None
) -> alt.FacetChart:
    """Draw a mean with its standard deviation for each model, side by side for each task.

    Parameters
    ----------
    rows
        One for each model and task: ``model``, ``task``, ``mean`` and ``sd`` (None for a single measurement). Models
        and tasks stand in the order of their first row.
    title, unit
        What is shown, and what its axis measures.
    domain
        Ends of the axis; by default from 0 to the longest bar.
    """
    import altair as alt

    bars = []
    for row in rows:
        mean, sd = float(row["mean"]), row.get("sd")
        if not math.isfinite(mean):
            continue
        said = f"{mean:.3g}" if sd is None else f"{mean:.3g} ± {sd:.2g}"
        spread = sd or 0.0
        bars.append(
            {"model": row["model"], "task": row["task"], "mean": mean, "low": mean - spread, "high": mean + spread,
             "said": said}
        )  # fmt: skip
    if not bars:
        raise ConfigError("there is nothing to compare; give rows with model, task, mean and sd")
    models, tasks = (list(dict.fromkeys(bar[name] for bar in bars)) for name in ("model", "task"))
    scale = alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=True)
    base = alt.Chart().encode(y=alt.Y("model:N", title=None, sort=models), tooltip=["model:N", "task:N", "said:N"])
    bar = base.mark_bar(color=BLUE, opacity=0.75, clip=True).encode(x=alt.X("mean:Q", title=unit, scale=scale))
    line = base.mark_rule(color=ORANGE, strokeWidth=2, clip=True).encode(x=alt.X("low:Q", title=unit), x2="high:Q")
    words = base.mark_text(align="left", dx=6, color=INK).encode(x=alt.value("width"), text="said:N")
    layers = alt.layer(bar, line, words, data=_data(bars)).properties(width=150, height=alt.Step(22))
    head = alt.Title(title, subtitle="bar: mean; line: one standard deviation to each side")
    column = alt.Facet("task:N", title=None, sort=tasks)
    chart: alt.FacetChart = _themed(layers.facet(facet=column, columns=4, spacing=24).properties(title=head))
    return chart


def _data(values: Sequence[Row]) -> alt.InlineData:
    import altair as alt

    return alt.InlineData(values=[dict(row) for row in values])


def _themed(chart: Any) -> Any:
    """Let the page shine through, and write in a grey that it can be read on, whatever its theme."""
    words = {"labelColor": INK, "titleColor": INK}
    lines = {"domainColor": INK, "tickColor": INK, "gridColor": INK, "gridOpacity": 0.2}
    return (
        chart.configure(background="transparent")
        .configure_view(stroke=None)
        .configure_axis(**words, **lines, titleFontWeight="normal")
        .configure_legend(**words, titleFontWeight="normal")
        .configure_header(**words)
        .configure_title(color=INK, subtitleColor=INK, anchor="start", fontSize=14)
    )
