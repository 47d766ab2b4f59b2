"""Search by cross-validation: what is trained and said, what an interrupt keeps, what is refused."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets import api
from attn_widgets.api import searching, state
from attn_widgets.cli import main
from attn_widgets.config import ModelConfig
from attn_widgets.errors import AttnError, TrainingInterrupted
from attn_widgets.run import Run
from attn_widgets.text.corpus import load_corpus
from attn_widgets.text.folds import make_folds
from attn_widgets.text.ngrams import count_ngrams
from attn_widgets.text.token_files import encode_corpus
from attn_widgets.text.tokenizers import train_tokenizer
from attn_widgets.training.search import Cell, read_search
from tests.children import child, wait_until
from tests.tiny import FLAGS, TEXT, TINY

QUICK: dict[str, Any] = {**TINY, "steps": 2, "moments": 0}


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_last", None)


def test_ngrams_are_compared_as_counting_by_hand_does() -> None:
    """The losses are those of our n-grams on each block, counted on the others; the run is the best order's."""
    text = "".join(np.random.default_rng(0).choice(list("abcab "), 3000))
    run = api.train(text=text, show=False, model="ngram", tokenizer="char", search={"order": [1, 2, 5]}, folds=4)
    assert run.search is not None
    for row in run.search.rows:
        losses = []
        for fold in make_folds(load_corpus(text=text), 4, 0):
            tokenizer = train_tokenizer("char", fold, 2048)
            tokens = encode_corpus(fold, tokenizer, Path("scratch"), 10_000)
            counts = count_ngrams(tokens.train, tokenizer.vocab_size, row.options["order"])
            *_, longest = counts.probabilities(tokens.validation)
            losses.append(-np.log(longest[1:]).mean())
        assert row.loss.mean == pytest.approx(np.mean(losses), abs=1e-4)
        assert row.loss.error == pytest.approx(np.std(losses, ddof=1) / 2, abs=1e-4)
    assert run.search.best is not None
    assert run.model_config.order == run.search.best.options["order"]
    assert run.model_config.order < 5, "random letters have nothing for a 5-gram to know"


def test_the_best_is_trained_on_the_whole_text_and_returned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATTN_PROGRESS")
    options = {**QUICK, "folds": 2, "search": {"heads": [1, 2], "attention": ["additive", "scaled_dot"]}}
    run = api.train(text=TEXT, **options)
    out = capsys.readouterr().out.splitlines()
    lines = [line for line in out if line.startswith("search ")]
    assert len(lines) == 8
    assert re.fullmatch(
        r"search 1/8: fold 1, heads=1 attention=additive: \d\.\d{4} nats per token in [\d.]+ s; about \d+ s left",
        lines[0],
    )
    assert re.fullmatch(
        r"search 8/8: fold 2, heads=2 attention=scaled_dot: \d\.\d{4} nats per token in [\d.]+ s", lines[-1]
    )
    assert run.search is not None
    assert "\n".join(out[9:14]) == repr(run.search)
    best = run.search.best
    assert best is not None
    assert (run.model_config.heads, run.model_config.attention) == tuple(best.options.values())
    assert api.last_run() is run
    alone = api.train(text=TEXT, show=False, **{**QUICK, **best.options})
    assert alone.history == run.history
    assert alone.search is None
    assert Run.load(run.name).search == run.search


def test_the_same_seed_finds_the_same() -> None:
    found = [api.train(text=TEXT, show=False, **QUICK, search={"heads": [1, 2]}, folds=2).search for _ in range(2)]
    cells = [[cell._replace(seconds=0.0) for cell in each.cells] for each in found if each is not None]
    assert cells[0] == cells[1]
    assert len(cells[0]) == 4


@pytest.mark.parametrize(
    ("corpus", "options"),
    [
        ("reverse", {"search": {"model": ["recurrent", "seq2seq"], "cell": ["gru"]}, "context": 64}),
        (None, {"search": {"tokenizer": ["char", "word"], "learning_rate": [0.01]}}),
        (None, {"search": {"tied": [True, False]}}),
        (None, {"search": {"heads": [1, 2]}, "model": "encoder"}),
        ("classify", {"search": {"dropout": [0.0, 0.2]}, "model": "encoder", "context": 64}),
    ],
)
def test_anything_with_values_can_be_searched(corpus: str | None, options: dict[str, Any]) -> None:
    run = api.train(corpus, show=False, folds=2, **{**QUICK, **options})
    assert run.search is not None
    assert run.search.best is not None
    for name, value in run.search.best.options.items():
        assert getattr(run.model_config, name, getattr(run.train_config, name, None)) == value
    assert all(cell.loss is not None for cell in run.search.cells)


