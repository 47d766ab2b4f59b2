"""An encoder–decoder's page from disk in real Chromium: tabs by key and by mouse, and what each kind shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from attn_widgets.panels.colours import Theme, palette
from attn_widgets.panels.cross import CrossPanel
from tests.browser.cells import Cells
from tests.pair_traces import pair_trace

Open = Callable[..., Locator]


@pytest.fixture
def open_panel(watched: Any, tmp_path: Path) -> Open:
    """Export a panel, open the file, and return the panel with its tabs."""

    def opened(panel: CrossPanel, scheme: str = "light", width: int = 1000) -> Locator:
        path = panel.to_html(tmp_path / "page.html")
        watched.page.emulate_media(color_scheme=scheme)
        watched.page.set_viewport_size({"width": width, "height": 900})
        watched.page.goto(path.as_uri())
        found = watched.page.locator(".attn-cross")
        expect(found.locator(".attn-name")).not_to_be_empty()
        return found

    yield opened
    assert watched.errors == []
    assert watched.refused == []


def chosen(panel: Locator) -> Locator:
    return panel.locator("[role=tab][aria-selected=true]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cross_attention_is_drawn_as_a_rectangle(open_panel: Open, scheme: Theme) -> None:
    trace = pair_trace()
    panel = open_panel(CrossPanel(trace, kind="cross", head=2), scheme)
    expect(chosen(panel)).to_contain_text("Cross")
    cells, colours = Cells(panel), palette(scheme)
    for (row, column), weight in np.ndenumerate(trace.weights(3, 2)):
        steps = np.flatnonzero((colours == cells.pixel(row, column)[:3]).all(1))  # neighbours may share a colour
        assert np.abs(steps / 255 - weight).min(initial=2) <= 1 / 255


def test_tabs_go_to_where_one_was(open_panel: Open) -> None:
    panel = open_panel(CrossPanel(pair_trace()))
    name = panel.locator(".attn-name")
    for tab, shown in [("Cross", "L3H0"), ("Decoder", "L2H0"), ("Encoder", "L0H0")]:
        panel.get_by_role("tab", name=tab).click()
        expect(name).to_have_text(shown)
    panel.locator(".attn-figure").press("ArrowDown")
    expect(name).to_have_text("L1H0")
    panel.locator(".attn-figure").press("ArrowDown")
    expect(chosen(panel)).to_contain_text("Decoder")
    panel.get_by_role("tab", name="Encoder").click()
    expect(name).to_have_text("L1H0")


def test_arrow_keys_move_between_the_tabs(open_panel: Open, watched: Any) -> None:
    panel = open_panel(CrossPanel(pair_trace()))
    chosen(panel).focus()
    for key, shown in [
        ("ArrowRight", "L2H0"),
        ("ArrowRight", "L3H0"),
        ("ArrowRight", "L0H0"),
        ("End", "L3H0"),
        ("Home", "L0H0"),
    ]:
        watched.page.keyboard.press(key)
        expect(panel.locator(".attn-name")).to_have_text(shown)
        expect(chosen(panel)).to_be_focused()
    assert panel.locator("[role=tab][tabindex='0']").count() == 1
    tab, shown = chosen(panel), panel.get_by_role("tabpanel")
    assert tab.get_attribute("id") == shown.get_attribute("aria-labelledby")


def test_a_row_stays_selected_where_it_is_the_same_token(open_panel: Open) -> None:
    panel = open_panel(CrossPanel(pair_trace(), kind="cross", query="chat", key="fish"))
    said = panel.locator(".attn-say")
    expect(said).to_contain_text("‘chat’ looks at ‘fish’")
    panel.get_by_role("tab", name="Decoder").click()
    expect(said).to_contain_text("‘chat’ looks at")
    panel.get_by_role("tab", name="Encoder").click()
    expect(said).to_contain_text("‘.’ looks at")


def test_it_fits_a_narrow_page(open_panel: Open, watched: Any) -> None:
    open_panel(CrossPanel(pair_trace()), width=420)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 420
