"""Traces of one probe text at several moments of the training, small enough to keep them all.

A trace of a decoder cut to its first tokens is the trace of these tokens, since none looks ahead: where a model is too
big, later tokens are left out, and what is kept is rounded to half precision, as queries and keys or as weights,
whichever leaves room for more tokens.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from attn_widgets.capture import capture_trace
from attn_widgets.models import Transformer
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.trace import AttentionTrace, Block, DotProductRecord, Predictions, WeightsRecord
from attn_widgets.trace.blocks import Meta

FOLDER = "moments"
LIMIT = 2_000_000 // 8 - 20_000
"""Bytes of the arrays of one moment: eight of them, and their headers, fill 2 MB at most."""


def record_moment(folder: Path, step: int, model: Transformer, tokenizer: Tokenizer, probe: str) -> None:
    """Write a trace of the probe text after `step` steps into a run's folder."""
    ids = tokenizer.encode_prompt(probe)
    if model.config.positions != "rotary":
        ids = ids[: model.config.context]
    meta: Meta = {"text": probe, "step": step}
    trace = capture_trace(model, ids, tokenizer.tokens(ids), tokenizer.token, meta=meta)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    compact(trace, LIMIT).save(folder / FOLDER / f"step-{step:06d}.safetensors")


def read_moments(folder: Path) -> list[tuple[int, AttentionTrace]]:
    """Pairs (step, trace) of a run's folder, in order."""
    paths = (folder / FOLDER).glob("step-*.safetensors")
    steps = sorted((int(path.stem.removeprefix("step-")), path) for path in paths)
    return [(step, AttentionTrace.load(path)) for step, path in steps]


def compact(trace: AttentionTrace, limit: int) -> AttentionTrace:
    """Make a decoder's trace of queries and keys fit into `limit` bytes of arrays, by rounding and cutting it."""
    if trace.nbytes <= limit:
        return trace
    records = [block.record for block in trace.blocks if isinstance(block.record, DotProductRecord)]
    vectors = sum(2 * (record.query[:, 0].size + record.key[:, 0].size) + 16 for record in records)  # bytes a token
    cells = sum(2 * record.heads + 1 for record in records)  # bytes of weights and mask for a query and a key
    finite = all(np.abs(array).max() < np.finfo(np.float16).max for r in records for array in (r.query, r.key))
    by_vectors, by_weights = limit // (vectors + 4) if finite else 0, math.isqrt(limit // cells)
    keep = _keep_vectors if by_vectors > by_weights else _keep_weights
    tokens = max(1, min(len(trace.tokens), max(by_vectors, by_weights)))
    shown = trace.tokens[:tokens]
    blocks = [Block(b.kind, b.layer, shown, shown, keep(r, tokens)) for b, r in zip(trace.blocks, records, strict=True)]
    told = trace.predictions
    predictions = None if told is None else Predictions(told.tokens[:tokens], told.probabilities[:tokens])
    return AttentionTrace(blocks, predictions, trace.meta)


def _keep_vectors(record: DotProductRecord, tokens: int) -> DotProductRecord:
    query, key = (array[:, :tokens].astype(np.float16) for array in (record.query, record.key))
    return replace(record, query=query, key=key, start=record.start[:tokens], stop=record.stop[:tokens])


def _keep_weights(record: DotProductRecord, tokens: int) -> WeightsRecord:
    some = slice(0, tokens)
    weights = [record.weights(head, some, some) for head in range(record.heads)]
    return WeightsRecord(np.stack(weights).astype(np.float16), record.states(0, some, some)[None] == 0)
