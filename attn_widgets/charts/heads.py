"""The weights of one head as a heatmap."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_widgets.charts.theme import BLUE, INK, ORANGE, inline, themed
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE, AttentionTrace, head_name

if TYPE_CHECKING:
    import altair as alt

LARGEST = 64
"""Rows or columns of a heatmap; of a larger matrix each cell is the maximum of several."""


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
    base = alt.Chart(inline(cells)).encode(x=x, y=y, tooltip=told)
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
    chart: alt.LayerChart = themed(alt.layer(*layers).properties(title=title, **shape))
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
