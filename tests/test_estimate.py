"""What is told before torch is there: the size of a model, and about how long it takes."""

from __future__ import annotations

import itertools
import time

import pytest

from attn_widgets.api.estimate import count_parameters, estimate_seconds
from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.models import Transformer

CHOICES = {
    "positions": ["rotary", "learned", "sinusoidal"],
    "norm": ["rms", "layer"],
    "bias": [False, True],
    "mlp": ["gelu", "swiglu"],
    "tied": [False, True],
    "kv_heads": [None, 2],
    "qk_norm": [False, True],
}


@pytest.mark.parametrize("options", [dict(zip(CHOICES, chosen, strict=True)) for chosen in
                                     itertools.product(*CHOICES.values())][::7])  # fmt: skip
def test_the_count_is_that_of_the_model(options: dict[str, object]) -> None:
    config = ModelConfig(layers=3, heads=4, dim=24, context=10, **options)
    assert count_parameters(config, 17) == Transformer(config, 17).num_parameters()


def test_other_models_are_counted_when_they_are_made() -> None:
    assert count_parameters(ModelConfig(model="recurrent"), 17) is None
    assert count_parameters(ModelConfig(attention="additive"), 17) is None


def test_the_estimate_grows_with_the_work_and_is_quick() -> None:
    began = time.perf_counter()
    small = estimate_seconds(ModelConfig(), TrainConfig(steps=10), 100)
    assert estimate_seconds(ModelConfig(), TrainConfig(steps=10_000), 100) > 50 * small > 0
    assert estimate_seconds(ModelConfig(), TrainConfig(minutes=2), 100) == 120
    estimate_seconds(ModelConfig(dim=1024, layers=12, context=1024), TrainConfig(), 50_000)
    assert time.perf_counter() - began < 60
