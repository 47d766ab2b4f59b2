"""What every head of a model looks at while it reads a text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from attn_widgets.capture.reading import model_hash, named, read_text
from attn_widgets.capture.records import join_pieces, trace_record
from attn_widgets.errors import AttnError
from attn_widgets.models import Encoder, LanguageModel
from attn_widgets.trace import AttentionTrace, Block, Predictions, head_name
from attn_widgets.trace.blocks import Kind, Meta

Top = tuple[Int[Tensor, " _"], Float[Tensor, " _"]]
"""Ids and probabilities of the likeliest tokens of some rows."""


def capture_trace(
    model: LanguageModel | Encoder,
    ids: Integer[np.ndarray, " query"] | Integer[Tensor, " query"],
    tokens: Sequence[str],
    next_token: Callable[[int], str],
    *,
    ablate: Collection[tuple[int, int]] = (),
    meta: Meta | None = None,
) -> AttentionTrace:
    """Read a text once and keep what its attention can be recomputed from.

    Parameters
    ----------
    model
        In any mode; it is put back into it. No random number is drawn.
    ids, tokens
        The text's tokens, and how they are shown.
    next_token
        How a predicted token is shown.
    ablate
        Heads (layer, head) that are switched off.
    meta
        Provenance to keep; ``model`` (hash of the weights), ``text`` (the tokens side by side,
        unless given) and ``ablate`` are added.

    Returns
    -------
    AttentionTrace
        Float32 copies of queries and keys, and the likeliest next token at each row; of an encoder the
        likeliest token at that place. Past the context of a rotary model each row sees the last
        ``context`` tokens.

    Raises
    ------
    AttnError
        If the lengths of `ids` and `tokens` differ, a token or head does not exist, or the text
        is longer than learned or sinusoidal positions.
    """
    if len(ids) != len(tokens):
        raise AttnError(f"{len(ids)} ids, but {len(tokens)} tokens; each id needs its text")
    if not model.kinds():
        raise AttnError(f"{named(model.config)} has no attention to trace")
    pieces: list[tuple[Any, ...]] = []
    tops: list[Top] = []

    def visit(logits: Tensor, records: tuple[Any, ...] | None) -> None:
        assert records is not None
        pieces.append(records)
        tops.append(top_tokens(logits))

    read_text(model, torch.as_tensor(ids), visit, ablate=ablate, record=True)
    predictions = join_predictions(tops, next_token)
    about = {**provenance(model, tokens, ablate), **(meta or {})}
    records = [join_pieces(layer) for layer in zip(*pieces, strict=True)]
    fed = tuple(tokens)
    return whole_trace(records, model.kinds(), dict.fromkeys(model.kinds(), (fed, fed)), predictions, about)


def whole_trace(
    records: Sequence[Any],
    kinds: Sequence[Kind],
    axes: Mapping[Kind, tuple[tuple[str, ...], tuple[str, ...]]],
    predictions: Predictions,
    meta: Meta,
) -> AttentionTrace:
    """Make a trace of the records that a model left when it read a text in one go; `axes` are each kind's tokens."""
    blocks = [
        Block(kind, layer, *axes[kind], trace_record(record))
        for layer, (kind, record) in enumerate(zip(kinds, records, strict=True))
    ]
    return AttentionTrace(blocks, predictions, meta)


def provenance(model: nn.Module, tokens: Sequence[str], ablate: Collection[tuple[int, int]]) -> Meta:
    """Say what a trace shows: hash of the weights, text, heads switched off."""
    about: Meta = {"model": model_hash(model), "text": " ".join(tokens)}
    return {**about, "ablate": " ".join(head_name(*head) for head in sorted(ablate))} if ablate else about


def top_tokens(logits: Float[Tensor, "query vocab"]) -> Top:
    """Likeliest token of each row, and its probability."""
    top = logits.softmax(-1).max(-1)
    return top.indices, top.values


def join_predictions(tops: Sequence[Top], next_token: Callable[[int], str]) -> Predictions:
    """Predictions of all pieces of a text, as text."""
    ids = torch.cat([ids for ids, _ in tops]).tolist()
    probabilities = torch.cat([values for _, values in tops]).cpu().numpy()
    return Predictions(tuple(map(next_token, ids)), probabilities)
