"""The explorer: three views' traits and answers in one widget, and one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets import Explorer, GridPanel, HeadPanel, QueryKeyPanel
from attn_widgets.errors import ConfigError
from tests.panel_traces import Wire, causal_trace


def test_it_is_the_head_panel_and_more() -> None:
    trace = causal_trace()
    panel, alone = Explorer(trace, query="drink", key="pizza", layer=1), HeadPanel(trace, layer=1)
    assert isinstance(panel, HeadPanel)
    assert panel._weights == alone._weights
    assert set(HeadPanel.page_traits) < set(Explorer.page_traits)
    assert (panel.query, panel.key, panel.locked) == (7, 5, True)


def test_its_grid_and_its_pair_are_sent_what_theirs_are_sent_alone() -> None:
    trace = causal_trace()
    panel, grid, pair = Explorer(trace), GridPanel(trace), QueryKeyPanel(trace)
    assert (panel._thumbnails, panel._metrics) == (grid._thumbnails, grid._metrics)
    assert panel._spec["grid"] == grid._spec["grid"]
    assert panel._vectors == pair._vectors
    assert panel._spec["vectors"] == pair._spec["vectors"]


@pytest.mark.parametrize(
    "request_",
    [
        {"ask": "head", "layer": 1, "head": 3},
        {"ask": "thumbnails", "layer": 1},
        {"ask": "found", "layer": 1, "query": 7, "key": 5},
        {"ask": "vectors", "layer": 1, "head": 3, "query": 7, "key": 5},
        {"ask": "row", "heads": [[1, 3]], "row": 7},
    ],
    ids=lambda asked: str(asked["ask"]),
)
def test_it_answers_what_each_of_its_views_asks(request_: dict[str, Any]) -> None:
    reply = Wire(Explorer(causal_trace())).ask({"id": "v-1", "moment": 0, **request_})
    assert reply is not None
    assert "error" not in reply[0]
    if request_["ask"] == "row":
        np.testing.assert_array_equal(np.frombuffer(reply[1][0], "<f4"), causal_trace().weights(1, 3, 7)[0])


@pytest.mark.parametrize(
    ("name", "value"), [("metric", "loudness"), ("order", 1), ("grid_open", "yes"), ("pair_open", None)]
)
def test_what_is_not_there_is_refused(name: str, value: Any) -> None:
    wire = Wire(Explorer(causal_trace()))
    before = getattr(wire.panel, name)
    wire.set(**{name: value, "layer": 1})
    assert (getattr(wire.panel, name), wire.panel.layer) == (before, 0)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError):
        Explorer(causal_trace(), **{name: value})


def test_its_page_keeps_to_the_budget(tmp_path: Path) -> None:
    page = Explorer(causal_trace(layers=4, heads=12, tokens=tuple(f"t{i}" for i in range(100)))).to_html(
        tmp_path / "all.html", budget=1_200_000
    )
    assert page.stat().st_size <= 1_200_000
    assert "Left out to keep this page under 1.14 MB" in page.read_text("utf-8")
