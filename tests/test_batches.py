from __future__ import annotations

import numpy as np
import pytest

from attn_widgets.errors import CorpusError
from attn_widgets.text.batches import sample, windows

TOKENS = np.arange(1000, dtype=np.uint16)


def test_sample_targets_are_the_next_tokens():
    inputs, targets = sample(TOKENS, context=7, batch=5, seed=0, step=0, micro=0)
    assert inputs.shape == targets.shape == (5, 7)
    assert inputs.dtype == targets.dtype == np.int64
    assert (np.diff(inputs, axis=1) == 1).all()
    assert (targets == inputs + 1).all()


def test_sample_is_a_function_of_seed_step_and_micro():
    def draw(*key: int) -> list[int]:
        return sample(TOKENS, 7, 64, *key)[0][:, 0].tolist()

    first = draw(3, 5, 0)
    draw(9, 9, 9)
    np.random.seed(1)
    assert draw(3, 5, 0) == first
    assert len({tuple(draw(*key)) for key in [(3, 5, 0), (4, 5, 0), (3, 6, 0), (3, 5, 1), (5, 3, 0)]}) == 5


def test_sample_reaches_every_start_evenly():
    """A text of 12 tokens has 12 - 4 starts; 8,000 draws hit each about 1,000 times."""
    starts = sample(np.arange(12), 4, 8000, 0, 0, 0)[0][:, 0]
    counts = np.bincount(starts, minlength=8)
    assert counts.shape == (8,)
    assert (abs(counts - 1000) < 5 * 30).all()


def test_half_of_the_samples_begin_where_a_document_does():
    """In documents of ten tokens one start in eleven is an end token by chance; half of the others are moved to one."""
    tokens = np.arange(11_000) % 11
    moved = sample(tokens, 20, 8000, 0, 0, 0, end=0)[0]
    share = 1 / 2 + 1 / 2 / 11
    assert abs((moved[:, 0] == 0).mean() - share) < 5 * (share * (1 - share) / 8000) ** 0.5
    assert (np.diff(moved, axis=1) % 11 == 1).all()


def test_a_sample_moves_to_the_end_token_before_it_and_within_reach():
    tokens = np.arange(1000)
    plain, moved = (sample(tokens, 50, 8000, 0, 0, 0, end)[0][:, 0] for end in (None, 700))
    near = (plain >= 700) & (plain < 750)
    assert (moved[~near] == plain[~near]).all()
    assert set(moved[near & (moved != plain)].tolist()) == {700}
    assert 0.3 < (moved[near & (plain != 700)] == 700).mean() < 0.7


def test_sample_of_a_short_text_names_the_context():
    with pytest.raises(CorpusError, match="--context 64 is longer than the text of 64 tokens; try 63 or less"):
        sample(np.arange(64), 64, 1, 0, 0, 0)


@pytest.mark.parametrize("length", [2, 3, 8, 9, 10, 24, 25, 26, 27, 100])
def test_windows_hold_every_token_but_the_first_as_a_target_once(length: int):
    tokens = np.arange(100, 100 + length)
    met: list[int] = []
    for inputs, targets, valid in windows(tokens, context=8, batch=3):
        assert inputs.shape == targets.shape == valid.shape
        assert inputs.shape[0] <= 3
        assert inputs.shape[1] == 8
        assert (targets[valid] == inputs[valid] + 1).all()
        assert not inputs[~valid].any()
        met += targets[valid].tolist()
    assert met == tokens[1:].tolist()
