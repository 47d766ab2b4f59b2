"""Charts: what Vega-Lite's schema accepts, the numbers given, and colours that any page leaves readable."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from attn_widgets.charts import INK, LARGEST, SERIES, SHAPES, bars_with_spread, cost_chart, heatmap, history_chart
from attn_widgets.errors import AttnError, ConfigError
from attn_widgets.history import History, Point, Validation
from attn_widgets.trace import AttentionTrace, Block, WeightsRecord
from tests.panel_traces import causal_trace

HISTORY = History(
    [Point(step, 5.0 if step < 4 else 2.0 - step / 200) for step in range(1, 101)],
    [Validation(50, 1.9, 0.41), Validation(100, 1.7, 0.37)],
)


def spec(chart: Any) -> dict[str, Any]:
    """The chart as JSON, checked against Vega-Lite's schema by Altair."""
    found: dict[str, Any] = json.loads(chart.to_json())
    return found


def values(found: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The data sets of a chart, in the order in which its parts first use them."""
    return [found["datasets"][name] for name in dict.fromkeys(_names(found))]


def _names(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from [part["data"]["name"]] if "data" in part else []
        part = [inner for key, inner in part.items() if key not in ("data", "datasets")]
    if isinstance(part, list):
        for inner in part:
            yield from _names(inner)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [INK, *SERIES])
def test_colours_stand_out_from_white_and_from_black_pages(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= 3
    assert (luminance(colour) + 0.05) / (luminance("#111111") + 0.05) >= 3


def test_no_two_series_look_alike() -> None:
    assert len(set(SERIES)) == len(SERIES) == len(set(SHAPES)) == len(SHAPES)


@pytest.mark.parametrize(
    "chart",
    [
        history_chart(HISTORY),
        heatmap(causal_trace(), 0, 0),
        cost_chart([{"mechanism": "dot", "length": 256, "seconds": 0.1, "megabytes": 2.0}]),
        bars_with_spread([{"model": "gru", "task": "dates", "mean": 0.5, "sd": 0.1}]),
    ],
    ids=["history", "heatmap", "cost", "bars"],
)
def test_a_chart_has_a_title_no_ground_and_its_data_inside(chart: Any) -> None:
    found = spec(chart)
    assert found["title"]
    assert found["config"]["background"] == "transparent"
    assert '"url"' not in json.dumps(found)
    assert values(found)


def test_history_holds_every_loss_and_names_the_best() -> None:
    found = spec(history_chart(HISTORY, floor=1.2, rungs={3: 1.95, 2: 2.4}))
    marks, training, validation, best = values(found)
    assert [mark["mark"] for mark in marks] == ["2-gram 2.400", "3-gram 1.950", "floor 1.200"]
    assert [(row["step"], row["loss"]) for row in training] == [(p.step, p.loss) for p in HISTORY.train]
    assert [row["loss"] for row in validation] == [1.9, 1.7]
    assert best[0]["step"] == 100
    assert found["title"]["subtitle"] == "best validation 1.7000 at step 100"
    assert "nats per token" in json.dumps(found)


def test_the_first_fall_does_not_set_the_axis() -> None:
    low, high = spec(history_chart(HISTORY))["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low < 1.5
    assert 1.98 < high < 2.2


def test_losses_that_are_not_finite_are_left_out() -> None:
    history = History([Point(1, 2.0), Point(2, math.nan)], [Validation(2, math.inf, math.inf)])
    assert [len(rows) for rows in values(spec(history_chart(history)))] == [1]


def test_a_history_without_losses_says_so() -> None:
    with pytest.raises(ConfigError, match="holds no loss yet"):
        history_chart(History())


def test_heatmap_holds_each_weight_and_its_state() -> None:
    trace = causal_trace()
    cells = values(spec(heatmap(trace, 1, 3)))[0]
    weights, visible = trace.weights(1, 3), trace.visible(1, 3)
    assert len(cells) == weights.size
    for cell in cells:
        at = cell["query"], cell["key"]
        assert cell["weight"] == pytest.approx(float(weights[at]), abs=1e-6)
        assert (cell["state"] == "masked") != bool(visible[at])
        assert (cell["looks"], cell["at"]) == (trace.tokens[at[0]], trace.key_tokens[at[1]])


def test_masked_zero_nan_and_not_captured_are_four_things() -> None:
    matrix, known = np.array([[[0, 0, np.nan, 0]]], np.float32), np.array([[[True, True, True, False]]])
    record = WeightsRecord(matrix, np.array([[[False, True, True, True]]]), known)
    trace = AttentionTrace([Block("cross", 0, ("q",), ("a", "b", "c", "d"), record)])
    cells = values(spec(heatmap(trace, 0, 0)))[0]
    assert [cell["state"] for cell in cells] == ["masked", "value", "not a number", "not captured"]
    assert [cell["weight"] for cell in cells] == [0, 0, None, 0]


def test_equal_and_hostile_tokens_have_cells_of_their_own() -> None:
    tokens = ["a", "a", "</script>'\"]", "\n", " "]
    found = spec(heatmap(AttentionTrace.from_arrays(np.eye(5), tokens=tokens), 0, 0))
    assert len({(cell["query"], cell["key"]) for cell in values(found)[0]}) == 25
    labels = found["layer"][0]["encoding"]["x"]["axis"]["labelExpr"]
    assert json.loads(labels.removesuffix("[datum.value]")) == ["a", "a", "</script>'\"]", "'\\n'", "' '"]


def test_a_large_matrix_shows_the_maximum_of_several_cells() -> None:
    weights = np.zeros((150, 150))
    weights[149, 2] = 0.75
    found = spec(heatmap(AttentionTrace.from_arrays(weights), 0, 0))
    cells = values(found)[0]
    assert len(cells) == 50 * 50 <= LARGEST**2
    assert [(c["looks"], c["at"], c["weight"]) for c in cells if c["weight"]] == [("147", "0", 0.75)]
    assert found["title"]["subtitle"] == "each cell is the maximum of 3 × 3 weights"


def test_heatmap_names_a_head_that_is_not_there() -> None:
    with pytest.raises(AttnError, match="head 9 does not exist"):
        heatmap(causal_trace(), 0, 9)


def test_cost_is_drawn_where_it_was_measured_and_said_where_it_was_stopped() -> None:
    rows = [
        {"mechanism": "lsh", "length": 256, "seconds": 0.01, "megabytes": 0.0, "exponent": 1.02},
        {"mechanism": "additive", "length": 256, "seconds": 0.2, "megabytes": 30.0, "exponent": None},
        {"mechanism": "additive", "length": 8192, "seconds": None, "megabytes": None, "stopped": "over 60 s"},
    ]
    found = spec(cost_chart(rows))
    seconds, megabytes = values(found)
    assert [(row["mechanism"], row["seconds"]) for row in seconds] == [("lsh, n^1.02", 0.01), ("additive", 0.2)]
    assert [row["megabytes"] for row in megabytes] == [30.0]
    assert found["title"]["subtitle"] == ["stopped: additive at 8,192: over 60 s"]
    titles = json.dumps(found["hconcat"])
    assert all(title in titles for title in ("length (tokens)", "time (s)", "peak memory (MB)"))


def test_cost_of_nothing_or_of_too_many_says_so() -> None:
    with pytest.raises(ConfigError, match="no cost to draw"):
        cost_chart([])
    many = [{"mechanism": str(i), "length": 1, "seconds": 1.0, "megabytes": 1.0} for i in range(10)]
    with pytest.raises(ConfigError, match="10 mechanisms are too many"):
        cost_chart(many)


def test_bars_hold_means_and_spreads_in_the_order_given() -> None:
    rows = [
        {"model": "transformer", "task": "recall", "mean": 0.99, "sd": 0.01},
        {"model": "gru", "task": "recall", "mean": 0.5, "sd": None},
        {"model": "gru", "task": "dates", "mean": math.nan, "sd": math.nan},
    ]
    found = spec(bars_with_spread(rows, unit="recall accuracy", domain=(0, 1)))
    bars = values(found)[0]
    assert [bar["said"] for bar in bars] == ["0.99 ± 0.01", "0.5"]
    assert [(bar["low"], bar["high"]) for bar in bars] == [pytest.approx((0.98, 1.0)), (0.5, 0.5)]
    encoding = found["spec"]["layer"][0]["encoding"]
    assert encoding["y"]["sort"] == ["transformer", "gru"]
    assert (encoding["x"]["title"], encoding["x"]["scale"]["domain"]) == ("recall accuracy", [0, 1])
    with pytest.raises(ConfigError, match="nothing to compare"):
        bars_with_spread([])
