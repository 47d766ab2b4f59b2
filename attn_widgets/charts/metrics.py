"""Metrics of heads: all of them as a heatmap, or the largest as bars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attn_widgets.charts.theme import BLUE, INK, Row, inline, themed
from attn_widgets.errors import AttnError
from attn_widgets.trace import AttentionTrace, head_name
from attn_widgets.trace.head_metrics import METRICS, head_metrics, metric_index

if TYPE_CHECKING:
    import altair as alt


def metric_heatmap(trace: AttentionTrace, metric: str) -> alt.LayerChart:
    """Draw a metric of all heads, a layer a row: "entropy", "distance", "previous_token", "induction" or "sink".

    The larger the number, the less of the page shines through. A head of which no row counts (no token comes twice,
    cross-attention, nothing captured) holds a dot.

    Raises
    ------
    AttnError
        If there is no such metric.
    """
    import altair as alt

    rows = _rows(trace, metric)
    told = [alt.Tooltip("name:N", title="head"), alt.Tooltip("value:Q", title=METRICS[metric].title, format=".4f")]
    base = alt.Chart(inline(rows)).encode(
        x=alt.X("head:O", title="head", axis=alt.Axis(orient="top", labelAngle=0, grid=False, labelOverlap=True)),
        y=alt.Y("layer:O", title="layer", axis=alt.Axis(grid=False, labelOverlap=True)),
        tooltip=told,
    )
    known = [row["value"] for row in rows if row["value"] is not None]
    end = 1.0 if METRICS[metric].share else max([*known, 1e-9])
    shade = alt.Scale(domain=[0, end], range=[0, 1], clamp=True)
    legend = alt.Legend(symbolType="square", symbolFillColor=BLUE, tickCount=4)
    opacity = alt.Opacity("value:Q", title=METRICS[metric].title, scale=shade, legend=legend)
    side = max(6, min(30, 640 // max(row["head"] + 1 for row in rows)))
    layers = [
        base.transform_filter("datum.value !== null").mark_rect(fill=BLUE).encode(opacity=opacity),
        base.transform_filter("datum.value === null").mark_circle(color=INK, size=3 * side, opacity=0.8),
    ]
    title = alt.Title(f"{METRICS[metric].title} of all heads", subtitle=METRICS[metric].about)
    size = {"width": side * max(row["head"] + 1 for row in rows), "height": side * trace.layers}
    chart: alt.LayerChart = themed(alt.layer(*layers).properties(title=title, **size))
    return chart


def metric_bars(trace: AttentionTrace, metric: str, most: int = 16) -> alt.Chart:
    """Draw the heads with the largest values of a metric as bars, the largest first; equals by layer and head.

    Raises
    ------
    AttnError
        If there is no such metric, `most` is no number of bars, or no head has a value.
    """
    import altair as alt

    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise AttnError(f"most must be a whole number of bars from 1 on; given {str(most)[:40]!r}")
    known = [row for row in _rows(trace, metric) if row["value"] is not None]
    if not known:
        raise AttnError(f"no head has a value of {METRICS[metric].title}: {METRICS[metric].about}")
    best = sorted(known, key=lambda row: (-row["value"], row["layer"], row["head"]))[:most]
    scale = alt.Scale(domain=[0, 1]) if METRICS[metric].share else alt.Undefined
    title = alt.Title(f"heads by {METRICS[metric].title}", subtitle=_subtitle(metric, len(best), len(known)))
    chart: alt.Chart = themed(
        alt.Chart(inline(best))
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("value:Q", title=METRICS[metric].title, scale=scale),
            y=alt.Y("name:N", title=None, sort=[row["name"] for row in best]),
            tooltip=[alt.Tooltip("name:N", title="head"), alt.Tooltip("value:Q", format=".4f")],
        )
        .properties(title=title, width=360, height=alt.Step(16))
    )
    return chart


def _subtitle(metric: str, shown: int, all_: int) -> str:
    return f"{METRICS[metric].about}; the {shown} largest of {all_}" if shown < all_ else METRICS[metric].about


def _rows(trace: AttentionTrace, metric: str) -> list[Row]:
    """One row a head; None where it has no value."""
    index = metric_index(metric)
    return [
        {
            "layer": block.layer,
            "head": head,
            "name": head_name(block.layer, head),
            "value": round(float(value), 6) if math.isfinite(value) else None,
        }
        for block in trace.blocks
        for head, value in enumerate(head_metrics(block)[index])
    ]
