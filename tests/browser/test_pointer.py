"""The pointer rests where a cell was, while the panel is stepped by key."""

from __future__ import annotations

from playwright.sync_api import expect

from attn_widgets.panels.heads import HeadPanel
from tests.browser.cells import Cells
from tests.browser.pages import Open
from tests.panel_traces import both_kinds


def test_a_pointer_outside_of_a_smaller_matrix_is_in_none_of_its_cells(open_panel: Open) -> None:
    panel = open_panel(HeadPanel(both_kinds(), layer=3))
    Cells(panel).hover(6, 6)
    tip, said = panel.locator(".attn-tip"), panel.locator(".attn-say")
    expect(tip).to_contain_text("pizza → pizza  0.")
    panel.locator(".attn-figure").press("ArrowDown")  # seven rows, six columns
    expect(panel.locator(".attn-name")).to_have_text("L4H0")
    expect(tip).to_have_text("pizza")
    expect(said).not_to_contain_text("‘’")
