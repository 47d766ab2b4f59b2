"""Every panel in a notebook that was saved, whose kernel was shut down, and whose page was loaded anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.live import execute
from tests.panel_classes import PANELS, make

NAMES = [panel.__name__ for panel in PANELS]
IMPORTS = "from tests.panel_classes import PANELS, make"
COLOURS = """async (image) => {
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return new Set(new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
}"""
SHUT_DOWN = "window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()"


@pytest.fixture(scope="module")
def reloaded(lab: Any, browser: Any, watch: Any) -> Iterator[Any]:
    cells = [f"{IMPORTS}\nmake(PANELS[{i}])" for i in range(len(NAMES))]
    url = lab.write_notebook("reload.ipynb", [*cells, "print('made')"])
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    watched = watch(context)
    watched.page.goto(url.replace("/lab/tree/", "/lab/workspaces/reload/tree/"))
    watched.page.wait_for_selector(".jp-Notebook .jp-Cell")
    watched.run_all()
    page = watched.page
    expect(page.get_by_text("made", exact=True).last).to_be_attached(timeout=60_000)
    for number in range(len(NAMES)):
        expect(scroll_to(page, number).locator("section.attn .attn-name").first).not_to_be_empty()
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.evaluate(SHUT_DOWN)
    page.reload()
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.get_by_text("| Idle").first.wait_for(timeout=60_000)
    yield watched
    context.close()


def scroll_to(page: Page, number: int) -> Locator:
    """Bring a cell into sight, since Lab draws only those that are, and return it."""
    page.evaluate("number => window.jupyterapp.shell.currentWidget.content.scrollToItem(number)", number)
    return page.locator(f".jp-Notebook .jp-CodeCell[data-windowed-list-index='{number}']")


def test_the_kernel_is_another_one(reloaded: Any) -> None:
    assert execute(reloaded.page, "print('PANELS' in globals())") == "False"


@pytest.mark.parametrize("name", NAMES)
def test_its_picture_and_its_table_are_there_and_can_be_read(reloaded: Any, name: str) -> None:
    cell = scroll_to(reloaded.page, NAMES.index(name))
    picture = cell.locator("figure[id^=attn-] img")
    expect(picture).to_have_count(1)
    expect(picture).to_be_visible()
    words = re.search(r'alt="([^"]+)"', make(PANELS[NAMES.index(name)]).snapshot())
    assert words
    expect(picture).to_have_attribute("alt", unescape(words[1]))
    assert picture.evaluate("image => image.naturalWidth") > 200
    assert picture.evaluate(COLOURS) > 200, "weights have their colours, letters their edges"
    cell.locator("figure summary").click()
    lines = cell.locator("figure tbody tr")
    assert lines.count() >= 2
    expect(lines.first).to_be_visible()
    expect(lines.first).not_to_be_empty()
    expect(cell.locator("section.attn")).to_have_count(0)


def test_no_error_stands_above_a_picture(reloaded: Any) -> None:
    """In place of the live view, which the kernel took along, ipywidgets writes that it found no model: hidden."""
    wrong = []
    for number, name in enumerate(NAMES):
        cell = scroll_to(reloaded.page, number)
        expect(cell.get_by_text("Loading widget")).to_have_count(0)
        if "Error displaying widget" in cell.inner_text():
            wrong.append(name)
    assert wrong == []


def test_nothing_went_wrong(reloaded: Any) -> None:
    """Only ipywidgets' own line about each live view that is no more."""
    expected = [error for error in reloaded.errors if error.startswith("Error: widget model not found")]
    assert len(expected) <= len(NAMES)
    assert reloaded.errors == expected
    assert reloaded.refused == []
