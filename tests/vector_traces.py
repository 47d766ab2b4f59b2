"""Traces that keep vectors, for the tests of panels that show them."""

from __future__ import annotations

import numpy as np

from attn_widgets.trace import (
    AdditiveRecord,
    AttentionTrace,
    Block,
    DotProductRecord,
    Part,
    StackedRecord,
    causal_range,
)
from tests.panel_traces import WORDS


def dot_record(
    count: int, heads: int = 4, dim: int = 16, half: bool = False, seed: int = 0, kept: int | None = None
) -> DotProductRecord:
    """Random queries and keys, two query heads to a key head, under a causal mask."""
    random = np.random.default_rng(seed)
    kind = np.float16 if half else np.float32
    query, key = (random.normal(size=(n, count, dim)).astype(kind) for n in (heads, heads // 2))
    return DotProductRecord(query, key, dim**-0.5, *causal_range(count, count, kept))


def dot_trace(
    tokens: tuple[str, ...] = WORDS, layers: int = 2, heads: int = 4, dim: int = 16, half: bool = False
) -> AttentionTrace:
    """A decoder with grouped keys."""
    records = [dot_record(len(tokens), heads, dim, half, seed=layer) for layer in range(layers)]
    return AttentionTrace([Block("decoder", at, tokens, tokens, record) for at, record in enumerate(records)])


def additive_trace(tokens: tuple[str, ...] = WORDS, heads: int = 2, dim: int = 8) -> AttentionTrace:
    """One layer of additive attention."""
    random = np.random.default_rng(3)
    count = len(tokens)
    shapes = (heads, count, dim), (heads, count, dim), (heads, dim), (heads, dim)
    query, key, v, b = (random.normal(size=shape).astype(np.float32) for shape in shapes)
    return AttentionTrace(
        [Block("decoder", 0, tokens, tokens, AdditiveRecord(query, key, v, b, *causal_range(count, count)))]
    )


def stacked_trace() -> AttentionTrace:
    """A generation whose window moved: rows 0 to 3 saw keys 0 to 3, rows 4 to 7 keys 2 to 7; the rest is unknown."""
    first = dot_record(4, seed=5)
    later = dot_record(6, seed=6)
    moved = DotProductRecord(later.query[:, 2:], later.key, later.scale, later.start[2:], later.stop[2:])
    record = StackedRecord([Part(0, 0, first), Part(4, 2, moved)], 10, 10)
    return AttentionTrace([Block("decoder", 0, WORDS, WORDS, record)])
