"""Charts of heads' metrics: what Vega-Lite's schema accepts, and the numbers given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_widgets.charts import metric_bars, metric_heatmap
from attn_widgets.errors import AttnError
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.head_metrics import METRICS, head_metrics, metric_index
from tests.panel_traces import causal_trace
from tests.test_charts import spec, values


@pytest.mark.parametrize("metric", METRICS)
def test_the_heatmap_holds_every_head(metric: str) -> None:
    trace = causal_trace(3, 4)
    found = spec(metric_heatmap(trace, metric))
    (rows,) = values(found)
    expected = np.array([head_metrics(block)[metric_index(metric)] for block in trace.blocks])
    assert [(row["layer"], row["head"], row["name"]) for row in rows] == [
        (layer, head, f"L{layer}H{head}") for layer in range(3) for head in range(4)
    ]
    given = np.array([row["value"] for row in rows], float).reshape(3, 4)
    np.testing.assert_allclose(given, expected, atol=1e-6)
    scale = found["layer"][0]["encoding"]["opacity"]["scale"]["domain"]
    assert scale[1] == (1 if METRICS[metric].share else pytest.approx(expected.max(), abs=1e-6))
    assert METRICS[metric].title in found["title"]["text"]


def test_heads_without_a_value_are_dots() -> None:
    found = spec(metric_heatmap(causal_trace(1, 2), "induction"))  # no token comes twice
    assert [row["value"] for row in values(found)[0]] == [None, None]
    assert found["layer"][1]["mark"]["type"] == "circle"


def test_bars_are_the_largest_first() -> None:
    trace = causal_trace(3, 4)
    found = spec(metric_bars(trace, "sink", most=3))
    (rows,) = values(found)
    ranked = sorted(trace.iter_heads(), key=lambda at: -head_metrics(trace.blocks[at[0]])[metric_index("sink"), at[1]])
    assert [(row["layer"], row["head"]) for row in rows] == ranked[:3]
    assert found["encoding"]["y"]["sort"] == [row["name"] for row in rows]
    assert found["title"]["subtitle"].endswith("the 3 largest of 12")


@pytest.mark.parametrize(
    ("metric", "most", "message"),
    [
        ("sharpness", 3, "metric 'sharpness' does not exist"),
        ("sink", 0, "most must be a whole number of bars from 1 on; given '0'"),
        ("sink", "3", "given '3'"),
        ("induction", 3, "no head has a value of induction"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(metric: str, most: Any, message: str) -> None:
    with pytest.raises(AttnError) as refused:
        metric_bars(causal_trace(1, 2), metric, most)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nan_is_no_number_in_json() -> None:
    trace = AttentionTrace.from_arrays(np.full((1, 1, 2, 2), np.nan, np.float32))
    assert values(spec(metric_heatmap(trace, "entropy")))[0][0]["value"] is None
