"""The folder of a run under training: who gets it, and which of an old and a new run stays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from attn_widgets import api
from attn_widgets.api import fitting, holding
from attn_widgets.api.holding import held, recover
from attn_widgets.api.store import place
from attn_widgets.config import StoreConfig
from attn_widgets.errors import ConfigError, RunError, TrainingError, TrainingInterrupted
from attn_widgets.run import Run
from attn_widgets.training import RunLock
from tests.children import child, wait_until
from tests.tiny import TEXT, quick, refused

pytestmark = pytest.mark.usefixtures("somewhere")


def seeds() -> dict[str, int]:
    """Seeds of all runs on disk, by name."""
    return {path.parent.name: Run.load(path.parent).train_config.seed for path in Path("attn_runs").glob("*/run.json")}


def meanwhile(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Let another training begin and end after the next one has chosen its folder."""
    import attn_widgets.api.training as training

    def other(folder: Path, store: StoreConfig, **searches: bool) -> Any:
        monkeypatch.setattr(training, "held", held)
        quick(seed=9, **options)
        return held(folder, store, **searches)

    monkeypatch.setattr(training, "held", other)


def test_a_name_taken_meanwhile_is_refused_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, name="mine")
    with pytest.raises(RunError, match=r"^--name mine: this run is there already; add --resume or --overwrite"):
        quick(name="mine")
    assert seeds() == {"mine": 9}


def test_a_default_name_taken_meanwhile_gives_the_next_number(monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch)
    assert quick().name == "text-2"
    meanwhile(monkeypatch)
    assert quick().name == "text-4"
    assert seeds() == {"text": 9, "text-2": 0, "text-3": 9, "text-4": 0}


def hold(name: str, ready: Any, done: Any) -> None:
    """In another process."""
    with RunLock(Path("attn_runs") / name):
        ready.set()
        done.wait(60)


def test_overwrite_replaces() -> None:
    quick(name="mine", seed=1)
    quick(name="mine", overwrite=True, steps=1)
    run = Run.load("mine")
    assert (run.train_config.seed, len(run.history.train)) == (0, 1)


def test_overwrite_without_a_name_replaces_the_newest() -> None:
    quick()
    quick()
    assert quick(overwrite=True, steps=1).name == "text-2"
    assert len(Run.load("text").history.train) == 3


def test_what_cannot_start_leaves_the_old_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: Any, **__: Any) -> None:
        raise ConfigError("--mixed-precision fp16 needs a GPU")

    history = quick(name="mine").history
    monkeypatch.setattr(fitting, "fit", lacking)
    refused(ConfigError, name="mine", overwrite=True)
    assert Run.load("mine").history == history
    refused(ConfigError, name="other")
    assert not Path("attn_runs/other").exists()