def interrupted_after(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the search in the training after so many."""
    train, count = searching._train, itertools.count()

    def interrupt(*arguments: Any) -> Cell:
        if next(count) == cells:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return train(*arguments)

    monkeypatch.setattr(searching, "_train", interrupt)


def test_an_interrupt_keeps_what_is_done_and_resume_does_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {**QUICK, "search": {"heads": [1, 2]}, "folds": 2, "text": TEXT, "show": False}
    whole = api.train(**options, name="whole")
    interrupted_after(3, monkeypatch)
    with pytest.raises(TrainingInterrupted) as caught:
        api.train(**options, name="broken")
    assert str(caught.value) == (
        "interrupted: 3 of 4 trainings of the search are kept in run 'broken'; "
        "--resume --name broken goes on with the others"
    )
    kept = read_search(Path("attn_runs/broken"))
    assert kept is not None
    assert len(kept.cells) == 3
    monkeypatch.undo()
    os.chdir(Path(str(whole.folder)).parents[1])
    monkeypatch.setenv("ATTN_PROGRESS", "plain")
    for wrong, message in (
        ({"steps": 5}, "--steps 5 cannot be: the search of run 'broken' is not done, and goes on as it began; "
         "give --resume alone"),
        ({"patience": 1}, "--patience 1 cannot be: the search of run 'broken' is not done, and goes on as it began; "
         "give --resume alone"),
        ({"folds": 3}, "--folds 3 cannot be: the search of run 'broken' has 2"),
        ({"search": {"heads": [1, 4]}}, "--resume --search: run 'broken' searches heads=1,2; give --resume alone"),
        ({"text": TEXT.replace("cat", "rat")}, "run 'broken' was trained on another text than the one given now; "
         "resume it with its own, or train a new one with another --name"),
    ):  # fmt: skip
        with pytest.raises(AttnError) as refused:
            api.train(**{"text": TEXT, "name": "broken", "resume": True, "show": False, **wrong})
        assert str(refused.value) == message
    run = api.train(text=TEXT, name="broken", resume=True, show=False, patience=0, steps=2)  # as they are
    assert run.search is not None
    assert run.search.cells[:3] == kept.cells
    assert [cell[:4] for cell in run.search.cells] == [cell[:4] for cell in (whole.search or kept).cells]
    assert run.history == whole.history
    again = api.train(text=TEXT, name="broken", resume=True, show=False, steps=4)
    assert len(again.history.train) == 4


def test_an_interrupt_before_the_first_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_after(0, monkeypatch)
    with pytest.raises(TrainingInterrupted, match=r"^interrupted before the first training of the search was done"):
        api.train(text=TEXT, show=False, **QUICK, search={"heads": [1, 2]})
    assert not [*Path("attn_runs").glob("[!.]*")]


def test_what_diverges_is_said_and_never_chosen() -> None:
    run = api.train(
        text=TEXT, show=False, folds=2, search={"learning_rate": [1e-3, 1e38]},
        **{**QUICK, "steps": 8, "optimizer": "adamw", "warmup": 0, "clip": 0.0},
    )  # fmt: skip
    assert run.search is not None
    assert [row.diverged for row in run.search.rows] == [False, True]
    assert run.train_config.learning_rate == 1e-3
    with pytest.raises(AttnError, match=r"^no configuration of the search has a finite loss"):
        api.train(
            text=TEXT, show=False, folds=2, search={"learning_rate": [1e38]}, name="wild",
            **{**QUICK, "steps": 8, "optimizer": "adamw", "warmup": 0, "clip": 0.0},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": {"heads": [2, 5]}}, "--heads 5 does not divide --dim 16; try --heads 2 or 4"),
        ({"search": {"hed": [2]}}, "--search hed=2: no option hed; did you mean heads?"),
        ({"search": {"steps": [2, 0]}}, "--steps must be at least 1; given 0"),
        ({"search": {"heads": [2]}, "folds": 1}, "--folds must be at least 2; given 1"),
        (
            {"search": {"model": ["encoder", "transformer"]}},
            "--search model=encoder,transformer: an encoder fills in hidden tokens, which cannot be compared with ",
        ),
        ({"folds": 3}, "--folds 3 needs --search, such as --search heads=2,4"),
        (
            {"search": {"model": ["transformer", "seq2seq"]}},
            "this kind of model reads pairs and cannot learn from a text in memory; give a task (",
        ),
        (
            {"search": {"attention": ["scaled_dot", "none"]}},
            "--attention none does not work in --model transformer; try one of ",
        ),
        ({"search": {"heads": [2, 4]}, "minutes": 1.0}, "--steps 2 and --minutes 1 exclude each other; give one"),
        (
            {"search": {"heads": [2, 4]}, "text": ["a b c", "d e f", "g h i", "j k l"]},
            "--folds 5 is more than the 3 documents to train on; try --folds 3",
        ),
    ],
)
def test_searches_that_cannot_work_start_nothing(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AttnError) as caught:
        api.train(**{"text": TEXT, "show": False, **QUICK, "context": 3, **options})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert not [*Path().rglob("run.json")]


def test_the_command_line_searches_and_a_real_interrupt_resumes() -> None:
    Path("story.txt").write_text(TEXT)
    grid = ["--search", "heads=1,2", "dropout=0,0.1", "--folds", "2", "--name", "x"]
    line = [sys.executable, "-m", "attn_widgets", "train", "story.txt", *FLAGS.split(), "--steps", "400", *grid]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with child(line, env=env, stderr=subprocess.PIPE, text=True) as process:
        wait_until(Path("attn_runs/x/search.json").exists, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    told = re.fullmatch(r"interrupted: (\d) of 8 trainings of the search are kept in run 'x'; .*\n", err)
    assert told
    kept = json.loads(Path("attn_runs/x/search.json").read_text())["cells"]
    assert len(kept) == int(told[1]) >= 1
    assert main(["train", "--resume", "--name", "x"]) == 0
    run = Run.load("x")
    assert run.search is not None
    assert len(run.search.cells) == 8
    assert len(run.history.train) == 400
    assert run.search.best is not None
    assert run.model_config == ModelConfig(layers=1, dim=16, context=16, **run.search.best.options)
