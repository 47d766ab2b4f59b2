"""What the front end is sent: a JSON-ready description of a trace, and its numbers as bytes.

Numbers are little-endian float32 weights (query rows, key columns) and one uint8 state for
each cell (`attn_widgets.trace.records`: value, masked, not captured). ``js/src/wire.ts`` reads
them; both sides are tested against ``tests/data/panels.json``.

A *frame* is one trace of the panel: a moment of training, or the trace itself. Within a frame,
blocks follow each other, within a block heads. States that all heads of a block share are
sent once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widgets.panels.tokens import visible
from attn_widgets.panels.words import special_tokens, word_starts
from attn_widgets.trace import AttentionTrace, Block, Predictions
from attn_widgets.trace.metrics import resting


def frame_spec(trace: AttentionTrace, step: int | None = None) -> dict[str, Any]:
    """Describe a trace without its weights.

    Returns
    -------
    dict
        ``step``; ``tokens``, the distinct token lists; ``words`` and ``special``, for each list where words
        begin (None where every token is one) and which tokens stand for no text; ``blocks``, each with
        kind, layer, number of heads, and the number of its token list for queries and keys; ``predictions``.
    """
    lists: dict[tuple[str, ...], int] = {}

    def number(tokens: Sequence[str]) -> int:
        return lists.setdefault(tuple(tokens), len(lists))

    blocks = [
        {
            "kind": block.kind,
            "layer": block.layer,
            "heads": block.record.heads,
            "queries": number(block.query_tokens),
            "keys": number(block.key_tokens),
        }
        for block in trace.blocks
    ]
    return {
        "step": step,
        "tokens": [[visible(token) for token in tokens] for tokens in lists],
        "blocks": blocks,
        "words": [starts if len(starts := word_starts(tokens)) < len(tokens) else None for tokens in lists],
        "special": [special_tokens(tokens) for tokens in lists],
        "predictions": predictions_spec(trace.predictions),
    }


def predictions_spec(predictions: Predictions | None) -> dict[str, Any] | None:
    """Likeliest next token of each row, with its probability."""
    if predictions is None:
        return None
    return {
        "tokens": [visible(token) for token in predictions.tokens],
        "probabilities": [json_number(p) for p in predictions.probabilities],
    }


def json_number(value: float) -> float | None:
    """Round to 6 significant digits, None where it is not finite (JSON has no NaN)."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def pack_head(block: Block, head: int) -> tuple[bytes, bytes]:
    """Weights of one head and their states, row by row."""
    return weight_bytes(block.record.weights(head)), state_bytes(block.record.states(head))


def weight_bytes(weights: np.ndarray) -> bytes:
    """Little-endian float32."""
    return np.ascontiguousarray(weights, "<f4").tobytes()


def state_bytes(states: np.ndarray) -> bytes:
    """One byte a cell."""
    return np.ascontiguousarray(states, np.uint8).tobytes()


@dataclass(frozen=True)
class PackedFrame:
    """Heads of one trace, one after the other.

    Attributes
    ----------
    weights, states
        Their bytes.
    planes
        For each block how many planes of states it has: one a head, or one for all.
    resting
        For each head its mean weight on the first token; None where there is none.
    """

    weights: bytes
    states: bytes
    planes: list[int]
    resting: list[float | None]


def pack_frame(trace: AttentionTrace, numbers: Sequence[int]) -> PackedFrame:
    """Pack the heads with these numbers, counted through all blocks in order."""
    wanted = set(numbers)
    weights, states, planes, resting_on, number = [], [], [], [], 0
    for block in trace.blocks:
        chosen = [head for head in range(block.record.heads) if number + head in wanted]
        number += block.record.heads
        packed = [pack_head(block, head) for head in chosen]
        weights += [w for w, _ in packed]
        kept = [s for _, s in packed]
        if len(set(kept)) == 1:
            kept = kept[:1]
        states += kept
        planes.append(len(kept))
        resting_on += [head_resting(block, head) for head in chosen]
    return PackedFrame(b"".join(weights), b"".join(states), planes, resting_on)


def frame_bytes(trace: AttentionTrace) -> int:
    """Bytes of all weights of a trace as float32."""
    return sum(4 * block.record.heads * len(block.query_tokens) * len(block.key_tokens) for block in trace.blocks)


def head_resting(block: Block, head: int) -> float | None:
    """Mean weight of one head on the first token; None where there is nothing to rest on."""
    if len(block.query_tokens) < 2 or not block.key_tokens:
        return None
    return json_number(float(resting(block.record.weights(head))))


def each_head(trace: AttentionTrace) -> Iterator[tuple[int, int]]:
    """Block and head numbers in the order of the bytes."""
    return ((b, h) for b, block in enumerate(trace.blocks) for h in range(block.record.heads))


def visible_line(text: str) -> str:
    """Show a line of prose with its spaces left alone and everything that would hide or reorder shown."""
    return " ".join(visible(word) for word in text.split(" ") if word)
