"""Real signals: in a child that trains, twice in a row, and outside the main thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from attn_widgets.errors import TrainingInterrupted
from attn_widgets.training import load_weights
from attn_widgets.training.checkpoint import read_checkpoint
from attn_widgets.training.interrupt import Interrupt
from tests import children
from tests.small_runs import train

# Says when it has taken the third step; then one step takes as long as it is told to.
CHILD = """
import sys, time
from pathlib import Path
from typing import Any
from attn_widgets.training import fit
from tests.small_runs import small_config, small_model, small_tokens
def moment(step, model):
    if step == 3:
        print("now", flush=True)
        end = time.monotonic() + float(sys.argv[2])
        while time.monotonic() < end:
            pass
config = small_config(steps=27, moments=5, validate_every=10**6)
try:
    fit(small_model(), small_tokens(), config, folder=Path(sys.argv[1]), report=lambda p: None, on_moment=moment)
except KeyboardInterrupt as stop:
    print(type(stop).__name__, stop, flush=True)
    sys.exit(130)
"""


@contextmanager
def training(folder: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A child that is in the middle of step 3."""
    command = [sys.executable, "-c", CHILD, str(folder), str(seconds)]
    with children.child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "now\n"
        yield child


def test_the_first_signal_keeps_the_step_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with training(folder, 0.3) as child:
        os.kill(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (130, "")
    assert out == (
        "TrainingInterrupted interrupted: run 'mine' is kept as it was after step 3 of 27; "
        "attn_widgets.last_run() returns it, --resume goes on\n"
    )
    assert read_checkpoint(folder).state["step"] == 3
    options: dict[str, Any] = {"steps": 27, "validate_every": 10**6}
    # Its first steps, as far as one would like to see them, are those of a run that nothing interrupted.
    with training(tmp_path / "other", 0.0) as child:
        assert child.wait(timeout=120) == 0
    assert train(folder, resume=True, **options).to_dict() == read_checkpoint(tmp_path / "other").state["history"]
    first, second = load_weights(folder, "last"), load_weights(tmp_path / "other", "last")
    assert all(bool((first[name] == second[name]).all()) for name in first)


def test_the_second_signal_does_not_wait(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with training(folder, 600) as child:
        os.kill(child.pid, signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=0.3)  # the step is still going on
        os.kill(child.pid, signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted at once: run 'mine' is kept as it was after step 0;" in out
    assert read_checkpoint(folder).state["step"] == 0


def test_a_kill_leaves_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    with training(tmp_path, 600) as child:
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(timeout=60) == -signal.SIGKILL
    assert len(train(tmp_path, resume=True, steps=5).train) == 5


def test_the_handler_before_comes_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupt(lambda: "twice") as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.wanted
        with pytest.raises(TrainingInterrupted, match="twice"):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    train(tmp_path)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_trains_without_a_handler(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    lengths: list[int] = []
    worker = threading.Thread(target=lambda: lengths.append(len(train(tmp_path).train)))
    worker.start()
    worker.join()
    assert lengths == [6]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_is_a_keyboard_interrupt_of_one_line() -> None:
    """So that Run All stops, and no ``except Exception`` swallows it."""
    stop = TrainingInterrupted("interrupted: run 'mine'")
    assert isinstance(stop, KeyboardInterrupt)
    assert stop._render_traceback_() == ["\x1b[33minterrupted: run 'mine'\x1b[0m"]
