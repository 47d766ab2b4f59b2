"""The project's commands: ``nox -s demo`` shows it, ``nox -s tests`` checks all of it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import nox

# uv would not see a local CPU build of torch; see constraints.txt.
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["tests"]

CONSTRAINTS = ("-c", "constraints.txt")
# Idle OpenMP threads spin and slow every other process down; one thread a worker is fastest.
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "ATTN_PROGRESS": "plain",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@nox.session
def demo(session: nox.Session) -> None:
    """Train on the built-in corpus, generate, and write attention.html."""
    session.install(*CONSTRAINTS, ".")
    session.run("attn-widgets", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Everything: linters, types, vitest, pytest, notebooks, browser."""
    session.install(*CONSTRAINTS, "-e", ".[dev]")
    env = QUIET | {"ATTN_CHROMIUM": chromium(session)}
    session.run("ruff", "check", ".")
    session.run("lint-imports")
    session.run("mypy")
    for script in ("check", "test"):
        session.run("npm", "--prefix", "js", "run", script)
    python = ("python", "-m", "pytest", *session.posargs)
    session.run(
        *python, "tests", "-n", "2", "--dist", "loadscope", "-m", markers(session), "--ignore", "tests/browser", env=env
    )
    session.run(
        *python,
        "-p",
        "tests.notebooks",
        "--nbval",
        "--nbval-current-env",
        "--nbval-cell-timeout=240",
        "-n",
        "2",
        "--dist",
        "loadscope",
        "notebooks",
        env=env,
    )
    with tempfile.TemporaryDirectory() as folder:
        session.run("attn-widgets", "compare", "--quick", "--folder", folder, env=env)
    session.run(*python, "tests/browser", "-n", "2", "--dist", "loadfile", env=env)


def markers(session: nox.Session) -> str:
    """Which tests this machine can run: those for CUDA only where there is a GPU."""
    probe = "import torch; print(torch.cuda.is_available())"
    has_cuda = (session.run("python", "-c", probe, silent=True) or "").strip() == "True"
    return "" if has_cuda else "not cuda"


def chromium(session: nox.Session) -> str:
    """The path of a Chromium for the browser tests, installed if there is none; an error otherwise."""
    if found := _on_path():
        return found
    if sys.platform == "linux" and shutil.which("apt-get") and os.geteuid() == 0:
        session.run("apt-get", "update", external=True)
        session.run("apt-get", "install", "-y", "chromium", external=True)
        if found := _on_path():
            return found
    session.run("playwright", "install", "chromium")
    ask = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    path = (session.run("python", "-c", ask, silent=True) or "").strip()
    if not Path(path).exists():
        session.error(
            "no Chromium: install one (Debian: apt-get install chromium) or run 'playwright install chromium'"
        )
    return path


def _on_path() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)
