"""Searches over several kinds of model: of pairs in a file, resumed whichever wins, and taught by a teacher."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from attn_widgets import api
from attn_widgets.errors import AttnError
from attn_widgets.run import Run
from tests.tiny import TEXT, TINY, quick

pytestmark = pytest.mark.usefixtures("somewhere")

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SHAPE: dict[str, Any] = {**TINY, "context": 32, "moments": 0, "steps": 8, "folds": 2, "show": False}


@pytest.fixture
def pairs(somewhere: Path) -> str:
    """A file of sixty pairs."""
    draw, lines = random.Random(0), []
    for number in range(60):
        words = draw.choices(WORDS, k=4)
        lines.append(f"{' '.join(words)} {number}\t{' '.join(word[::-1] for word in words)}")
    Path("pairs.tsv").write_text("\n".join(lines))
    return "pairs.tsv"


@pytest.mark.parametrize("models", [["seq2seq", "transformer"], ["transformer", "seq2seq"]])
def test_a_run_of_pairs_is_resumed_when_a_model_of_texts_was_the_best(pairs: str, models: list[str]) -> None:
    run = api.train(pairs, search={"model": models}, **SHAPE)
    assert run.model_config.model == "transformer"
    assert run.score().count == 6
    assert len(api.train(name=run.name, resume=True, steps=9, show=False).history.train) == 9
    assert len(api.train(pairs, name=run.name, resume=True, steps=10, show=False).history.train) == 10


def test_resuming_without_a_name_finds_what_was_searched() -> None:
    wanted = {"model": ["transformer", "seq2seq"]}
    run = api.train(search=wanted, **{**SHAPE, "steps": 1, "context": 48})
    assert run.corpus.task_from == "dates"
    assert len(api.train(search=wanted, resume=True, steps=2, show=False).history.train) == 2


def test_rows_too_long_for_one_kind_start_nothing(pairs: str) -> None:
    with pytest.raises(AttnError) as caught:
        api.train(pairs, search={"model": ["seq2seq", "transformer"]}, **{**SHAPE, "context": 8})
    assert str(caught.value) == (
        "--context 8 is too short for a row of 11 tokens; try --context 11, or --lengths truncate"
    )
    assert not Path("attn_runs").exists() or not [*Path("attn_runs").glob("*/run.json")]


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"context": [16, 17]}, "--context 17 is more than --teacher wise has learnt; try --context 16"),
        (
            {"model": ["transformer", "ngram"]},
            "--teacher wise cannot teach --model ngram, which counts; leave one out",
        ),
        (
            {"tokenizer": ["bpe", "char"], "heads": [2]},
            "--search tokenizer=bpe,char cannot be with --teacher wise, whose tokens its student reads; leave "
            "tokenizer out of the search",
        ),
        (
            {"vocab_size": [2048]},
            "--search vocab_size=2048 cannot be with --teacher wise, whose tokens its student reads; leave "
            "vocab_size out of the search",
        ),
    ],
)
def test_a_teacher_teaches_every_configuration_or_none(search: dict[str, Any], message: str) -> None:
    quick(name="wise")
    with pytest.raises(AttnError) as caught:
        quick(teacher="wise", search=search, folds=2)
    assert str(caught.value) == message
    assert [path.parent.name for path in Path("attn_runs").glob("*/run.json")] == ["wise"]


def test_a_teacher_of_another_kind_is_told_without_an_article() -> None:
    quick(name="wise", model="encoder")
    with pytest.raises(AttnError) as caught:
        quick(teacher="wise")
    assert str(caught.value) == (
        "--teacher wise is of --model encoder, which reads other inputs than --model transformer; try --model encoder"
    )


def test_a_run_that_counts_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    api.train(text=TEXT, model="ngram", order=3)
    assert capsys.readouterr().out == "trained on text: its n-grams of up to 3 tokens are counted\n"


def test_only_what_is_another_option_is_refused_while_a_search_is_not_done() -> None:
    """A search over the number of steps, stopped: its file holds what is done."""
    run = quick(name="mine", search={"steps": [2, 3]}, folds=2)
    (run.folder / "checkpoints.json").unlink()
    for options, message in (
        ({"steps": 2}, "--steps 2 cannot be: the search of run 'mine' is not done, and goes on as it began; "),
        ({"minutes": 1.0}, "--minutes 1.0 cannot be: the search of run 'mine' is not done, and goes on as it began; "),
    ):
        with pytest.raises(AttnError) as caught:
            api.train(text=TEXT, name="mine", resume=True, show=False, **options)
        assert str(caught.value) == f"{message}give --resume alone"
    again = api.train(text=TEXT, name="mine", resume=True, show=False, patience=0)
    assert again.search == run.search
    assert Run.load("mine").history == again.history
