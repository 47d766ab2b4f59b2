"""Servers of real notebooks, from this environment, each with settings and runtime files of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]


class Jupyter:
    """A running JupyterLab or Notebook server and the folder it serves."""

    def __init__(self, url: str, folder: Path, view: str) -> None:
        self.url, self.folder, self._view = url, folder, view

    def write_notebook(self, name: str, cells: list[str]) -> str:
        """Write a notebook of code cells; returns the address that opens it."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        # Without a kernelspec Lab opens a dialog that asks for one.
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / name)
        return f"{self.url}/{self._view}/{name}"

    def write_saved(self, name: str, notebook: nbformat.NotebookNode) -> None:
        """Write a notebook as another person would receive it."""
        nbformat.write(notebook, self.folder / name)

    def read_notebook(self, name: str) -> nbformat.NotebookNode:
        return nbformat.read(self.folder / name, as_version=4)


def home_of(home: Path) -> dict[str, str]:
    """Give the environment of a server that knows nothing of this machine's person."""
    env = os.environ | {
        name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    env |= {"HOME": str(home), "IPYTHONDIR": str(home / "ipython"), "XDG_CONFIG_HOME": str(home / "config")}
    env |= {"PYTHONPATH": str(ROOT)}
    env.pop("ATTN_PROGRESS", None)
    return env


@contextmanager
def jupyter(app: str, home: Path, folder: Path) -> Iterator[Jupyter]:
    """Run JupyterLab (``lab``) or Notebook 7 (``notebook``)."""
    port = free_port()
    exposing, view = {
        "lab": ("--LabApp.expose_app_in_browser=True", "lab/tree"),
        "notebook": ("--JupyterNotebookApp.expose_app_in_browser=True", "notebooks"),
    }[app]
    options = [f"--port={port}", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=", "--ip=127.0.0.1"]
    if app == "lab":  # its news bubble would lie over the panels and ask the network
        page_config = home / "JUPYTER_CONFIG_DIR" / "labconfig" / "page_config.json"
        page_config.parent.mkdir(parents=True)
        disabled = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
        page_config.write_text(json.dumps(disabled))
    command = [sys.executable, "-m", "jupyter", app, *options, "--no-browser", "--allow-root", exposing]
    url = f"http://127.0.0.1:{port}"
    with _running(command, f"{url}/api/status", home):
        yield Jupyter(url, folder, view)


@contextmanager
def marimo(notebook: Path, home: Path) -> Iterator[str]:
    """Run a marimo notebook as an app; gives its address."""
    port = free_port()
    options = ["--headless", "--no-token", "--no-sandbox", "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "marimo", "--yes", "run", str(notebook), *options]
    url = f"http://127.0.0.1:{port}"
    with _running(command, f"{url}/health", home):
        yield url


@contextmanager
def _running(command: list[str], health: str, home: Path) -> Iterator[None]:
    """Run a server from when it answers until the block is left."""
    path = home / "server.log"
    with path.open("w") as log:
        server = subprocess.Popen(command, env=home_of(home), stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(health, server, path)
            yield
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