@contextmanager
def held_elsewhere(name: str) -> Iterator[None]:
    """Another process trains the run of this name."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(name, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        yield
    finally:
        done.set()
        other.join()


def test_a_run_open_in_another_process_is_refused() -> None:
    quick(name="mine")
    with held_elsewhere("mine"):
        for how in ("resume", "overwrite"):
            told = refused(RunError, name="mine", **{how: True})
            assert told == "run 'mine' is being trained elsewhere; wait for it or give another --name"
    assert len(Run.load("mine").history.train) == 3


def test_a_default_name_being_trained_elsewhere_gives_the_next_number() -> None:
    with held_elsewhere("text"):
        assert quick().name == "text-2"


def write_aside(name: str, **options: Any) -> Path:
    """Leave what a process killed after it had moved the old run aside leaves."""
    folder = quick(name=name, **options).folder
    return folder.rename(folder.with_name(f".{name}.old"))


def test_a_kill_before_the_first_validation_gives_the_old_run_back() -> None:
    write_aside("mine", seed=1)
    with pytest.raises(RunError, match="this run is there already"):
        quick(name="mine")
    assert seeds() == {"mine": 1}
    half = quick(name="half", seed=3).folder
    write_aside("yours", seed=2)
    half.rename("attn_runs/yours")
    Path("attn_runs/yours/checkpoints.json").unlink()
    assert api.train(text=TEXT, show=False, name="yours", resume=True, steps=4).train_config.seed == 2


def test_a_kill_after_a_validation_keeps_the_new_run() -> None:
    other = quick(name="other", seed=2).folder
    write_aside("mine", seed=1)
    other.rename("attn_runs/mine")
    assert api.newest("attn_runs") == "mine"
    assert seeds() == {"mine": 2}


def test_a_run_moved_aside_is_left_alone_while_its_folder_is_held() -> None:
    aside = write_aside("mine", seed=1)
    with RunLock(Path("attn_runs/mine")):
        recover("attn_runs")
        assert aside.exists()
    recover("attn_runs")
    assert seeds() == {"mine": 1}


def test_killed_while_it_overwrites(somewhere: Path) -> None:
    quick(name="mine", seed=1)
    code = (
        "from tests.tiny import quick\n"
        "quick(name='mine', seed=2, overwrite=True, steps=1_000_000, validate_every=1_000_000)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    runs = somewhere / "attn_runs"
    with child([sys.executable, "-c", code], env=env) as other:
        wait_until(lambda: (runs / "mine/checkpoints.json").exists() and (runs / ".mine.old").exists(), other)
    assert other.returncode == -signal.SIGKILL
    assert [*somewhere.rglob(".attn-tokens-*")]
    assert quick(name="next").name == "next"
    assert seeds() == {"mine": 1, "next": 0}


WILD: dict[str, Any] = {
    "learning_rate": 1e30, "optimizer": "adamw", "warmup": 0, "clip": 0.0, "steps": 20,
}  # fmt: skip


def test_an_overwrite_that_diverges_at_once_gives_the_old_run_back() -> None:
    quick(name="mine", seed=1)
    with pytest.raises(TrainingError) as caught:
        quick(name="mine", overwrite=True, **WILD)
    first, second, tip = str(caught.value).split("; ")
    assert first.startswith("the ")
    assert second == "run 'mine' is again what it was before --overwrite"
    assert tip.startswith("try --learning-rate")
    assert seeds() == {"mine": 1}
    assert api.last_run().train_config.seed == 1


@pytest.mark.parametrize(("validate_every", "kept"), [(1, 0), (1000, 1)])
def test_an_interrupted_overwrite_keeps_what_was_validated(
    validate_every: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(name="mine", seed=1)

    def impatient(folder: Path, step: int, *rest: Any) -> None:
        if step >= 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(fitting, "record_moment", impatient)
    with pytest.raises(TrainingInterrupted) as caught:
        quick(name="mine", overwrite=True, steps=50, validate_every=validate_every, moments=8)
    told = "interrupted before the first validation; run 'mine' is again what it was before --overwrite"
    assert (str(caught.value) == told) == bool(kept)
    assert seeds() == {"mine": kept}
    assert api.last_run().train_config.seed == kept


def test_tokens_of_dead_processes_are_removed_and_of_others_not(somewhere: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    runs, host = somewhere / "attn_runs", socket.gethostname()
    names = [f"{holding.SCRATCH}{host}-{dead.pid}-x", f"{holding.SCRATCH}{host}-{os.getpid()}-x"]
    names.append(f"{holding.SCRATCH}{host}.elsewhere-{dead.pid}-x")
    for name in names:
        (runs / name).mkdir(parents=True)
    quick()
    assert sorted(path.name for path in runs.glob(".attn-tokens-*")) == sorted(names[1:])
    for name in names[1:]:
        (runs / name).rmdir()


def test_a_folder_made_meanwhile_that_is_no_run_is_refused() -> None:
    store = StoreConfig(name="mine", overwrite=True)
    folder = place(store, "text")
    (folder / "papers").mkdir(parents=True)
    with pytest.raises(RunError, match="is no run, and stays"), held(folder, store):
        pass
    assert (folder / "papers").exists()
