"""BERT's rule of hiding tokens: its shares, and transformers' collator as a second opinion."""

from __future__ import annotations

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.text.batches import IGNORED
from attn_widgets.text.masking import mask_tokens

VOCAB, MASK = 50, 50


def ids(rows: int = 400, length: int = 500) -> np.ndarray:
    return np.random.default_rng(0).integers(VOCAB, size=(rows, length), dtype=np.uint16)


def masked(tokens: np.ndarray, seed: int = 1, **options: object) -> tuple[np.ndarray, np.ndarray]:
    return mask_tokens(tokens, MASK, VOCAB, np.random.default_rng(seed), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.15, 0.4])
def test_shares_are_the_papers(share: float) -> None:
    tokens = ids()
    inputs, targets = masked(tokens, share=share)
    chosen = targets != IGNORED
    assert chosen.mean() == pytest.approx(share, abs=0.004)  # 200,000 tokens: five standard errors
    hidden, same = inputs[chosen] == MASK, inputs[chosen] == tokens[chosen]
    assert hidden.mean() == pytest.approx(0.8, abs=0.012)
    # A random token is the one that stood there once in 50 times.
    assert same.mean() == pytest.approx(0.1 + 0.1 / VOCAB, abs=0.01)
    replaced = inputs[chosen & (inputs != MASK) & (inputs != tokens)]
    assert len(replaced) / chosen.sum() == pytest.approx(0.1 * (1 - 1 / VOCAB), abs=0.01)
    assert set(replaced) == set(range(VOCAB))


def test_shares_are_those_of_transformers_collator() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokens = ids()

    class Tokenizer(transformers.PythonBackend):
        """The little that the collator asks of one."""

        def __init__(self) -> None:
            super().__init__(mask_token="[MASK]")

        @property
        def vocab_size(self) -> int:
            return VOCAB

        def get_vocab(self) -> dict[str, int]:
            return {str(i): i for i in range(VOCAB)} | {"[MASK]": MASK}

        def _convert_token_to_id(self, token: str) -> int:
            return self.get_vocab()[token]

        def _convert_id_to_token(self, index: int) -> str:
            return "[MASK]" if index == MASK else str(index)

    torch.manual_seed(0)
    collator = transformers.DataCollatorForLanguageModeling(Tokenizer(), mlm_probability=0.15)
    theirs, labels = (x.numpy() for x in collator.torch_mask_tokens(torch.from_numpy(tokens.astype(np.int64))))
    inputs, targets = masked(tokens)
    for ours, other in [
        (targets == IGNORED, labels == IGNORED),
        (inputs == MASK, theirs == MASK),
        (inputs == tokens, theirs == tokens),
    ]:
        assert ours.mean() == pytest.approx(other.mean(), abs=0.006)


def test_what_was_not_chosen_stays_and_what_was_is_the_target() -> None:
    tokens = ids(5, 40)
    before = tokens.copy()
    inputs, targets = masked(tokens)
    chosen = targets != IGNORED
    assert np.array_equal(tokens, before)
    assert np.array_equal(inputs[~chosen], tokens[~chosen])
    assert np.array_equal(targets[chosen], tokens[chosen])
    assert inputs.dtype == targets.dtype == np.int64


def test_the_generator_decides() -> None:
    first, again, other = masked(ids(), 3), masked(ids(), 3), masked(ids(), 4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_padding_is_never_chosen_and_every_row_is_asked_something() -> None:
    lengths = np.arange(300) % 6
    maskable = np.arange(8) < lengths[:, None]
    inputs, targets = masked(ids(300, 8), maskable=maskable)
    chosen = targets != IGNORED
    assert not chosen[~maskable].any()
    assert np.array_equal(chosen.any(axis=1), lengths > 0)
    assert np.array_equal(inputs[~maskable], ids(300, 8)[~maskable])


def test_all_tokens_may_be_asked_for() -> None:
    _, targets = masked(ids(5, 40), share=1.0)
    assert np.array_equal(targets, ids(5, 40))


def test_rows_without_a_token() -> None:
    inputs, targets = masked(ids(3, 0))
    assert inputs.shape == targets.shape == (3, 0)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_a_share_that_cannot_work_is_named(share: float) -> None:
    with pytest.raises(ConfigError, match=f"share={share} of masked tokens must be above 0 and at most 1; try 0.15"):
        masked(ids(2, 2), share=share)
