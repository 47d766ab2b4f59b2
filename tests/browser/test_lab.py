"""The spine in real JupyterLab and Chromium: four cells, a panel that answers keys and Python, save and reload."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from attn_widgets.panels.colours import palette
from tests.browser.cells import Cells
from tests.browser.notebooks import painted, run_new_cell

SCREENSHOTS = Path(__file__).parent.parent / "screenshots"
"""The committed pictures, painted anew only with ``ATTN_SCREENSHOTS=1``."""

FOUR_CELLS = [
    "%load_ext attn_widgets",
    "run = %attn_train                      # the built-in corpus",
    '%attn_generate "I love to eat pizza"',
    'panel = %attn_view "I love to eat pizza and drink beer ."\npanel',
]
ASKING = "print('state', panel.layer, panel.head, panel.query, panel.key)"


@pytest.fixture(scope="module")
def opened(lab: Any, browser: Any, watch: Any) -> Iterator[Any]:
    """The four cells, run once for all tests of this file: training takes its minute."""
    url = lab.write_notebook("spine.ipynb", FOUR_CELLS)
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, device_scale_factor=1)
    watched = watch(context)
    watched.page.goto(url)
    watched.page.wait_for_selector(".jp-Notebook .jp-Cell")
    watched.run_all()
    failed = watched.page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error'], .jp-mod-error")
    panel_of(watched.page).or_(failed).first.wait_for(timeout=240_000)
    assert failed.all_inner_texts() == []
    yield watched
    context.close()


def panel_of(page: Page) -> Locator:
    return page.locator("section.attn[aria-label='attention heads']").first


def output_of(page: Page, cell: int) -> Locator:
    return page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")


def test_the_model_says_what_pizza_goes_with(opened: Any) -> None:
    expect(output_of(opened.page, 2)).to_contain_text("and drink beer .")


def test_training_ends_with_the_skill_table(opened: Any) -> None:
    for skill in ("taste", "agreement", "list", "people"):
        expect(output_of(opened.page, 1)).to_contain_text(skill)


def test_the_panel_is_drawn(opened: Any) -> None:
    panel = panel_of(opened.page)
    expect(panel.locator(".attn-name")).to_have_text("L0H0")
    assert painted(panel) > 20


def test_arrow_keys_change_layer_and_head_on_screen_and_in_python(opened: Any) -> None:
    panel = panel_of(opened.page)
    panel.locator(".attn-figure").focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("ArrowDown")
    expect(panel.locator(".attn-name")).to_have_text("L1H1")
    expect(run_new_cell(opened.page, ASKING)).to_contain_text("state 1 1 None None")


def test_python_changes_the_screen(opened: Any) -> None:
    run_new_cell(opened.page, "panel.layer, panel.head, panel.query = 0, 2, 3")
    panel = panel_of(opened.page)
    expect(panel.locator(".attn-name")).to_have_text("L0H2")
    expect(panel.locator(".attn-say")).to_contain_text("‘to’ looks at")


def test_a_click_finds_the_head(opened: Any) -> None:
    run_new_cell(opened.page, "panel.query, panel.key = 7, 5")
    panel = panel_of(opened.page)
    ranking = panel.get_by_text("All heads, ‘drink’ at ‘pizza’")
    expect(ranking).to_be_visible()
    found = run_new_cell(
        opened.page, "best = panel.trace.find(query='drink', key='pizza')[0]; print(f'L{best.layer}H{best.head}')"
    )
    name = found.inner_text().strip()
    panel.get_by_role("button", name=name).first.click()
    expect(panel.locator(".attn-name")).to_have_text(name)


def test_a_head_can_be_switched_off(opened: Any) -> None:
    panel = panel_of(opened.page)
    panel.get_by_role("button", name="Switch off").click()
    expect(panel.locator(".attn-say")).to_contain_text("without")
    panel.get_by_role("button", name="Switch off").click()


def ground(page: Page, css: str) -> list[int]:
    """Red, green and blue of what lies behind an element."""
    colour = page.locator(css).first.evaluate("element => getComputedStyle(element).backgroundColor")
    return [int(part) for part in re.findall(r"\d+", colour)][:3]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_follows_the_theme(opened: Any, theme: Literal["light", "dark"], tmp_path: Path) -> None:
    printed = run_new_cell(opened.page, "print('weights', [*panel.trace.weights(panel.layer, panel.head)[:, 0]])")
    expect(printed).to_contain_text("weights")
    weights = [float(number) for number in re.findall(r"\((.+?)\)", printed.inner_text())]
    opened.set_theme(f"JupyterLab {theme.title()}")
    opened.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{str(theme == 'light').lower()}'")
    opened.page.wait_for_timeout(800)
    panel = panel_of(opened.page)
    shown, colours = Cells(panel), palette(theme).astype(int)
    for row, weight in enumerate(weights):
        steps = np.flatnonzero((colours == shown.pixel(row, 0)[:3]).all(1))
        assert len(steps), "a colour of this theme"
        assert np.abs(steps / 255 - weight).min() <= 1 / 255
    behind = ground(opened.page, "section.attn")
    assert behind == ground(opened.page, ".jp-Notebook")
    assert (sum(behind) > 600) == (theme == "light")
    folder = SCREENSHOTS if os.environ.get("ATTN_SCREENSHOTS") == "1" else tmp_path
    panel.screenshot(path=folder / f"quickstart-{theme}.png")


def test_saved_and_opened_again_it_is_still_readable(opened: Any, lab: Any, watch: Any, browser: Any) -> None:
    opened.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    opened.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = lab.read_notebook("spine.ipynb")
    html = [
        output.data.get("text/html", "")
        for cell in saved.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert any("image/svg+xml" in text and "pizza" in text for text in html)
    lab.write_saved("again.ipynb", saved)  # a copy has no kernel that still knows the widget
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    again = watch(context)
    # In a workspace of its own: a live panel in another tab hides every snapshot that carries its id.
    again.page.goto(f"{lab.url}/lab/workspaces/again/tree/again.ipynb")
    again.page.get_by_text("| Idle").first.wait_for(timeout=60_000)
    # Lab draws only the cells near the window.
    again.page.evaluate("window.jupyterapp.shell.currentWidget.content.scrollToItem(3)")
    picture = again.page.locator("img[alt*=heatmap]")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 200
    context.close()


def test_nothing_went_wrong_and_nothing_was_asked_of_the_network(opened: Any) -> None:
    assert opened.errors == []
    assert opened.refused == []
