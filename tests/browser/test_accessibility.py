"""axe-core on every panel's exported page, light and dark, also with everything opened: nothing serious or critical."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from attn_widgets.panels.stepping import SteppingPanel
from tests.panel_classes import PANELS, make

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"

FINDINGS = """async () => (await axe.run(document, { resultTypes: ['violations'] })).violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`))"""


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def checked(browser: Any, watch: Any, scheme: str) -> Any:
    """A page into which axe may be put, past the page's own policy against scripts."""
    context = browser.new_context(bypass_csp=True, color_scheme=scheme, viewport={"width": 1000, "height": 900})
    watched = watch(context)
    yield watched
    context.close()
    assert watched.errors == []
    assert watched.refused == []


def show(watched: Any, panel: SteppingPanel, path: Path) -> Locator:
    watched.page.goto(panel.to_html(path).as_uri())
    shown = watched.page.locator("section.attn").first
    expect(shown.locator(".attn-name").first).not_to_be_empty()
    watched.page.wait_for_timeout(300)
    return shown


def findings(watched: Any) -> list[str]:
    watched.page.evaluate(AXE.read_text("utf-8"))
    found: list[str] = watched.page.evaluate(FINDINGS)
    return found


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.__name__)
def test_a_panel_has_no_serious_finding(checked: Any, panel: type[SteppingPanel], tmp_path: Path) -> None:
    show(checked, make(panel), tmp_path / "page.html")
    assert findings(checked) == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.__name__)
def test_nor_has_it_with_a_row_locked_and_everything_opened(
    checked: Any, panel: type[SteppingPanel], tmp_path: Path
) -> None:
    shown = show(checked, make(panel, query=3, key=1), tmp_path / "page.html")
    for name in ("View as table", "Options", "Export"):
        for button in shown.get_by_role("button", name=name, exact=True).all():
            if button.is_visible():
                button.click()
    checked.page.wait_for_timeout(300)
    assert findings(checked) == []


def test_axe_looks_into_the_panel(checked: Any, tmp_path: Path) -> None:
    """A finding made on purpose is found: the shadow root hides nothing from it."""
    shown = show(checked, make(PANELS[0]), tmp_path / "page.html")
    shown.evaluate(
        """section => {
            const low = document.createElement('p');
            low.textContent = 'hard to read';
            low.style.cssText = 'color: #888; background: #777';
            section.append(low);
        }"""
    )
    assert any("color-contrast" in found for found in findings(checked))
