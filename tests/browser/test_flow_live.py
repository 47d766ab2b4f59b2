"""A long path in JupyterLab: it comes layer by layer, can be stopped and left, and the kernel answers in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.live import execute, notebook
from tests.browser.notebooks import run_new_cell

# Every trace counts as long here, and a layer takes its time.
FIRST = """
import time
from attn_widgets import FlowPanel
from attn_widgets.panels import flow, flows
from tests.panel_traces import causal_trace
flow.HEAVY, flows.KEPT_CELLS, mixed = 1, 0, flows.mixed
def slowly(*asked):
    time.sleep(0.3)
    return mixed(*asked)
flows.mixed = slowly
trace = causal_trace(12, 2)
def done(query):
    paths = panel._paths
    found = [walk.done for place, walk in paths._walks.items() if place.query == query]
    return 12 if any(place.query == query for place in paths._flows) else sum(found)
"""


@pytest.fixture(scope="module")
def opened(lab: Any, browser: Any, watch: Any) -> Iterator[Any]:
    with notebook(lab, browser, watch, "flow", FIRST) as watched:
        yield watched
        assert watched.errors == []
        assert watched.refused == []


@pytest.fixture
def panel(opened: Any) -> Locator:
    return run_new_cell(opened.page, "panel = FlowPanel(trace, query=9)\npanel").locator("section.attn").first


def under_way(panel: Locator, few: str = "[4-7]") -> None:
    """Wait until some layers are drawn."""
    expect(panel.locator(".attn-grid-progress")).to_contain_text(re.compile(f"layer {few} of 12"))


def whole(panel: Locator) -> None:
    expect(panel.locator(".attn-say")).to_contain_text("at the input of L0")
    expect(panel.locator(".attn-grid-progress")).to_be_hidden()


def test_it_is_drawn_as_it_comes_and_others_are_answered(opened: Any, panel: Locator) -> None:
    under_way(panel)
    expect(panel.locator(".attn-say")).to_contain_text(
        re.compile(r"‘\.’ draws on ‘.*’ [\d.]+ at the input of L([5-9]|1\d)")
    )
    assert 0 < int(execute(opened.page, "print(done(9))")) < 12  # a cell, between two layers
    whole(panel)
    expect(panel.get_by_text("sum 1.000")).to_be_visible()


def test_stepping_to_another_token_leaves_the_first(opened: Any, panel: Locator) -> None:
    under_way(panel)
    panel.locator(".attn-figure").focus()
    opened.page.keyboard.press("Shift+ArrowUp")
    expect(panel.locator(".attn-say")).to_contain_text("‘beer’ draws on")
    left = int(execute(opened.page, "print(done(9))"))
    whole(panel)
    assert int(execute(opened.page, "print(done(9))")) == left < 12
    opened.page.keyboard.press("Shift+ArrowDown")
    expect(panel.locator(".attn-say")).to_contain_text("‘.’ draws on")
    assert int(execute(opened.page, "print(done(9))")) >= left
    whole(panel)


def test_it_can_be_stopped_and_continued(opened: Any, panel: Locator) -> None:
    under_way(panel)
    panel.get_by_role("button", name="Stop", exact=True).click()
    expect(panel.locator(".attn-grid-progress")).to_contain_text("stopped")
    opened.page.wait_for_timeout(600)
    stopped = int(execute(opened.page, "print(done(9))"))
    opened.page.wait_for_timeout(900)
    assert int(execute(opened.page, "print(done(9))")) == stopped < 12
    panel.get_by_role("button", name="Continue", exact=True).click()
    whole(panel)


def test_a_closed_panel_asks_no_more(opened: Any, panel: Locator) -> None:
    under_way(panel)
    opened.page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    expect(panel).to_have_count(0)
    opened.page.wait_for_timeout(600)
    left = int(execute(opened.page, "print(done(9))"))
    opened.page.wait_for_timeout(900)
    assert int(execute(opened.page, "print(done(9))")) == left < 12
