"""The n-gram model against the formula itself, evaluated in fractions with dictionaries."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from attn_widgets.config import ModelConfig
from attn_widgets.errors import AttnError
from attn_widgets.models.ngram import NGram, NGramCache
from attn_widgets.text.ngrams import count_ngrams, ngram_rungs

VOCAB = 6  # of which the training text has four


def letters(count: int, kinds: int, seed: int) -> list[int]:
    """Tokens of which some repeat the one two places before, so that histories matter."""
    rng, text = random.Random(seed), [0, 1]
    while len(text) < count:
        text.append(text[-2] if rng.random() < 0.5 else rng.randrange(kinds))
    return text[:count]


TRAIN, TEST = letters(150, 4, 0), letters(40, VOCAB, 1)


def witten_bell(train: list[int], word: int, history: tuple[int, ...], vocab: int = VOCAB) -> Fraction:
    """Chen & Goodman 1998, section 2.5, as it stands there."""
    shorter = witten_bell(train, word, history[1:], vocab) if history else Fraction(1, vocab)
    n = len(history)
    followers = [train[at + n] for at in range(len(train) - n) if tuple(train[at : at + n]) == history]
    if not followers:
        return shorter
    kinds = len(set(followers))
    return (followers.count(word) + kinds * shorter) / Fraction(len(followers) + kinds)


def oracle(train: list[int], tokens: list[int], order: int) -> list[float]:
    """Log probability of each token given the order - 1 before it."""
    before = [tuple(tokens[max(0, at + 1 - order) : at]) for at in range(len(tokens))]
    return [math.log(witten_bell(train, word, history)) for word, history in zip(tokens, before, strict=True)]


def make(order: int, train: list[int] = TRAIN, vocab: int = VOCAB) -> NGram:
    model = NGram(ModelConfig(order=order), vocab)
    model.count(np.array(train, np.uint32))
    return model.eval()


@pytest.fixture(autouse=True)
def in_double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_a_probability_worked_out_by_hand():
    """abracadabra: b twice among the 4 tokens of 3 kinds after a; twice among 11 of 5 kinds in all."""
    text = ["abrcd".index(letter) for letter in "abracadabra"]
    after_a = make(2, text, 5)(torch.tensor([[0]])).logits[0, 0].exp()
    assert after_a[1].item() == pytest.approx((2 + 3 * (2 + 5 * (1 / 5)) / (11 + 5)) / (4 + 3), abs=1e-15)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 9])
def test_scores_are_the_formulas(order: int):
    scores = make(order).log_probability(np.array(TEST, np.uint32))
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, oracle(TRAIN, TEST, order), atol=1e-12, rtol=0)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("window", [None, 1, 2, 64])
def test_logits_are_the_formulas(order: int, window: int | None):
    ids = torch.tensor([TEST[:14], TEST[14:28]])
    logits = make(order)(ids, window=window).logits
    reach = min(order - 1, window or order)
    expected = [
        [[math.log(witten_bell(TRAIN, word, tuple(row[max(0, at + 1 - reach) : at + 1]) if reach else ()))
          for word in range(VOCAB)] for at in range(14)] for row in ids.tolist()
    ]  # fmt: skip
    torch.testing.assert_close(logits, torch.tensor(expected), atol=1e-12, rtol=0)
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(2, 14), atol=1e-12, rtol=0)


def test_logits_are_single_precision_by_default():
    torch.set_default_dtype(torch.float32)
    logits = make(3)(torch.tensor([TEST])).logits
    assert logits.dtype == torch.float32
    assert logits[0, :-1].gather(1, torch.tensor(TEST[1:])[:, None])[:, 0].numpy() == pytest.approx(
        oracle(TRAIN, TEST, 3)[1:], abs=1e-6
    )


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("pieces", [[12], [1] * 12, [5, 1, 1, 5]])
def test_reading_with_a_cache(order: int, pieces: list[int]):
    model, ids = make(order), torch.tensor([TEST[:12], TEST[12:24], TEST[24:36]])
    cache = model.new_cache(3, 100)
    parts = torch.cat([model(piece, cache=cache).logits for piece in ids.split(pieces, 1)], 1)
    assert torch.equal(parts, model(ids).logits)
    assert (cache.position, cache.length) == (12, order - 1)


def test_a_cache_that_let_go_of_the_text_knows_nothing_of_it():
    model, cache = make(5), NGramCache(1, 4)
    model(torch.tensor([TEST[:4]]), cache=cache)
    cache.keep(1)
    assert (cache.position, cache.length) == (4, 1)
    torch.testing.assert_close(
        model(torch.tensor([TEST[4:5]]), cache=cache).logits[:, -1], model(torch.tensor([TEST[3:5]])).logits[:, -1]
    )


def test_counts_survive_a_file_whatever_their_number(tmp_path: Path):
    model, other = make(4), make(4, TRAIN[:20])
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    for fresh in (NGram(ModelConfig(order=4), VOCAB), other):
        fresh.load_state_dict(load_file(tmp_path / "model.safetensors"))
        assert torch.equal(fresh(torch.tensor([TEST])).logits, model(torch.tensor([TEST])).logits)
        assert fresh.num_parameters() == model.num_parameters()
    with pytest.raises(RuntimeError, match="keys_5"):
        NGram(ModelConfig(order=5), VOCAB).load_state_dict(model.state_dict())


def test_its_size_is_the_number_of_different_ngrams():
    pairs = {tuple(TRAIN[at : at + n]) for n in (1, 2, 3) for at in range(len(TRAIN) - n + 1)}
    model = make(3)
    assert model.num_parameters() == len(pairs)
    assert model.parameter_groups() == {"matrices": [], "embeddings": [], "gains": []}
    assert (model.stacked_rows(), model.kinds(), model.device) == ({}, (), torch.device("cpu"))
    assert model(torch.tensor([TEST]), record=True).records == ()


@pytest.mark.parametrize("train", [[], [3], [3, 0]])
def test_texts_shorter_than_the_order(train: list[int]):
    model = NGram(ModelConfig(order=5), VOCAB) if not train else make(5, train)
    np.testing.assert_allclose(model.log_probability(np.array(TEST)), oracle(train, TEST, 5), atol=1e-12, rtol=0)
    logits = model(torch.tensor([[3, 0, 1]])).logits
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(1, 3), atol=1e-12, rtol=0)
    assert model.log_probability(np.array([], np.int64)).shape == (0,)


def test_counting_again_forgets_the_first_text():
    model = make(3)
    model.count(np.array(TEST))
    np.testing.assert_allclose(model.log_probability(np.array(TRAIN)), oracle(TEST, TRAIN, 3), atol=1e-12, rtol=0)


def test_a_large_vocabulary_does_not_overflow():
    """Nine tokens of a 100,000-word vocabulary would not fit 64 bits side by side."""
    top = 100_000
    model = make(9, [top - 1 - token for token in TRAIN], top)
    scores = model.log_probability(np.array([top - 1 - token for token in TRAIN[:30]]))
    expected = [
        math.log(witten_bell(TRAIN, word, tuple(TRAIN[max(0, at - 8) : at]), top)) for at, word in enumerate(TRAIN[:30])
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-11, rtol=0)


def test_rungs_are_the_mean_losses():
    rungs = ngram_rungs(np.array(TRAIN), np.array(TEST), VOCAB, (4, 2, 3))
    expected = {order: -sum(oracle(TRAIN, TEST, order)[1:]) / (len(TEST) - 1) for order in (2, 3, 4)}
    assert rungs == pytest.approx(expected, abs=1e-12)


def test_what_cannot_work_is_said_in_one_line():
    model = make(3)
    lacks = "token id 6 is not in the vocabulary; ids are 0–5"
    causes = {
        "--ablate L0H1: an n-gram model has no heads; give it without --ablate": partial(
            model, torch.tensor([TEST]), ablate=[(0, 1)]
        ),
        "token id -1 is not in the vocabulary; ids are 0–5": partial(count_ngrams, np.array([0, -1]), VOCAB, 2),
        "n-grams need two validation tokens or more; given 1": partial(
            ngram_rungs, np.array(TRAIN), np.array([0]), VOCAB
        ),
    }
    for message, cause in causes.items():
        with pytest.raises(AttnError) as error:
            cause()
        assert str(error.value) == message
    for cause in (partial(model, torch.tensor([[6]])), partial(model.log_probability, np.array([6]))):
        with pytest.raises(AttnError, match=lacks):
            cause()
