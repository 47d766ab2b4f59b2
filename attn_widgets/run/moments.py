"""Traces of one probe text at several moments of the training, small enough to keep them all.

A trace of a decoder cut to its first tokens is the trace of these tokens, since none looks ahead: where a model is too
big, later tokens are left out, and what is kept is rounded to half precision, as queries and keys or as weights,
whichever leaves room for more tokens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attn_widgets.capture import capture_trace, pair_trace
from attn_widgets.models import EncoderModel, LanguageModel, PairModel
from attn_widgets.run.encoders import TextReader
from attn_widgets.run.pairs import answered
from attn_widgets.text.tasks import SEPARATOR
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.trace import AttentionTrace, Block, DotProductRecord, Predictions, Record, WeightsRecord
from attn_widgets.trace.blocks import Meta

FOLDER = "moments"
LIMIT = 2_000_000 // 8 - 20_000
"""Bytes of the arrays of one moment: eight of them, and their headers, fill 2 MB at most."""


def record_moment(
    folder: Path,
    step: int,
    model: LanguageModel | PairModel | EncoderModel,
    tokenizer: Tokenizer,
    probe: str | tuple[str, str],
    labels: Sequence[str] = (),
) -> None:
    """Write a trace of the probe after `step` steps into a run's folder: of a text, or of a source and its target."""
    meta: Meta = {"text": probe if isinstance(probe, str) else f" {SEPARATOR} ".join(probe), "step": step}
    if not isinstance(probe, str):
        trace = _of_pair(model, tokenizer, probe, meta)
    elif isinstance(model, EncoderModel):
        trace = TextReader(model, tokenizer, labels).probe(probe, meta)
    else:
        trace = _of_text(model, tokenizer, probe, meta)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    compact(trace, LIMIT).save(folder / FOLDER / f"step-{step:06d}.safetensors")


def _of_text(model: Any, tokenizer: Tokenizer, text: str, meta: Meta) -> AttentionTrace:
    ids = tokenizer.encode_prompt(text)
    if model.ends_at_context:
        ids = ids[: model.config.context]
    return capture_trace(model, ids, tokenizer.tokens(ids), tokenizer.token, meta=meta)


def _of_pair(model: Any, tokenizer: Tokenizer, pair: tuple[str, str], meta: Meta) -> AttentionTrace:
    source, target = (tokenizer.encode(text) for text in pair)
    source, target = source[: None if model.config.widens else model.config.context], target[: model.config.context - 1]
    return pair_trace(
        model, answered(tokenizer, source.tolist(), target.tolist(), model.config.context), tokenizer.token, meta=meta
    )


def read_moments(folder: Path) -> list[tuple[int, AttentionTrace]]:
    """Pairs (step, trace) of a run's folder, in order; files with other names are no moments."""
    named = ((path.stem.removeprefix("step-"), path) for path in (folder / FOLDER).glob("step-*.safetensors"))
    steps = sorted((int(number), path) for number, path in named if re.fullmatch("[0-9]+", number))
    return [(step, AttentionTrace.load(path)) for step, path in steps]


def compact(trace: AttentionTrace, limit: int) -> AttentionTrace:
    """Make a trace fit into `limit` bytes of arrays, by rounding it and cutting its axes."""
    if trace.nbytes <= limit:
        return trace
    records = [block.record for block in trace.blocks]
    dots = [record for record in records if isinstance(record, DotProductRecord)]
    vectors = sum(2 * (record.query[:, 0].size + record.key[:, 0].size) + 16 for record in dots)  # bytes a token
    cells = sum(2 * record.heads + 1 for record in records)  # bytes of weights and mask for a query and a key
    finite = all(np.abs(array).max() < np.finfo(np.float16).max for r in dots for array in (r.query, r.key))
    fits = finite and len(dots) == len(records)
    by_vectors, by_weights = limit // (vectors + 4) if fits else 0, math.isqrt(limit // cells)
    longest = max(max(record.queries, record.keys) for record in records)
    tokens = max(1, min(longest, max(by_vectors, by_weights)))
    blocks = [_cut(block, tokens, vectors=by_vectors > by_weights) for block in trace.blocks]
    told = trace.predictions
    predictions = None if told is None else Predictions(told.tokens[:tokens], told.probabilities[:tokens])
    return AttentionTrace(blocks, predictions, trace.meta)


def _cut(block: Block, tokens: int, *, vectors: bool) -> Block:
    """Keep the first rows and keys of a layer, as vectors or as weights."""
    record, rows, columns = block.record, block.query_tokens[:tokens], block.key_tokens[:tokens]
    if vectors and isinstance(record, DotProductRecord):
        return Block(block.kind, block.layer, rows, columns, _keep_vectors(record, tokens))
    return Block(block.kind, block.layer, rows, columns, _keep_weights(record, tokens))


def _keep_vectors(record: DotProductRecord, tokens: int) -> DotProductRecord:
    query, key = (array[:, :tokens].astype(np.float16) for array in (record.query, record.key))
    return replace(record, query=query, key=key, start=record.start[:tokens], stop=record.stop[:tokens])


def _keep_weights(record: Record, tokens: int) -> WeightsRecord:
    some = slice(0, tokens)
    weights = [record.weights(head, some, some) for head in range(record.heads)]
    return WeightsRecord(np.stack(weights).astype(np.float16), record.states(0, some, some)[None] == 0)
