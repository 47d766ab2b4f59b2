"""Means with their spread, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from attn_widgets.charts.theme import BLUE, INK, ORANGE, Row, inline, themed
from attn_widgets.errors import ConfigError

if TYPE_CHECKING:
    import altair as alt


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
    layers = alt.layer(bar, line, words, data=inline(bars)).properties(width=150, height=alt.Step(22))
    head = alt.Title(title, subtitle="bar: mean; line: one standard deviation to each side")
    column = alt.Facet("task:N", title=None, sort=tasks)
    chart: alt.FacetChart = themed(layers.facet(facet=column, columns=4, spacing=24).properties(title=head))
    return chart
