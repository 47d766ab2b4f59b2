"""Set up before anything imports torch: one thread, no progress bars, run-time checks of shapes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# A shell starts its background jobs with SIGINT ignored, and children inherit that: interrupts are tested for real.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["ATTN_PROGRESS"] = "plain"

import pytest
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

# Only these rooms: a package-wide hook breaks torch.compile and turns our errors into its own.
CHECKED = ["attn_widgets.attention", "attn_widgets.models", "attn_widgets.capture", "attn_widgets.trace"]
install_import_hook(CHECKED, "beartype.beartype")


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, and no run before; a training leaves nothing beside its run."""
    from attn_widgets.api import state

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_last", None)
    yield tmp_path
    assert not [*tmp_path.rglob(".attn-tokens-*"), *tmp_path.glob("attn_runs/.*.old")]


@pytest.fixture(scope="session")
def magic_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one run, ``sentences``."""
    from attn_widgets import api
    from tests.tiny import TINY

    folder = tmp_path_factory.mktemp("trained")
    api.train(runs=str(folder / "attn_runs"), show=False, **TINY)
    return folder


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell in an empty folder, and nothing trained before."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from attn_widgets.api import state
    from attn_widgets.magics import register

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    monkeypatch.setattr(state, "_last", None)
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    register(shell)
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def shell_with_run(shell: InteractiveShell, magic_store: Path, tmp_path: Path) -> InteractiveShell:
    """A shell whose last run is a copy of the trained one."""
    from attn_widgets.api import state
    from attn_widgets.run import Run

    shutil.copytree(magic_store / "attn_runs", tmp_path / "attn_runs")
    state.remember(Run.load("sentences"))
    return shell
