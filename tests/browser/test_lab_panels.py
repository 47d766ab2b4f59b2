"""Every panel in real JupyterLab: drawn, stepped by key and mouse, linked, in two views, in both themes, long."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.notebooks import painted, run_new_cell
from tests.panel_classes import PANELS

SCREENSHOTS = Path(__file__).parent.parent / "screenshots"
"""The committed pictures, painted anew only with ``ATTN_SCREENSHOTS=1``."""

NAMES = [panel.__name__ for panel in PANELS]
MAKE = """
from tests.panel_classes import PANELS, make
classes = {panel.__name__: panel for panel in PANELS}
long = tuple(f"word{i}" for i in range(512))
def shown(name, tokens=None):
    global panel
    panel = make(classes[name], **({} if tokens is None else {"tokens": tokens}))
    return panel
print("made")
"""
TABBED = "xpath=ancestor::*[@class='attn-cross']"
WHERE = "print('at', panel.layer, panel.head, panel.query, panel.key, '.')"


@pytest.fixture(scope="module")
def opened(lab: Any, browser: Any, watch: Any) -> Iterator[Any]:
    url = lab.write_notebook("panels.ipynb", [MAKE])
    context = browser.new_context(viewport={"width": 1280, "height": 1500}, device_scale_factor=1)
    watched = watch(context)
    watched.page.goto(f"{url.replace('/lab/tree/', '/lab/workspaces/panels/tree/')}")
    watched.page.wait_for_selector(".jp-Notebook .jp-Cell")
    watched.run_all()
    expect(watched.page.get_by_text("made", exact=True).last).to_be_visible(timeout=60_000)
    yield watched
    context.close()


def show(opened: Any, name: str, more: str = "") -> Locator:
    panel = run_new_cell(opened.page, f"shown({name!r}{more})").locator("section.attn").first
    panel.scroll_into_view_if_needed()
    expect(panel.locator(".attn-name").first).not_to_be_empty()
    opened.page.wait_for_timeout(400)
    return panel


@pytest.mark.parametrize("name", NAMES)
def test_a_key_and_a_click_move_the_panel_and_python(opened: Any, name: str) -> None:
    panel = show(opened, name)
    assert painted(panel) > 5
    said = panel.locator(".attn-say").first
    before = said.text_content() or ""
    panel.locator(".attn-figure").first.focus()
    opened.page.keyboard.press("ArrowRight")
    expect(said).not_to_have_text(before)
    at = run_new_cell(opened.page, WHERE)
    expect(at).to_contain_text("at")
    canvas = panel.locator("canvas[data-cells]:visible").last  # of query and key, the row under the vectors
    x, y, wide, high = map(float, (canvas.get_attribute("data-cells") or "").split()[:4])
    canvas.click(position={"x": x + wide / 2, "y": y + high / 2})
    clicked = run_new_cell(opened.page, WHERE)
    expect(clicked).to_contain_text("at")
    assert clicked.inner_text() != at.inner_text()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "CrossPanel"])  # that is a HeadPanel with tabs
def test_it_draws_512_tokens(opened: Any, name: str) -> None:
    panel = show(opened, name, ", long")
    opened.page.wait_for_timeout(1500)
    assert painted(panel) > 5
    expect(panel.locator(".attn-error:visible")).to_have_count(0)


@pytest.mark.parametrize("name", NAMES)
def test_two_views_move_together(opened: Any, name: str) -> None:
    first = show(opened, name)
    second = run_new_cell(opened.page, "panel").locator("section.attn").first
    second.scroll_into_view_if_needed()
    expect(second.locator(".attn-name").first).not_to_be_empty()
    said = second.locator(".attn-say").first
    before = said.text_content() or ""
    second.locator(".attn-figure").first.focus()
    opened.page.keyboard.press("ArrowRight")
    expect(said).not_to_have_text(before)
    opened.page.wait_for_timeout(300)
    words = said.text_content() or ""
    first.scroll_into_view_if_needed()
    expect(first.locator(".attn-say").first).to_have_text(words)


def test_linked_panels_step_together_both_ways(opened: Any) -> None:
    grid = show(opened, "GridPanel")
    run_new_cell(opened.page, "grid = panel")
    head = show(opened, "HeadPanel")
    source = (
        "import traitlets\nfor name in ('layer', 'head'):\n    traitlets.link((grid, name), (panel, name))\nprint('ok')"
    )
    expect(run_new_cell(opened.page, source)).to_contain_text("ok")
    head.locator(".attn-figure").first.focus()
    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("ArrowRight")
    expect(grid.locator(".attn-say").first).to_contain_text("L1H1")
    grid.scroll_into_view_if_needed()
    grid.locator(".attn-figure").first.focus()
    opened.page.keyboard.press("ArrowRight")
    expect(head.locator(".attn-name")).to_have_text("L1H2")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_every_panel_follows_the_theme(opened: Any, theme: str, tmp_path: Path) -> None:
    opened.set_theme(f"JupyterLab {theme}")
    is_light = str(theme == "Light").lower()
    opened.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{is_light}'")
    folder = SCREENSHOTS if os.environ.get("ATTN_SCREENSHOTS") == "1" else tmp_path
    for name in NAMES:
        panel = show(opened, name)
        opened.page.wait_for_timeout(500)
        ground = panel.evaluate("node => getComputedStyle(node).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
        assert (sum(ground) > 600) == (theme == "Light"), name
        whole = panel.locator({"CrossPanel": TABBED, "Explorer": "xpath=.."}.get(name, "xpath=."))
        whole.screenshot(path=folder / f"{name.lower()}-{theme.lower()}.png")


def test_saved_and_opened_without_a_kernel_the_pictures_are_there(opened: Any, lab: Any) -> None:
    opened.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    opened.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = lab.read_notebook("panels.ipynb")
    pictures = [
        output.data["text/html"]
        for cell in saved.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    assert len(pictures) >= 2 * len(NAMES)
    assert all("image/svg+xml" in html for html in pictures)


def test_nothing_went_wrong_and_nothing_was_asked_of_the_network(opened: Any) -> None:
    assert opened.errors == []
    assert opened.refused == []
