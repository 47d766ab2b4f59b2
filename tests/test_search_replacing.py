"""A search whose best is to replace a run: the old run is whole until then, and what was searched is gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attn_widgets import api
from attn_widgets.api import state
from attn_widgets.api.store import beside
from attn_widgets.errors import AttnError, ConfigError, TrainingError
from attn_widgets.run import Run
from attn_widgets.training.search import SearchResult, read_search
from tests.children import child, wait_until
from tests.tiny import TEXT, quick

pytestmark = pytest.mark.usefixtures("somewhere")

MINE = Path("attn_runs/mine")
AGAIN: dict[str, Any] = {"name": "mine", "search": {"heads": [1, 2]}, "folds": 2, "seed": 2, "validate_every": 80}
FULL: dict[str, Any] = {**AGAIN, "overwrite": True, "steps": 80}


def overwriting(true: Callable[[], bool], how: signal.Signals, **options: Any) -> str:
    """Search in another process that is stopped in this moment; its last line."""
    code = f"from tests.tiny import quick; quick(**{FULL | options!r})"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with child([sys.executable, "-c", code], env=env, stderr=subprocess.PIPE, text=True) as process:
        wait_until(true, process)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
    assert process.returncode
    return str((err.splitlines() or [""])[-1])


def searched() -> SearchResult:
    """What is kept for the run that is to come."""
    found = read_search(beside(MINE))
    assert found is not None
    return found


def resumed(**options: Any) -> Run:
    return api.train(text=TEXT, name="mine", resume=True, show=False, **options)


def answers() -> list[str]:
    """What the run of this name is and says."""
    run = state.open_run("mine", "attn_runs")
    return [str(run.train_config.seed), run.generate("the cat", max_new_tokens=5).text, str(run.search)]


def is_replacing() -> bool:
    return (MINE / "checkpoints.json").exists() and (MINE.parent / ".mine.old").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_search_that_is_stopped_leaves_the_old_run_and_is_gone_on_with(how: signal.Signals) -> None:
    quick(name="mine", seed=1)
    before = answers()
    told = overwriting((beside(MINE) / "search.json").exists, how)
    found = searched()
    assert 1 <= len(found.cells) < 4
    if how is signal.SIGINT:
        assert told.endswith(
            f"interrupted: {len(found.cells)} of 4 trainings of the search are kept beside run 'mine', which is what "
            "it was; --resume --name mine goes on with the others"
        )
    assert answers() == before
    assert [path.name for path in Path("attn_runs").glob("[!.]*")] == ["mine"]
    with pytest.raises(AttnError, match=r"^--steps 5 cannot be: the search of run 'mine' is not done, and goes on as"):
        resumed(steps=5)
    run = resumed()
    assert run.search is not None
    assert run.search.cells[: len(found.cells)] == found.cells
    assert len(run.search.cells) == 4
    assert (run.name, run.train_config.seed, len(run.history.train)) == ("mine", 2, 80)
    assert not beside(MINE).parent.exists()
    assert len(resumed(steps=81).history.train) == 81


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_best_replaces_the_old_run_once_it_was_validated(how: signal.Signals) -> None:
    quick(name="mine", seed=1)
    before = answers()
    told = overwriting(is_replacing, how)
    if how is signal.SIGINT:
        assert told.endswith(
            "interrupted before the first validation; run 'mine' is again what it was before --overwrite; "
            "--resume --name mine goes on with the best of the search"
        )
    assert answers() == before
    assert not searched().missing
    run = resumed()
    assert len(run.history.train) == 80
    assert answers()[0] == "2"
    assert not beside(MINE).parent.exists()


def test_before_its_first_training_is_done_nothing_is_kept_of_a_search() -> None:
    quick(name="mine", seed=1)
    before = answers()
    long = {"steps": 1_000_000, "validate_every": 1_000_000}

    def begun() -> bool:
        return bool([*Path("attn_runs").glob(".attn-tokens-*/*/cell/checkpoints.json")])

    assert overwriting(begun, signal.SIGINT, **long).endswith(
        "interrupted before the first training of the search was done; run 'mine' is what it was"
    )
    assert not beside(MINE).parent.exists()
    overwriting(begun, signal.SIGKILL, **long)
    assert answers() == before
    assert not beside(MINE).parent.exists()
    assert quick().name == "text"  # and removes the tokens of the process that was killed
    assert sorted(path.name for path in Path("attn_runs").glob("[!.]*")) == ["mine", "text"]


def test_another_training_of_this_name_puts_an_end_to_a_search_that_was_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick(name="mine", seed=1)
    overwriting((beside(MINE) / "search.json").exists, signal.SIGINT)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"^--resume: a search is to replace run 'mine', and only one process can go"):
        resumed()
    monkeypatch.delenv("WORLD_SIZE")
    quick(name="mine", seed=3, overwrite=True)
    assert not beside(MINE).exists()
    assert resumed(steps=4).train_config.seed == 3


def test_what_diverges_is_not_gone_on_with() -> None:
    quick(name="mine", seed=1)
    wild = {"learning_rate": 1e38, "optimizer": "adamw", "warmup": 0, "clip": 0.0, "steps": 8}
    with pytest.raises(TrainingError, match=r"^no configuration of the search has a finite loss"):
        quick(**{**FULL, **wild})
    assert not beside(MINE).parent.exists()
    assert resumed(steps=4).train_config.seed == 1


def test_a_search_that_is_done_replaces_at_once() -> None:
    quick(name="mine", seed=1)
    run = quick(**{**FULL, "steps": 2})
    assert run.search is not None
    assert (Run.load("mine").train_config.seed, Run.load("mine").search) == (2, run.search)
    assert not beside(MINE).parent.exists()


def test_a_teacher_that_changed_while_a_search_was_stopped_is_refused() -> None:
    quick(name="wise", seed=3)
    quick(name="mine", seed=1)
    overwriting((beside(MINE) / "search.json").exists, signal.SIGINT, teacher="wise")
    quick(name="wise", seed=4, overwrite=True)
    with pytest.raises(AttnError) as caught:
        resumed()
    assert str(caught.value) == ("--teacher wise is not what it was when run 'mine' began; train anew with --overwrite")
    assert 1 <= len(searched().cells) < 4
