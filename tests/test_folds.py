"""Folds: each document is held out once, what asks the same stays together, one text stays in blocks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.text.corpus import load_corpus
from attn_widgets.text.folds import deal, make_folds

DOCUMENTS = [f"document number {i} is about the number {i}." for i in range(23)]


def test_every_document_is_held_out_once_and_never_trained_on_then() -> None:
    corpus = load_corpus(text=DOCUMENTS)
    folds = make_folds(corpus, 4, seed=3)
    held_out = [list(fold.validation) for fold in folds]
    assert Counter(text for texts in held_out for text in texts) == Counter(corpus.train)
    for fold, texts in zip(folds, held_out, strict=True):
        assert sorted([*fold.train, *texts]) == sorted(corpus.train)
        assert not set(fold.train) & set(texts)
        assert not set(texts) & set(corpus.validation)
    assert sorted(map(len, held_out)) == [5, 5, 5, 6]


def test_the_seed_decides_and_order_does_not() -> None:
    corpus = load_corpus(text=DOCUMENTS)
    first, again, other = ([list(fold.validation) for fold in make_folds(corpus, 4, seed)] for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert first[0] != list(corpus.train)[: len(first[0])]


@pytest.mark.parametrize(("count", "folds"), [(10, 5), (11, 5), (2, 2), (101, 7)])
def test_folds_are_of_one_size(count: int, folds: int) -> None:
    sizes = np.bincount(deal(count, folds, 0, "things"), minlength=folds)
    assert sizes.sum() == count
    assert sizes.max() - sizes.min() <= 1


def test_one_text_is_cut_into_blocks(tmp_path: Path) -> None:
    text = "".join(chr(97 + i % 26) for i in range(1000))
    corpus = load_corpus(text=text, validation=0.1)
    blocks = make_folds(corpus, 7, seed=0)
    held_out = ["".join(fold.validation) for fold in blocks]
    assert "".join(held_out) == "".join(corpus.train) == text[:900]
    for fold, block in zip(blocks, held_out, strict=True):
        start = held_out.index(block) * 900 // 7
        before, after = text[:start], text[start + len(block) : 900]
        assert "".join(fold.train) == before + after
    path = tmp_path / "long.txt"
    path.write_text("0123456789" * 250_000)  # several pieces
    of_file = make_folds(load_corpus(path), 3, seed=0)
    assert ["".join(fold.validation)[:12] for fold in of_file] == ["012345678901"] * 3
    assert [sum(map(len, fold.train)) for fold in of_file] == [1_500_000] * 3


def test_items_of_a_task_are_dealt_out_with_the_text_of_each() -> None:
    corpus = load_corpus("reverse")
    assert corpus.task is not None
    small = replace(corpus, task=replace(corpus.task, train=corpus.task.train[:50]), train=list(corpus.train)[:50])
    folds = make_folds(small, 5, seed=1)
    for fold in folds:
        assert fold.task is not None
        assert len(fold.task.validation) == 10
        assert not {item.source for item in fold.task.train} & {item.source for item in fold.task.validation}
        assert [text.split("→")[0] for text in fold.validation] == [item.source for item in fold.task.validation]
        assert fold.task.test == corpus.task.test


def test_translations_of_one_sentence_stay_together(tmp_path: Path) -> None:
    said = [("Go", "."), ("go", "!")]
    lines = [f"{mark} {i}{end}\tphrase {i} {k}" for i in range(30) for k, (mark, end) in enumerate(said)]
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(lines))
    corpus = load_corpus(path, pairs=True)
    for fold in make_folds(corpus, 4, seed=0):
        assert fold.task is not None
        parts = fold.task.train, fold.task.validation
        train, held_out = ({item.target.split()[1] for item in part} for part in parts)
        assert not train & held_out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DOCUMENTS[:4], "--folds 5 is more than the 3 documents to train on; try --folds 3"),
        (DOCUMENTS[:2], "--folds 5 is more than the 1 documents to train on; give a longer text"),
        ("abcdefgh", "--folds 5 leaves nothing of a text of 6 characters; give a longer text"),
    ],
)
def test_too_few_for_the_folds(text: str | list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_folds(load_corpus(text=text, validation=0.2), 5, seed=0)
    assert str(caught.value) == message
