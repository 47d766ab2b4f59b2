"""A trace from the queries and keys that a model left while it read a text, in one go or in several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from attn_widgets.capture.records import copied
from attn_widgets.errors import AttnError
from attn_widgets.trace import (
    AttentionTrace,
    Block,
    DotProductRecord,
    Part,
    Predictions,
    Record,
    StackedRecord,
    causal_range,
)
from attn_widgets.trace.blocks import Meta


class Segment(NamedTuple):
    """Consecutive rows that read one filling of the key cache.

    The rows are the last ones of the keys: the first ``keys - rows`` keys were there before them.

    Attributes
    ----------
    first_row
        Position in the text of the first query.
    first_key
        Position in the text of the first key.
    queries
        Of each layer, Float[Tensor, "head rows dim"].
    keys
        Of each layer, Float[Tensor, "kv_head past+rows dim"], positions and norms applied.
    scale
        Multiplies the dot products.
    window
        Keys that a row sees at most, itself included; None: all keys of the segment before it.
    """

    first_row: int
    first_key: int
    queries: Sequence[Tensor]
    keys: Sequence[Tensor]
    scale: float
    window: int | None


def generation_trace(
    segments: Sequence[Segment], tokens: Sequence[str], predictions: Predictions | None = None, meta: Meta | None = None
) -> AttentionTrace:
    """Make a trace of the tokens that were fed to a model.

    Parameters
    ----------
    segments
        In the order in which they were read. A row that stands in two belongs to the first. A
        row that stands in none was not captured; keys before its segment are masked.
    tokens
        The text of every token. What follows the last row (a token that was chosen, but never
        fed back) is left out, of `predictions` too.
    predictions
        The token chosen, or the likeliest one, after each row.
    meta
        Kept as provenance.

    Raises
    ------
    AttnError
        If there are fewer tokens than rows, or no rows at all.
    """
    rows = max((segment.first_row + segment.queries[0].shape[1] for segment in segments), default=0)
    if not rows:
        raise AttnError("a trace needs at least one token that was read; none was recorded")
    if len(tokens) < rows:
        raise AttnError(f"{rows} rows were recorded, but only {len(tokens)} tokens given; give the text of every token")
    ranges = [causal_range(s.queries[0].shape[1], s.keys[0].shape[1], s.window) for s in segments]
    fed = tuple(tokens[:rows])
    blocks = [
        Block("decoder", layer, fed, fed, _record(segments, ranges, layer, rows))
        for layer in range(len(segments[0].queries))
    ]
    if predictions is not None:
        predictions = Predictions(predictions.tokens[:rows], predictions.probabilities[:rows])
    return AttentionTrace(blocks, predictions, dict(meta or {}))


def _record(
    segments: Sequence[Segment], ranges: Sequence[tuple[np.ndarray, np.ndarray]], layer: int, rows: int
) -> Record:
    """Join one layer of all segments; a single one that covers everything needs no stack."""
    parts = [
        Part(
            segment.first_row,
            segment.first_key,
            DotProductRecord(copied(segment.queries[layer]), copied(segment.keys[layer]), segment.scale, start, stop),
        )
        for segment, (start, stop) in zip(segments, ranges, strict=True)
    ]
    whole = parts[0].record
    if len(parts) == 1 and (whole.queries, whole.keys) == (rows, rows):
        return whole
    return StackedRecord(parts, rows, rows)
