"""The verbs as functions: what they make, print, refuse and leave behind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attn_widgets import api
from attn_widgets.api import state
from attn_widgets.errors import AttnError, ConfigError, RunError
from attn_widgets.run import Run
from attn_widgets.training import load_weights
from tests.tiny import TINY, quick, refused

pytestmark = pytest.mark.usefixtures("somewhere")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on the built-in corpus, trained for a moment."""
    return api.train(runs=str(tmp_path_factory.mktemp("tiny") / "attn_runs"), show=False, **TINY)


def test_a_run_comes_back_and_is_on_disk(tiny: Run) -> None:
    assert [point.step for point in tiny.history.train] == [1, 2, 3]
    assert Run.load(tiny.folder).history == tiny.history
    assert tiny.name == "sentences"
    assert [step for step, _ in tiny.moments][-1] == 3


def test_plain_training_prints_facts_alone(capsys: pytest.CaptureFixture[str]) -> None:
    api.train(**TINY)
    assert capsys.readouterr() == (
        "trained on sentences: 3 steps\n"
        "taste: accuracy ≥ 0.95: False\n"
        "agreement: accuracy ≥ 0.95: False\n"
        "list: accuracy ≥ 0.95: False\n"
        "people: accuracy ≥ 0.95: False\n",
        "",
    )


def test_a_terminal_sees_corpus_time_bar_and_skill_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATTN_PROGRESS")
    run = api.train(**TINY)
    out, err = capsys.readouterr()
    first, second, *rest = out.splitlines()
    model = sum(p.numel() for p in run.model.parameters())
    assert re.fullmatch(
        r"sentences: 20,000 generated sentences .*; [\d,]+ tokens to train on, 200 held out, vocabulary of \d+ word "
        rf"tokens; {model:,} parameters, about \d+ s",
        first,
    )
    assert re.match(rf"{model:,} parameters; about \d+ s; (cpu|cuda); ", second)
    assert "the first 200 tokens (--validation-tokens)" in second
    assert rest[0].split() == ["skill", "accuracy", "head", "weight"]
    assert [line.split()[0] for line in rest[1:5]] == ["taste", "agreement", "list", "people"]
    best = run.history.best
    assert best is not None
    assert rest[5] == (
        f"perplexity {np.exp(best.loss):.3f}; {best.loss:.3f} nats per token, the grammar's floor "
        f"{run.corpus.floor:.3f}; {best.nats_per_character:.3f} nats per character"
    )
    assert rest[6] == f"kept in {run.folder}"
    assert "3/3" in err


def test_the_same_seed_is_the_same_run_and_torch_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = quick(), quick(), quick(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.history == again.history
    assert first.history != other.history
    weights = load_weights(again.folder)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in load_weights(first.folder).items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hed": 3}, "train() has no option hed; did you mean heads?"),
        ({"steps": 3, "minutes": 1.0}, "--steps 3 and --minutes 1 exclude each other; give one"),
        ({"corpus": "sentences"}, "corpus and text exclude each other; give one of them"),
        ({"context": 2000}, "--context 2000 is longer than the text of "),
        ({"probe": "", "tokenizer": "char"}, "--probe '' has no tokens; give some text, or --moments 0"),
    ],
)
def test_options_that_cannot_be_start_nothing(options: dict[str, Any], message: str, somewhere: Path) -> None:
    assert refused(AttnError, **options).startswith(message)
    assert not [*somewhere.iterdir()]


def test_a_diverging_run_is_kept_as_it_was() -> None:
    with pytest.raises(AttnError, match="is not finite in step"):
        quick(name="wild", learning_rate=1e30, optimizer="adamw", warmup=0, clip=0.0, steps=20)
    run = api.last_run()
    assert run.name == "wild"
    assert len(run.history.train) < 20


def test_what_is_remembered_of_the_text_is_json(tiny: Run) -> None:
    found = json.loads((tiny.folder / "text.json").read_text())
    assert found["corpus"] is None
    assert not found["in_memory"]
    assert re.fullmatch("[0-9a-f]{64}", found["sum"])


def test_generating_before_training_names_the_runs_on_disk() -> None:
    nothing = "nothing is trained yet: train first, or name a run with --run NAME; "
    for verb in (api.generate, api.view):
        with pytest.raises(RunError) as caught:
            verb("I love")
        assert str(caught.value) == nothing + "there is no run in attn_runs yet"
    quick(name="a")
    quick(name="b")
    state._last = None
    with pytest.raises(RunError, match=r"runs in attn_runs: b, a$"):
        api.last_run()
    assert api.newest("attn_runs") == "b"
    with pytest.raises(RunError, match=r"^--run c: no such run; runs in attn_runs: b, a$"):
        api.generate("the", run="c")


def test_generate_is_the_runs_own(tiny: Run, capsys: pytest.CaptureFixture[str]) -> None:
    direct = tiny.generate("I love", max_new_tokens=5, top_k=3, seed=4)
    assert api.generate("I love", run=tiny, max_new_tokens=5, top_k=3, seed=4).text == direct.text
    by_name = api.generate("I love", run=tiny.name, runs=str(tiny.folder.parent), max_new_tokens=5, top_k=3, seed=4)
    assert by_name.ids == direct.ids
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("plain", [True, False])
def test_streaming_prints_the_text_and_what_was_unknown(
    tiny: Run, plain: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not plain:
        monkeypatch.delenv("ATTN_PROGRESS")
    generation = api.generate("I love zebras", run=tiny, stream=True, max_new_tokens=6, ignore_end=True)
    text, note = capsys.readouterr().out.splitlines()
    assert text == generation.text.lstrip(" ")
    assert text
    assert note == "note: the prompt has words that the model never saw, read as ‹unknown›: 'zebras'"


def test_functions_are_documented_with_every_option() -> None:
    for verb, option in ((api.train, "--kv-heads"), (api.generate, "--min-p"), (api.view, "--html")):
        assert option in (verb.__doc__ or "")


def test_the_demo_runs_twice(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        api.run_demo(**TINY)
        out = capsys.readouterr().out
        assert "I love to eat pizza …" in out
        assert out.endswith("attention.html\n")
        assert "I love to eat pizza" in Path("attention.html").read_text()
    assert [path.name for path in Path("attn_runs").glob("[!.]*")] == ["demo"]


def test_more_memory_than_there_is_names_the_batch() -> None:
    told = refused(ConfigError, batch=10**12)
    assert told == (
        "--batch 1000000000000 at --context 16 and --dim 16 needs more memory than there is; try --batch 32"
    )
    assert not [*Path("attn_runs").glob("*/run.json")]
