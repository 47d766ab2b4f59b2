"""`view`: the panel of a text or a generation, with the model that did it and never with another one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets import api
from attn_widgets.api import state
from attn_widgets.errors import ConfigError
from attn_widgets.run import Run
from tests.tiny import STEADY, TEXT, TINY, quick

pytestmark = pytest.mark.usefixtures("somewhere")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two runs that differ in their seed."""
    folder = str(tmp_path_factory.mktemp("runs") / "attn_runs")
    return {
        name: api.train(text=TEXT, runs=folder, name=name, seed=seed, show=False, **TINY)
        for seed, name in enumerate(("mine", "other"))
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on the built-in corpus, trained for a moment."""
    return api.train(runs=str(tmp_path_factory.mktemp("tiny") / "attn_runs"), show=False, **TINY)


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


def test_view_shows_a_text_with_everything_behind_it(tiny: Run) -> None:
    panel = api.view(tiny.corpus.prompt, run=tiny, head=1)
    assert (panel.layer, panel.head) == (0, 1)
    assert [step for step in panel._frames.steps if step is not None] == [step for step, _ in tiny.moments]
    trace = tiny.trace(tiny.corpus.prompt)
    np.testing.assert_array_equal(panel.trace.weights(0, 1), trace.weights(0, 1))
    off = panel._switch_off("L0H1")
    assert off["after"]["tokens"] == list(tiny.ablation(tiny.corpus.prompt, ["L0H1"]).after.tokens)


def test_view_without_a_text_shows_the_last_generation(tiny: Run) -> None:
    generation = api.generate("I love", run=tiny, max_new_tokens=5, ignore_end=True)
    panel = api.view()
    assert panel.trace is generation.trace
    assert panel.title == str(generation)
    assert len(panel._frames.steps) == 1
    assert api.view(run=tiny).trace is generation.trace


def test_view_without_anything_shows_the_probe(tiny: Run) -> None:
    assert api.view(run=tiny.name, runs=str(tiny.folder.parent)).trace.tokens == tiny.trace().tokens


def test_view_says_what_it_cannot_read_and_writes_a_page(tiny: Run, capsys: pytest.CaptureFixture[str]) -> None:
    api.view("I love zebras", run=tiny, html="page.html")
    note, wrote = capsys.readouterr().out.splitlines()
    assert note == "note: the text has words that the model never saw, read as ‹unknown›: 'zebras'"
    assert wrote.startswith("wrote ")
    assert wrote.endswith("page.html")
    page = Path("page.html").read_text()
    assert not re.search(r"""(src|href)=["']https?:""", page)


def test_view_refuses_a_head_that_is_not_there(tiny: Run) -> None:
    with pytest.raises(ConfigError, match="--head 9 does not exist; there are 2: 0 to 1"):
        api.view("I love", run=tiny, head=9)


def test_a_run_resumed_often_shows_eight_of_its_moments() -> None:
    quick(name="often", steps=40, moments=8, **STEADY)
    for steps in (41, 42):
        run = api.train(text=TEXT, show=False, name="often", resume=True, steps=steps)
    assert len(run.moments) > 8
    steps_shown = [step for step in api.view(run.corpus.prompt, run=run)._frames.steps if step is not None]
    assert len(steps_shown) <= 8
    assert steps_shown[0] == 0
    assert steps_shown[-1] == run.moments[-1][0]
