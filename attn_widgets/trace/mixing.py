"""One matrix of a layer: its heads as one, with the residual or without; what paths of attention are chained of."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32

from attn_widgets.trace.blocks import Block
from attn_widgets.trace.records import NOT_CAPTURED
from attn_widgets.trace.vectors import Vectors

Method = Literal["raw", "rollout"]
Heads = Literal["mean", "max", "head"]


class Mixing(NamedTuple):
    """What becomes one matrix of a layer.

    Attributes
    ----------
    method
        "raw": attention as it is; "rollout": half of it and half of the residual, rows renormalised.
    heads
        "mean" over the heads; "max" of them, rows renormalised; or the one "head".
    head
        Its number in every layer; the last one where a layer has fewer.
    """

    method: Method = "rollout"
    heads: Heads = "mean"
    head: int = 0


DEFAULT = Mixing()


def mixed(block: Block, rows: slice, mixing: Mixing = DEFAULT) -> Float32[np.ndarray, "row key"]:
    """Compute some rows of a layer's matrix.

    "rollout" is A = 0.5 W + 0.5 I, each row then divided by its sum (Abnar & Zuidema 2020, "Quantifying Attention
    Flow in Transformers", section 3), where W is the mean over the heads, their maximum or one head. A row that
    sees nothing keeps to itself; one that was not captured is zero.
    """
    record = block.record
    start, stop, _ = rows.indices(record.queries)
    chosen = range(record.heads) if mixing.heads != "head" else [min(mixing.head, record.heads - 1)]
    matrix = np.zeros((stop - start, record.keys), np.float32)
    span = _seen(block, start, stop)
    seen = matrix[:, span]  # what the rows cannot see, often half of it, is not gone through
    with np.errstate(all="ignore"):
        for place, head in enumerate(chosen):
            weights = record.weights(head, slice(start, stop), span)
            gather = np.maximum if mixing.heads == "max" else np.add
            gather(seen, weights, out=seen) if place else np.copyto(seen, weights)
        if mixing.heads == "max":
            _normalise(seen)
        part = (0.5 if mixing.method == "rollout" else 1.0) / (len(chosen) if mixing.heads == "mean" else 1)
        if part != 1:
            seen *= np.float32(part)
        if mixing.method == "rollout":
            matrix[np.arange(stop - start), np.arange(start, stop)] += 0.5
            _normalise(seen)
    if not isinstance(record, Vectors):  # those know every cell
        unknown = [(record.states(head, slice(start, stop)) == NOT_CAPTURED).all(axis=1) for head in chosen]
        matrix[np.all(unknown, axis=0)] = 0
    return matrix


def _seen(block: Block, start: int, stop: int) -> slice:
    """Keys that some rows can see, and the rows themselves; all where that is not known beforehand."""
    record = block.record
    if not isinstance(record, Vectors) or stop <= start:
        return slice(0, record.keys)
    low, high = record.start[start:stop].min(), record.stop[start:stop].max()
    return slice(min(int(low), start), max(int(high), min(stop, record.keys)))


def _normalise(matrix: Float32[np.ndarray, "row key"]) -> None:
    """Divide rows by their sums in place; zeros stay."""
    sums = matrix.sum(axis=1, keepdims=True)
    matrix /= np.where(sums == 0, 1, sums)
