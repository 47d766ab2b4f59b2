"""What is said when a run is resumed and there is nothing to do, and how it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attn_widgets import api
from attn_widgets.errors import ConfigError
from attn_widgets.run import Run
from tests.tiny import TEXT, TINY


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trained(**options: Any) -> Run:
    return api.train(text=TEXT, show=False, name="mine", **options)


def refused(**options: Any) -> str:
    """The one line that resuming is refused with; the run stays as it was."""
    before = {path: path.read_bytes() for path in Path("attn_runs/mine").rglob("*.json")}
    with pytest.raises(ConfigError) as caught:
        trained(resume=True, **options)
    assert {path: path.read_bytes() for path in Path("attn_runs/mine").rglob("*.json")} == before
    return str(caught.value)


def test_steps_that_are_done() -> None:
    trained(**TINY)
    told = "run 'mine' has done 3 steps already; give --steps 6, say"
    assert refused(steps=2) == f"--steps 2: {told}"
    assert len(trained(resume=True).history.train) == 3, "nothing is asked for"
    assert len(trained(resume=True, steps=4).history.train) == 4


def test_a_run_that_lost_its_patience() -> None:
    wild = {**TINY, "steps": 200, "learning_rate": 2.0, "embedding_rate": 2.0, "validate_every": 1, "patience": 2}
    done = len(trained(**wild).history.train)
    assert done < 200
    told = "run 'mine' has stopped, for its last 2 validations were no better; give --patience 4, say, or 0 to go on"
    assert refused() == refused(steps=300) == f"--patience 2: {told} to the end"
    assert refused(patience=1).startswith("--patience 1: run 'mine' has stopped")
    assert len(trained(resume=True, patience=0, steps=done + 5).history.train) == done + 5
    assert Run.load("mine").train_config.patience == 0
