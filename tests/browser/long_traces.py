"""A trace of a long text, whose queries and keys are kept in half precision; made alike by a test and by its kernel."""

from __future__ import annotations

import numpy as np

from attn_widgets.trace import AttentionTrace, Block, DotProductRecord, causal_range

DIM = 64


def long_trace(tokens: int, layers: int, heads: int) -> AttentionTrace:
    """Random queries and keys under a causal mask."""
    rng = np.random.default_rng(0)
    names = tuple(f"t{i}" for i in range(tokens))
    blocks = []
    for layer in range(layers):
        query, key = (rng.standard_normal((heads, tokens, DIM), np.float32).astype(np.float16) for _ in range(2))
        record = DotProductRecord(query, key, 2 * DIM**-0.5, *causal_range(tokens, tokens))
        blocks.append(Block("decoder", layer, names, names, record))
    return AttentionTrace(tuple(blocks))
