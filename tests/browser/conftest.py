"""Real JupyterLab and real Chromium, with every network request beyond this machine refused."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, sync_playwright

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


@dataclass
class Lab:
    """A running JupyterLab server and the folder it serves."""

    url: str
    folder: Path

    def write_notebook(self, name: str, cells: list[str]) -> str:
        """Write a notebook of code cells; returns the address that opens it."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        # Without a kernelspec Lab opens a dialog that asks for one.
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / name)
        return f"{self.url}/lab/tree/{name}"

    def write_saved(self, name: str, notebook: nbformat.NotebookNode) -> None:
        """Write a notebook as another person would receive it."""
        nbformat.write(notebook, self.folder / name)

    def read_notebook(self, name: str) -> nbformat.NotebookNode:
        return nbformat.read(self.folder / name, as_version=4)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab from this environment, with settings and runtime files of its own."""
    home, folder, port = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("lab"), free_port()
    env = os.environ | {
        name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    env |= {"HOME": str(home), "IPYTHONDIR": str(home / "ipython")}
    env.pop("ATTN_PROGRESS", None)
    options = [f"--port={port}", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=", "--ip=127.0.0.1"]
    quiet = ["--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True"]
    page_config = home / "JUPYTER_CONFIG_DIR" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    # The news bubble would lie over the panels and ask the network.
    page_config.write_text(json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}))
    log = (home / "lab.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "lab", *options, *quiet], env=env, stdout=log, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_server(url, server, home / "lab.log")
        yield Lab(url, folder)
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def wait_for_server(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/api/status", timeout=2) as reply:
                if "started" in json.load(reply):
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
