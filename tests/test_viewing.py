"""`view` shows what a model did with that model: never with another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attn_widgets import api
from attn_widgets.api import state
from attn_widgets.errors import ConfigError
from attn_widgets.run import Run
from tests.tiny import TEXT, TINY


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two runs that differ in their seed."""
    folder = str(tmp_path_factory.mktemp("runs") / "attn_runs")
    return {
        name: api.train(text=TEXT, runs=folder, name=name, seed=seed, show=False, **TINY)
        for seed, name in enumerate(("mine", "other"))
    }


@pytest.fixture(autouse=True)
def nothing_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_last", None)
    yield


def test_a_generation_of_the_last_run_has_its_heads_switched_off(runs: dict[str, Run]) -> None:
    generation = api.generate("the", run=runs["mine"], max_new_tokens=4)
    off = api.view(generation)._switch_off("L0H0")
    assert off["after"]["tokens"] == list(runs["mine"].ablation(generation, ["L0H0"]).after.tokens)


def test_a_generation_of_another_run_is_shown_without_a_model(runs: dict[str, Run]) -> None:
    generation = runs["mine"].generate("the", max_new_tokens=4)
    state.remember(runs["other"])
    panel = api.view(generation)
    assert panel.trace is generation.trace
    assert panel._spec["ablate"] is False
    assert panel._spec["ablations"] == {}


def test_a_run_that_did_not_write_the_generation_is_refused(runs: dict[str, Run]) -> None:
    generation = runs["mine"].generate("the", max_new_tokens=4)
    with pytest.raises(ConfigError) as caught:
        api.view(generation, run=runs["other"])
    assert str(caught.value) == (
        "--run other: this generation is of run 'mine', as it was then; leave the run out, or generate again"
    )
    assert api.view(generation, run=runs["mine"].folder)._spec["ablate"] is True


@pytest.mark.parametrize(
    ("verb", "given", "message"),
    [
        ("view", {"text": 5}, "text must be a text or a generation; given 5"),
        ("view", {"text": "the", "run": 5}, "run must be a run or its name; given 5"),
        ("generate", {"run": 5}, "run must be a run or its name; given 5"),
    ],
)
def test_what_is_neither_text_nor_run(verb: str, given: dict[str, Any], message: str, runs: dict[str, Run]) -> None:
    state.remember(runs["mine"])
    with pytest.raises(ConfigError) as caught:
        getattr(api, verb)(**given)
    assert str(caught.value) == message
