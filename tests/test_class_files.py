"""Texts and their classes as batches: every text once, its own class beside it, padding behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attn_widgets.errors import ConfigError, CorpusError
from attn_widgets.text.class_files import ClassFiles, encode_classes
from attn_widgets.text.corpus import load_corpus
from attn_widgets.text.pair_files import Lengths
from attn_widgets.text.tasks import Item, Task, make_task
from attn_widgets.text.tokenizers import train_tokenizer

TASK = make_task("classify", size=300)
TOKENIZER = train_tokenizer("word", load_corpus("classify"), 200)
LABELS = ("negative", "positive")


def classes(task: Task = TASK, lengths: Lengths = "refuse") -> ClassFiles:
    return encode_classes(task, LABELS, TOKENIZER, limit=10_000, lengths=lengths)


def test_the_corpus_knows_its_labels() -> None:
    assert load_corpus("classify").labels == LABELS
    assert load_corpus("dates").labels == load_corpus("sentences").labels == ()


def test_every_text_stands_beside_its_class() -> None:
    data, found = classes(), {}
    for rows, batch in data.test_batches(32, 500):
        ids, lengths = batch.inputs
        assert batch.targets.shape == (len(ids), 1)
        for row, text, length, label in zip(rows, ids, lengths, batch.targets[:, 0], strict=True):
            found[int(row)] = TOKENIZER.decode(text[:length]), LABELS[label]
            assert not text[length:].any()
    assert [found[row] for row in range(len(TASK.test))] == [(item.source, item.target) for item in TASK.test]
    assert data.validation_count == sum(len(batch.targets) for batch in data.validation_batches(32, 500)) == 1000
    assert data.validation_characters == 8000


def test_training_texts_are_a_function_of_seed_step_and_micro() -> None:
    known = {item.source: item.target for item in TASK.train}
    data = classes()
    ids, lengths = data.batch(32, 8, 1, 2, 3).inputs
    labels = data.batch(32, 8, 1, 2, 3).targets
    for text, length, label in zip(ids, lengths, labels[:, 0], strict=True):
        assert known[TOKENIZER.decode(text[:length])] == LABELS[label]
    assert not np.array_equal(data.batch(32, 8, 1, 3, 3).inputs[1], lengths)
    mean = np.mean([len(item.source.split()) for item in TASK.train])
    assert data.tokens_per_row(32) == round(mean)


def test_long_texts_are_refused_cut_or_kept_whole() -> None:
    with pytest.raises(CorpusError, match="--context 8 is too short for a row of"):
        classes().check(8)
    longest = max(len(item.source.split()) for item in TASK.train)
    for lengths, width in (("truncate", 8), ("slide", longest), ("convolve", longest)):
        data = classes(lengths=lengths)  # type: ignore[arg-type]
        data.check(8)
        batches = [data.batch(8, 64, 0, step, 0) for step in range(40)]
        assert max(int(batch.inputs[1].max()) for batch in batches) == width
        longer = sum(len(item.source.split()) > 8 for item in TASK.train)
        assert data.lengths_note(8).startswith(f"{longer} of them longer than --context 8: ")
        assert data.lengths_note(8).endswith(f"(--lengths {lengths})")
        assert data.lengths_note(longest) == ""


def test_what_is_no_class_and_what_is_empty_is_named() -> None:
    wrong = (Item("a b", "fair"), "'fair' is none of negative, positive"), (Item("", "fair"), "no token")
    for item, message in wrong:
        with pytest.raises(CorpusError, match=message):
            classes(replace(TASK, train=(item,)))
    with pytest.raises(CorpusError, match="lacks items in one of its parts"):
        classes(replace(TASK, test=()))


def test_positions_count_in_the_tasks_own_tokens() -> None:
    """Attention on the keys would be read in other columns: it is refused, as for every other model."""
    for kind in ("char", "bpe"):
        other = train_tokenizer(kind, load_corpus("classify"), 300)  # type: ignore[arg-type]
        with pytest.raises(ConfigError) as error:
            encode_classes(TASK, LABELS, other, limit=10)
        assert str(error.value) == f"task 'classify' counts in tokens of --tokenizer word; given --tokenizer {kind}"
    free = replace(TASK, train=tuple(item._replace(keys=(), mislead=()) for item in TASK.train))
    assert encode_classes(free, LABELS, other, limit=10).labels == LABELS
