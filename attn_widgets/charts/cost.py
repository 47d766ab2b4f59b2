"""Time and memory of attention mechanisms against the length of the text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from attn_widgets.charts.theme import SERIES, SHAPES, Row, inline, themed
from attn_widgets.errors import ConfigError

if TYPE_CHECKING:
    import altair as alt


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
            alt.Chart(inline(measured))
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
    chart: alt.HConcatChart = themed(pair.properties(title=title))
    return chart


def _tens(points: Sequence[Row], field: str) -> list[float]:
    """Powers of ten around the values, for a logarithmic axis that is not all grid."""
    powers = [math.log10(point[field]) for point in points]
    return [10.0**k for k in range(math.floor(min(powers)), math.ceil(max(powers)) + 1)] if powers else []
