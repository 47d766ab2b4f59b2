"""What n-gram models lose, beside the training: found once, in time, and told when it is beaten."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attn_widgets import api
from attn_widgets.api import rungs, state
from attn_widgets.api.rungs import with_rungs
from attn_widgets.history import History, Progress, Validation, beaten
from attn_widgets.progress import ProgressBar
from attn_widgets.text.corpus import load_corpus, task_corpus
from attn_widgets.text.ngrams import ngram_rungs
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.tasks import make_task
from attn_widgets.text.token_files import TokenFiles
from attn_widgets.text.tokenizers import train_tokenizer
from tests.small_runs import VOCABULARY, small_tokens
from tests.tiny import TINY

RUNGS = ((2, 2.5), (3, 2.0), (4, 1.7), (5, 1.8))


def validations(*losses: float) -> list[Validation]:
    return [Validation(10 * step, loss, loss / 4) for step, loss in enumerate(losses, 1)]


def test_beaten_is_the_best_model_that_validation_has_come_below() -> None:
    assert beaten(RUNGS, []) is None
    assert beaten((), validations(1.0)) is None
    assert beaten(RUNGS, validations(2.6, 2.5)) is None
    assert beaten(RUNGS, validations(2.6, 2.4)) == (2, 2.5, 20, (3, 2.0))
    assert beaten(RUNGS, validations(2.4, 1.75, 1.9)) == (5, 1.8, 20, (4, 1.7))
    assert beaten(RUNGS, validations(2.4, 1.75, 1.6, 3.0)) == (4, 1.7, 30, None)


def test_validation_turns_where_all_later_ones_are_worse() -> None:
    assert History().turn is None
    assert History([], validations(2.0, 1.0)).turn is None
    assert History([], validations(2.0, 1.0, 1.5, 1.2)).turn == validations(2.0, 1.0)[1]


def test_they_are_counted_once_after_the_first_step_and_the_end_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    go, calls, shown = threading.Event(), [], []

    def slowly(train: np.ndarray, validation: np.ndarray, vocab_size: int) -> dict[int, float]:
        calls.append(len(train))
        assert go.wait(30)
        return ngram_rungs(train, validation, vocab_size)

    monkeypatch.setattr(rungs, "ngram_rungs", slowly)
    monkeypatch.setattr(rungs, "MOST", 300)
    tokens = small_tokens()
    show = with_rungs(shown.append, tokens, VOCABULARY)
    show(Progress("start", 0, 9))
    assert not calls
    show(Progress("step", 1, 9))
    show(Progress("step", 2, 9))
    assert [report.rungs for report in shown] == [()] * 3
    go.set()
    show(Progress("done", 9, 9))
    assert calls == [300]
    assert dict(shown[-1].rungs) == ngram_rungs(tokens.train[:300], tokens.validation, VOCABULARY)
    assert list(dict(shown[-1].rungs)) == [2, 3, 4, 5]


def test_answers_of_a_task_have_none() -> None:
    task = make_task("reverse", size=30)
    pairs = encode_pairs(task, train_tokenizer("char", task_corpus(task), 100), joined=True, limit=100)
    report = [].append
    assert with_rungs(report, pairs, 100) is report


def test_a_text_too_short_to_score_has_none() -> None:
    shown: list[Progress] = []
    show = with_rungs(shown.append, TokenFiles(np.arange(9), np.arange(1), 1, False), 9)
    show(Progress("done", 1, 1))
    assert shown[0].rungs == ()


def test_the_bar_tells_each_one_once(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar()
    best = validations(2.4, 2.4, 1.6)
    start = Progress("step", 1, 100)
    for step, report in enumerate(
        (start, replace(start, best=best[0]), replace(start, best=best[0], rungs=RUNGS),
         replace(start, best=best[0], rungs=RUNGS), replace(start, best=best[2], rungs=RUNGS)), 1,
    ):  # fmt: skip
        bar.update(replace(report, step=step))
    bar.close()
    lines = re.findall(r"step \d+: validation.*", capsys.readouterr().err)
    assert lines == [
        "step 10: validation 2.400 has beaten the 2-gram (2.500)",
        "step 30: validation 1.600 has beaten the 4-gram (1.700)",
    ]


def test_a_training_in_a_terminal_tells_what_it_has_beaten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_last", None)
    monkeypatch.delenv("ATTN_PROGRESS")
    text = "".join(np.random.default_rng(0).choice(list("ab"), 4000))  # a coin: no model is better than another
    run = api.train(text=text, **{**TINY, "tokenizer": "char", "steps": 60, "moments": 0})
    told = re.findall(r"validation ([\d.]+) has beaten the (\d)-gram \(([\d.]+)\)", capsys.readouterr().err)
    files = load_corpus(text=text)
    tokens = [run.tokenizer.encode("".join(part)) for part in (files.train, files.validation)]
    expected = ngram_rungs(tokens[0], tokens[1][:200], run.tokenizer.vocab_size)
    best = run.history.best
    assert best is not None
    lowest = min(loss for loss in expected.values() if loss > best.loss)
    assert float(told[-1][2]) == pytest.approx(lowest, abs=1e-3)
    assert float(told[-1][0]) < float(told[-1][2])
