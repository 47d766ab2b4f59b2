"""A trace of an encoder–decoder for the panels' tests: two layers of each of the three kinds."""

from __future__ import annotations

import numpy as np

from attn_widgets.trace import AttentionTrace, Block, Predictions, WeightsRecord
from attn_widgets.trace.blocks import Kind

SOURCE = ("the", "cat", "eats", "fish", ".")
TARGET = ("‹start›", "le", "chat", "mange", "du", "poisson")
LAYERS: list[tuple[Kind, tuple[str, ...], tuple[str, ...]]] = [
    ("encoder", SOURCE, SOURCE),
    ("encoder", SOURCE, SOURCE),
    ("decoder", TARGET, TARGET),
    ("cross", TARGET, SOURCE),
    ("decoder", TARGET, TARGET),
    ("cross", TARGET, SOURCE),
]


def pair_trace(heads: int = 4, seed: int = 0) -> AttentionTrace:
    """Softmaxed random scores, causal in the decoder, with predictions beside its rows."""
    random = np.random.default_rng(seed)

    def record(kind: Kind, rows: int, columns: int) -> WeightsRecord:
        mask = np.tril(np.ones((rows, columns), bool)) if kind == "decoder" else np.ones((rows, columns), bool)
        weights = np.where(mask, np.exp(random.normal(size=(heads, rows, columns), scale=2)), 0)
        weights /= weights.sum(-1, keepdims=True)
        return WeightsRecord(weights.astype(np.float32), mask[None])

    blocks = [Block(k, i, q, c, record(k, len(q), len(c))) for i, (k, q, c) in enumerate(LAYERS)]
    return AttentionTrace(blocks, Predictions((*TARGET[1:], "."), np.linspace(0.2, 0.9, 6, dtype=np.float32)))
