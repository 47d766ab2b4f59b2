"""Altair charts of trainings, heads, costs and comparisons: values that can be changed, saved and embedded.

Each function returns an ordinary Altair chart. None has a ground of its own and all colours keep a
contrast of at least 3 to a white and to a black page, so that a chart is readable in light and dark; lines
that belong together differ in shape or dash as well as in colour. The data are inside the chart: nothing is loaded.
"""

from attn_widgets.charts.bars import bars_with_spread
from attn_widgets.charts.cost import cost_chart
from attn_widgets.charts.heads import LARGEST, heatmap
from attn_widgets.charts.history import FALL, history_chart
from attn_widgets.charts.metrics import metric_bars, metric_heatmap
from attn_widgets.charts.theme import BLUE, HOURGLASS, INK, ORANGE, SERIES, SHAPES, Row

__all__ = [
    "BLUE",
    "FALL",
    "HOURGLASS",
    "INK",
    "LARGEST",
    "ORANGE",
    "SERIES",
    "SHAPES",
    "Row",
    "bars_with_spread",
    "cost_chart",
    "heatmap",
    "history_chart",
    "metric_bars",
    "metric_heatmap",
]
