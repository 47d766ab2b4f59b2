"""Resuming: the history of an unbroken run, the run and its text found again, and what is said when it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from attn_widgets import api
from attn_widgets.errors import AttnError, ConfigError
from attn_widgets.run import Run
from attn_widgets.training import load_weights
from tests.tiny import STEADY, TEXT, TINY, quick

pytestmark = pytest.mark.usefixtures("somewhere")


def trained(**options: Any) -> Run:
    return api.train(text=TEXT, show=False, name="mine", **options)


def not_resumed(**options: Any) -> str:
    """The one line that resuming is refused with; the run stays as it was."""
    before = {path: path.read_bytes() for path in Path("attn_runs/mine").rglob("*.json")}
    with pytest.raises(ConfigError) as caught:
        trained(resume=True, **options)
    assert {path: path.read_bytes() for path in Path("attn_runs/mine").rglob("*.json")} == before
    return str(caught.value)


def test_steps_that_are_done() -> None:
    trained(**TINY)
    told = "run 'mine' has done 3 steps already; give --steps 6, say"
    assert not_resumed(steps=2) == f"--steps 2: {told}"
    assert len(trained(resume=True).history.train) == 3, "nothing is asked for"
    assert len(trained(resume=True, steps=4).history.train) == 4


def test_a_run_that_lost_its_patience() -> None:
    wild = {**TINY, "steps": 200, "learning_rate": 2.0, "embedding_rate": 2.0, "validate_every": 1, "patience": 2}
    done = len(trained(**wild).history.train)
    assert done < 200
    told = "run 'mine' has stopped, for its last 2 validations were no better; give --patience 4, say, or 0 to go on"
    assert not_resumed() == not_resumed(steps=300) == f"--patience 2: {told} to the end"
    assert not_resumed(patience=1).startswith("--patience 1: run 'mine' has stopped")
    assert len(trained(resume=True, patience=0, steps=done + 5).history.train) == done + 5
    assert Run.load("mine").train_config.patience == 0


def test_resuming_gives_the_history_of_an_unbroken_run() -> None:
    quick(name="broken", steps=2, dropout=0.1, **STEADY)
    resumed = api.train(text=TEXT, show=False, name="broken", resume=True, steps=5)
    unbroken = quick(name="unbroken", steps=5, dropout=0.1, **STEADY)
    assert resumed.history == unbroken.history
    weights = load_weights(unbroken.folder, "last")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in load_weights(resumed.folder, "last").items())
    assert api.last_run() is unbroken


def test_resuming_finds_the_text_by_itself(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("story.txt").write_text(TEXT)
    run = api.train("story.txt", show=False, **TINY)
    (somewhere / "elsewhere").mkdir()
    monkeypatch.chdir(somewhere / "elsewhere")
    again = api.train(show=False, resume=True, name="story", runs="../attn_runs", steps=4)
    assert again.folder.samefile(run.folder)
    assert len(again.history.train) == 4


def test_resuming_without_a_name_takes_the_newest_of_the_corpus() -> None:
    quick(steps=1)
    quick(steps=2)
    resumed = api.train(text=TEXT, show=False, resume=True, steps=3)
    assert (resumed.name, len(resumed.history.train)) == ("text-2", 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"dim": 32},
            "--dim 32 cannot be: run 'mine' has --dim 16, and with --resume only --steps, --minutes and --patience "
            "can change",
        ),
        ({"text": None}, "run 'mine' was trained on a text in memory; to resume it give the same text again"),
        (
            {"text": TEXT.replace("cat", "rat")},
            "run 'mine' was trained on another text than the one given now; "
            "resume it with its own, or train a new one with another --name",
        ),
        ({"name": "yours"}, "--resume --name yours: no such run; runs in attn_runs: mine"),
        ({"name": None, "text": None}, "--resume: no run of 'sentences' to go on with; runs in attn_runs: mine"),
        ({"runs": "nowhere"}, "--resume --name mine: no such run; there is no run in nowhere yet"),
    ],
)
def test_resuming_what_cannot_be(options: dict[str, Any], message: str) -> None:
    history = quick(name="mine").history
    with pytest.raises(AttnError) as caught:
        api.train(**{"text": TEXT, "name": "mine", "resume": True, "steps": 5, "show": False, **options})
    assert str(caught.value) == message
    assert Run.load("mine").history == history
