"""What all charts share: colours and shapes that tell lines apart, data inside, and a page that shines through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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


def inline(values: Sequence[Row]) -> alt.InlineData:
    """Put rows into the chart itself: nothing is loaded."""
    import altair as alt

    return alt.InlineData(values=[dict(row) for row in values])


def themed(chart: Any) -> Any:
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
