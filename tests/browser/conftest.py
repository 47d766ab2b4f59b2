"""Real JupyterLab and real Chromium, with every network request beyond this machine refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Route, sync_playwright

from tests.browser.pages import open_exported
from tests.browser.servers import Jupyter, jupyter

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; a missing one is an error, never a skip."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("ATTN_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.fail("no Chromium found: run the tests with nox, which installs one, or set ATTN_CHROMIUM to its path")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """A page that remembers what went wrong on it and what it tried to load from elsewhere."""

    page: Page
    errors: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def run_all(self) -> None:
        """Run every cell from the menu, as a person does; cells that are run before the kernel is there are lost."""
        self.page.get_by_text("| Idle").first.wait_for(timeout=60_000)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def set_theme(self, name: str) -> None:
        """Switch JupyterLab's theme ("JupyterLab Light", "JupyterLab Dark") through its own command."""
        self.page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def on_route(self, route: Route) -> None:
        if route.request.url.startswith(("http://127.0.0.1", "file:", "data:", "blob:")):
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()


def watch_new_page(context: BrowserContext) -> Watched:
    page = context.new_page()
    page.set_default_timeout(30_000)
    watched = Watched(page)
    page.on("console", watched.on_console)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.route("**/*", watched.on_route)
    return watched


@pytest.fixture(scope="session")
def watch() -> Callable[[BrowserContext], Watched]:
    """Opens a watched page in a context."""
    return watch_new_page


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A watched page in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    yield watch_new_page(context)
    context.close()


@pytest.fixture
def open_panel(watched: Watched, tmp_path: Path) -> Iterator[Callable[..., Locator]]:
    """Opens an exported panel; nothing may go wrong on its page, or be asked of the network."""
    yield lambda panel, *look, **more: open_exported(watched.page, panel, tmp_path / "page.html", *look, **more)
    assert watched.errors == []
    assert watched.refused == []


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """JupyterLab."""
    with jupyter("lab", tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("lab")) as server:
        yield server
