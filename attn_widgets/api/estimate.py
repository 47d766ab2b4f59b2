"""How large a model is and how long it may take, told before torch is there: its import alone takes two seconds.

For the transformer with scaled dot products. What the loop times, once it runs, is told after it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from attn_widgets.config import ModelConfig, TrainConfig

REST = 2.4
"""All that a step does, over the products of its layers forward and backward: measured at two sizes on two cores."""


def count_parameters(config: ModelConfig, vocab_size: int) -> int | None:
    """Trained numbers of the transformer; None for other models."""
    if config.model != "transformer" or config.attention != "scaled_dot":
        return None
    dim, bias = config.dim, config.bias
    norm = dim + (dim if bias and config.norm == "layer" else 0)
    maps = sum(rows * columns + (columns if bias else 0) for rows, columns in _maps(config))
    turned = (config.heads + config.key_value_heads) * config.head_dim if config.qk_norm else 0
    tables = vocab_size * (1 if config.tied else 2) + (config.context if config.positions == "learned" else 0)
    return config.layers * (maps + 2 * norm + turned) + norm + tables * dim


def estimate_seconds(config: ModelConfig, training: TrainConfig, vocab_size: int, held_out: int = 0) -> float:
    """Time of all steps, from how long NumPy takes now for the matrix products of one; a rough guess.

    `held_out` tokens are scored as often as ``validate_every`` says.
    """
    if training.minutes is not None:
        return 60 * training.minutes
    rows = training.batch * config.context
    once = config.layers * _seconds(_maps(config), rows) + _seconds([(config.dim, vocab_size)], rows)
    every = training.validate_every or training.steps / 10
    passes = 3 * training.steps * training.accumulate + training.steps / every * held_out / rows
    return passes * REST * once


def _maps(config: ModelConfig) -> list[tuple[int, int]]:
    """List inputs and outputs of the linear maps of a layer."""
    dim, hidden = config.dim, config.hidden_dim
    heads = config.heads + 2 * config.key_value_heads
    up = [(dim, hidden)] * (2 if config.mlp == "swiglu" else 1)
    return [(dim, heads * config.head_dim), (dim, dim), *up, (hidden, dim)]


def _seconds(maps: Iterable[tuple[int, int]], rows: int) -> float:
    """Time of one product of `rows` rows with each map, the fastest of three; large ones are timed on a part."""
    total = 0.0
    for inputs, outputs in maps:
        some = max(1, min(rows, 40_000_000 // (inputs * outputs)))
        left, right = np.ones((some, inputs), np.float32), np.ones((inputs, outputs), np.float32)
        tries = []
        for _ in range(3):
            began = time.perf_counter()
            left @ right
            tries.append(time.perf_counter() - began)
        total += min(tries) * rows / some
    return total
