"""Sampling against the logits processors of transformers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from attn_widgets.config import GenerateConfig
from attn_widgets.generation.sampling import (
    apply_temperature,
    choose_token,
    filter_logits,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    make_generator,
    penalise_repetition,
)


def random_logits(seed: int, rows: int = 64, vocab: int = 50) -> Tensor:
    """Logits of every sharpness, some of them equal."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.logspace(-2, 1.5, rows)[:, None]
    return (torch.randn(rows, vocab, generator=generator) * 8).round() / 8 * scale


@pytest.mark.parametrize("k", [1, 5, 50, 900])
def test_top_k_keeps_what_transformers_keeps(k: int) -> None:
    logits = random_logits(k)
    assert torch.equal(keep_top_k(logits, k), TopKLogitsWarper(k)(None, logits))


@pytest.mark.parametrize("p", [0.01, 0.5, 0.9, 0.999])
def test_top_p_keeps_what_transformers_keeps(p: float) -> None:
    logits = random_logits(1)
    assert torch.equal(keep_top_p(logits, p), TopPLogitsWarper(p)(None, logits))


@pytest.mark.parametrize("p", [0.0, 0.02, 0.3, 1.0])
def test_min_p_keeps_what_transformers_keeps(p: float) -> None:
    logits = random_logits(2)
    assert torch.equal(keep_min_p(logits, p), MinPLogitsWarper(p)(None, logits))


@pytest.mark.parametrize("penalty", [0.5, 1.3, 5.0])
def test_repetition_penalty_is_that_of_transformers(penalty: float) -> None:
    logits = random_logits(3)
    seen = torch.randint(50, (64, 20), generator=torch.Generator().manual_seed(0))
    assert torch.equal(
        penalise_repetition(logits, seen, penalty), RepetitionPenaltyLogitsProcessor(penalty)(seen, logits)
    )


@pytest.mark.parametrize("temperature", [0.1, 0.7, 3.0])
def test_temperature_gives_the_probabilities_of_transformers(temperature: float) -> None:
    logits = random_logits(4)
    theirs = TemperatureLogitsWarper(temperature)(None, logits).softmax(-1)
    torch.testing.assert_close(apply_temperature(logits, temperature).softmax(-1), theirs)


def test_all_filters_in_the_order_of_transformers() -> None:
    logits = random_logits(5)
    seen = torch.randint(50, (64, 9), generator=torch.Generator().manual_seed(1))
    steps: list[Callable[..., Tensor]] = [
        RepetitionPenaltyLogitsProcessor(1.4),
        TemperatureLogitsWarper(0.8),
        TopKLogitsWarper(20),
        TopPLogitsWarper(0.9),
        MinPLogitsWarper(0.05),
    ]
    theirs = LogitsProcessorList(steps)(seen, logits).softmax(-1)
    config = GenerateConfig(repetition_penalty=1.4, temperature=0.8, top_k=20, top_p=0.9, min_p=0.05)
    ours = filter_logits(logits, config, seen).softmax(-1)
    assert torch.equal(ours > 0, theirs > 0)
    torch.testing.assert_close(ours, theirs)


def test_a_temperature_next_to_zero_is_greedy() -> None:
    logits = torch.tensor([1.0, 3.0, 2.0])
    assert apply_temperature(logits, 1e-40).softmax(-1).tolist() == [0.0, 1.0, 0.0]


def test_greedy_leaves_the_filters_out_but_not_the_penalty() -> None:
    logits, generator = torch.tensor([1.0, 3.0, 2.0]), make_generator(0)
    assert choose_token(logits, GenerateConfig(), generator).tolist() == [1]
    assert choose_token(logits, GenerateConfig(greedy=True, top_k=1), generator).tolist() == [1]
    penalised = GenerateConfig(repetition_penalty=2.0)
    assert choose_token(logits, penalised, generator, torch.tensor([1])).tolist() == [2]


def test_draws_have_the_filtered_frequencies() -> None:
    logits = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()
    config, generator = GenerateConfig(top_k=3), make_generator(7)
    draws = [int(choose_token(logits, config, generator)) for _ in range(4000)]
    shares = torch.bincount(torch.tensor(draws), minlength=4) / 4000
    expected = torch.tensor([0.5, 0.25, 0.15, 0.0]) / 0.9
    torch.testing.assert_close(shares, expected, atol=0.03, rtol=0)  # three standard errors are 0.024


def test_the_seed_decides_and_the_global_random_state_stays() -> None:
    logits, config = torch.zeros(1000), GenerateConfig(temperature=1.0)

    def draw(seed: int) -> list[int]:
        generator = make_generator(seed)
        return [int(choose_token(logits, config, generator)) for _ in range(8)]

    before = torch.get_rng_state()
    assert draw(3) == draw(3) != draw(4)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("temperature", [5e-324, 1e-320, 1e-31, 2e-30, 1e-6])
def test_a_temperature_next_to_nothing_is_greedy(temperature: float) -> None:
    logits, config = torch.tensor([-3.0, 2.0, 1.999, -1e4]), GenerateConfig(temperature=temperature)
    assert [int(choose_token(logits, config, make_generator(seed))) for seed in range(20)] == [1] * 20
