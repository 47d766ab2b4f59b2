"""Set up before anything imports torch: one thread, no progress bars, run-time checks of shapes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

# A shell starts its background jobs with SIGINT ignored, and children inherit that: interrupts are tested for real.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["ATTN_PROGRESS"] = "plain"

import pytest
from jaxtyping import install_import_hook

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
