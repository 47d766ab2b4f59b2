"""The schedule against transformers' warm-up–stable–decay, and when things are due."""

from __future__ import annotations

import pytest
import torch
from transformers import get_wsd_schedule

from attn_widgets.config import TrainConfig
from attn_widgets.training.schedule import is_due, moment_steps, rate_factor, share_done


@pytest.mark.parametrize(("total", "warmup", "decay"), [(50, 5, 0.4), (20, 1, 1.0), (40, 10, 0.5)])
def test_rates_are_those_of_transformers(total: int, warmup: int, decay: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_wsd_schedule(
        optimizer, num_warmup_steps=warmup, num_decay_steps=round(total * decay), num_training_steps=total,
        warmup_type="linear", decay_type="linear", min_lr_ratio=0.0,
    )  # fmt: skip
    rates = []
    for _ in range(total + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    ours = [rate_factor(step, step / total, warmup=warmup, decay=decay) for step in range(total)]
    # Theirs wastes the first step on a rate of zero; ours is at the peak in the last step of warm-up.
    assert ours[:warmup] == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    if decay < 1:
        assert ours[warmup:] == pytest.approx(rates[warmup:-1])
    else:
        assert ours[warmup:] == pytest.approx([1 - step / total for step in range(warmup, total)])


def test_the_rate_never_leaves_its_bounds() -> None:
    assert rate_factor(0, 1.0, warmup=0, decay=0.4) == 0.0
    assert rate_factor(7, 0.99, warmup=0, decay=0.0) == 1.0
    assert rate_factor(3, 1.0000001, warmup=5, decay=0.4) == 0.0


@pytest.mark.parametrize("total", [1, 3, 7, 10, 29, 60, 97, 500, 1000])
def test_a_tenth_of_the_run_is_due_ten_times(total: int) -> None:
    due = [step for step in range(1, total + 1) if is_due(step, None, (step - 1) / total, step / total)]
    assert due == sorted({-(-total * part // 10) for part in range(1, 11)})
    assert due[-1] == total


def test_every_so_many_steps() -> None:
    assert [step for step in range(1, 11) if is_due(step, 3, 0, 0)] == [3, 6, 9]


@pytest.mark.parametrize("total", [1, 2, 5, 60, 500, 10_000])
@pytest.mark.parametrize("count", range(9))
def test_moments_are_few_and_have_both_ends(total: int, count: int) -> None:
    steps = moment_steps(total, count)
    assert len(steps) <= count
    assert steps == sorted(set(steps))
    assert steps[-1:] == [total][:count]
    assert steps[:1] == ([0] if count > 1 else [total][:count])


def test_moments_are_spaced_logarithmically() -> None:
    assert moment_steps(1000, 5) == [0, 1, 10, 100, 1000]


def test_the_share_is_of_steps_or_of_the_clock() -> None:
    assert share_done(TrainConfig(steps=50), 20, 1e9) == 0.4
    assert share_done(TrainConfig(steps=50), 70, 0.0) == 1.0
    assert share_done(TrainConfig(minutes=2), 999_999, 30.0) == 0.25
    assert share_done(TrainConfig(minutes=2), 0, 121.0) == 1.0
