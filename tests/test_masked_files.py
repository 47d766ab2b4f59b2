"""Hidden tokens of a corpus: what is asked, that it is the same every time, and that rows are cut where a text ends."""

from __future__ import annotations

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.text.batches import IGNORED, Batch
from attn_widgets.text.masked_files import SHORT, MaskedFiles
from attn_widgets.text.token_files import TokenFiles

END, MASK, CONTEXT = 20, 21, 16


def masked(*, documents: bool = True) -> MaskedFiles:
    """Documents of 1 to 9 tokens, each token one more than the one before it."""
    random = np.random.default_rng(3)
    rows = [np.array([END])]
    for length in random.integers(1, 10, 300):
        first = random.integers(0, 10)
        rows += [np.arange(first, first + length), np.array([END])]
    ids: np.ndarray = np.concatenate(rows).astype(np.uint16)
    if not documents:
        ids = ids[ids != END]
    return MaskedFiles(TokenFiles(ids[:1000], ids[1000:], 4000, False, END if documents else None), MASK, CONTEXT)


def asked(batch: Batch) -> np.ndarray:
    found: np.ndarray = batch.targets != IGNORED
    return found


@pytest.mark.parametrize("documents", [True, False])
def test_targets_are_what_was_hidden_and_never_the_end_nor_padding(documents: bool) -> None:
    data, short, hidden, total = masked(documents=documents), 0, 0, 0
    for step in range(60):
        batch = data.batch(CONTEXT, 8, 5, step, 0)
        ids, lengths = batch.inputs
        assert ids.shape == batch.targets.shape == (8, CONTEXT)
        inside = np.arange(CONTEXT) < lengths[:, None]
        assert not asked(batch)[~inside].any()
        assert asked(batch).any(axis=1).all()
        assert not (batch.targets == END).any() or not documents
        shown = inside & ~asked(batch)
        assert not (ids[shown] == MASK).any()
        filled = np.where(asked(batch), batch.targets, ids)
        assert filled[inside].max() <= END
        hidden += int(asked(batch)[lengths == CONTEXT].sum())
        total += int((lengths == CONTEXT).sum()) * CONTEXT
        short += int((lengths < CONTEXT).sum())
        if documents:
            for row, length in zip(filled, lengths, strict=True):
                if length < CONTEXT and row[0] == END:  # cut where its document ends, or before the next one
                    assert not (row[1:length] == END).any()
    assert hidden / total == pytest.approx(0.15 * (0.83 if documents else 1), abs=0.03)
    assert short / (60 * 8) == pytest.approx(SHORT, abs=0.05)


def test_a_batch_is_a_function_of_seed_step_and_micro() -> None:
    one, same = (masked().batch(CONTEXT, 4, 1, 2, 3) for _ in range(2))
    for left, right in zip((*one.inputs, one.targets), (*same.inputs, same.targets), strict=True):
        np.testing.assert_array_equal(left, right)
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not np.array_equal(masked().batch(CONTEXT, 4, *other).inputs[0], one.inputs[0])


@pytest.mark.parametrize("documents", [True, False])
def test_validation_walks_through_the_whole_part_and_hides_the_same_every_time(documents: bool) -> None:
    data = masked(documents=documents)
    batches = list(data.validation_batches(CONTEXT, 40))
    assert max(len(batch.targets) for batch in batches) == 2
    filled = [np.where(asked(batch), batch.targets, batch.inputs[0]) for batch in batches]
    inside = [np.arange(CONTEXT) < batch.inputs[1][:, None] for batch in batches]
    text = np.concatenate([ids[seen] for ids, seen in zip(filled, inside, strict=True)])
    np.testing.assert_array_equal(text, data.files.validation)
    assert sum(int(asked(batch).sum()) for batch in batches) == data.validation_count
    assert not documents or all((batch.targets != END).all() for batch in batches)
    whole = list(masked(documents=documents).validation_batches(CONTEXT, 10**6))
    np.testing.assert_array_equal(whole[0].inputs[0], np.concatenate([batch.inputs[0] for batch in batches]))
    share = data.validation_characters / data.files.validation_characters
    assert share == pytest.approx(data.validation_count / data.files.validation_count, abs=1e-3)
    with pytest.raises(ConfigError, match="rows were hidden for --context 16; given 8"):
        next(data.validation_batches(8, 40))
