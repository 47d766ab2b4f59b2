"""Every panel in real Notebook 7 and in real marimo: drawn, and stepped by key on the screen and in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.notebooks import painted, run_new_cell
from tests.browser.servers import Jupyter, jupyter, marimo
from tests.panel_classes import PANELS

NAMES = [panel.__name__ for panel in PANELS]
MAKE = "from tests.panel_classes import PANELS, make\npanels = {panel.__name__: make(panel) for panel in PANELS}"
WHERE = "' '.join(str(getattr(_panel, name)) for name in ('layer', 'head', 'query', 'key'))"

APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    from tests.panel_classes import PANELS, make
    return PANELS, make, mo
"""
SHOW = """

@app.cell
def _(PANELS, make, mo):
    panel_{number} = mo.ui.anywidget(make(PANELS[{number}]))
    panel_{number}
    return (panel_{number},)


@app.cell
def _(mo, panel_{number}):
    _panel = panel_{number}
    mo.md("at " + type(_panel.widget).__name__ + " " + {where} + " .")
"""


def step(page: Page, panel: Locator) -> None:
    """Go one step on as a person does who has no mouse, and see that something else is said."""
    said = panel.locator(".attn-say").first
    before = said.text_content() or ""
    panel.locator(".attn-figure").first.focus()
    page.keyboard.press("ArrowRight")
    expect(said).not_to_have_text(before)


def is_drawn(panel: Locator) -> None:
    panel.scroll_into_view_if_needed()
    expect(panel.locator(".attn-name").first).not_to_be_empty()
    panel.page.wait_for_timeout(300)
    assert painted(panel) > 5
    expect(panel.page.locator(".attn-banner:visible")).to_have_count(0)


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    with jupyter("notebook", tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("classic")) as server:
        yield server


@pytest.fixture(scope="module")
def in_notebook(classic: Jupyter, browser: Any, watch: Any) -> Iterator[Any]:
    url = classic.write_notebook("panels.ipynb", [MAKE])
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    watched = watch(context)
    watched.page.goto(url)
    watched.page.wait_for_selector(".jp-Notebook .jp-Cell")
    watched.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'",
        timeout=60_000,
    )
    expect(run_new_cell(watched.page, f"{MAKE}\nprint('made')")).to_contain_text("made", timeout=60_000)
    watched.errors.clear()  # Notebook 7.6 has one of its own while it loads ("reading 'schema'"), before any panel
    yield watched
    context.close()


@pytest.mark.parametrize("name", NAMES)
def test_notebook_7(in_notebook: Any, name: str) -> None:
    page = in_notebook.page
    panel = run_new_cell(page, f"_panel = panels[{name!r}]\n_panel").locator("section.attn").first
    is_drawn(panel)
    before = run_new_cell(page, f"print('at', {WHERE}, '.')").inner_text()
    step(page, panel)
    after = run_new_cell(page, f"print('at', {WHERE}, '.')")
    expect(after).to_contain_text("at")
    assert after.inner_text() != before
    if name == "HeadPanel":
        expect(after).to_contain_text("at 0 1 None None .")


def test_nothing_went_wrong_in_notebook_7(in_notebook: Any) -> None:
    assert in_notebook.errors == []
    assert in_notebook.refused == []


@pytest.fixture(scope="module")
def in_marimo(tmp_path_factory: pytest.TempPathFactory, browser: Any, watch: Any) -> Iterator[Any]:
    home = tmp_path_factory.mktemp("home")
    path: Path = tmp_path_factory.mktemp("marimo") / "panels.py"
    cells = [SHOW.format(number=number, where=WHERE) for number in range(len(NAMES))]
    path.write_text("".join([APP, *cells, '\n\nif __name__ == "__main__":\n    app.run()\n']))
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    with marimo(path, home) as url:
        watched = watch(context)
        watched.page.goto(url)
        watched.page.locator("section.attn").first.wait_for(timeout=60_000)
        yield watched
        context.close()


@pytest.mark.parametrize("name", NAMES)
def test_marimo(in_marimo: Any, name: str) -> None:
    page = in_marimo.page
    panel = page.locator("marimo-anywidget").nth(NAMES.index(name)).locator("section.attn").first
    is_drawn(panel)
    where = page.get_by_text(f"at {name} ")
    before = where.text_content() or ""
    step(page, panel)
    expect(where).not_to_have_text(before)
    if name == "HeadPanel":
        expect(where).to_contain_text("at HeadPanel 0 1 None None .")


def test_nothing_went_wrong_in_marimo(in_marimo: Any) -> None:
    assert in_marimo.errors == []
    assert in_marimo.refused == []
