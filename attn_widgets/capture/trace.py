"""What every head of a model looks at while it reads a text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from attn_widgets.attention import DotRecord
from attn_widgets.capture.reading import model_hash, read_text
from attn_widgets.capture.segments import Segment, generation_trace
from attn_widgets.errors import AttnError
from attn_widgets.models import Transformer
from attn_widgets.trace import AttentionTrace, Predictions, head_name
from attn_widgets.trace.blocks import Meta

Top = tuple[Int[Tensor, " _"], Float[Tensor, " _"]]
"""Ids and probabilities of the likeliest tokens of some rows."""


def capture_trace(
    model: Transformer,
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
        Float32 copies of queries and keys, and the likeliest next token at each row. Past the
        context of a rotary model each row sees the last ``context`` tokens.

    Raises
    ------
    AttnError
        If the lengths of `ids` and `tokens` differ, a token or head does not exist, or the text
        is longer than learned or sinusoidal positions.
    """
    if len(ids) != len(tokens):
        raise AttnError(f"{len(ids)} ids, but {len(tokens)} tokens; each id needs its text")
    pieces: list[list[Tensor]] = []
    tops: list[Top] = []
    scales: list[float] = []

    def visit(logits: Tensor, records: tuple[DotRecord, ...] | None) -> None:
        assert records is not None
        pieces.append([record.query[0] for record in records])
        scales.append(records[0].scale)
        tops.append(top_tokens(logits))

    cache = read_text(model, torch.as_tensor(ids), visit, ablate=ablate, record=True)
    queries = [torch.cat(layer, dim=1) for layer in zip(*pieces, strict=True)]  # each (H, Q, d)
    keys = [cache.keys(layer)[0] for layer in range(len(queries))]  # each (Hkv, Q, d)
    segment = Segment(0, 0, queries, keys, scales[0], model.config.context)
    added: Meta = {"model": model_hash(model), "text": " ".join(tokens)}
    if ablate:
        added = {**added, "ablate": " ".join(head_name(*head) for head in sorted(ablate))}
    return generation_trace([segment], tokens, join_predictions(tops, next_token), {**added, **(meta or {})})


def top_tokens(logits: Float[Tensor, "query vocab"]) -> Top:
    """Likeliest token of each row, and its probability."""
    top = logits.softmax(-1).max(-1)
    return top.indices, top.values


def join_predictions(tops: Sequence[Top], next_token: Callable[[int], str]) -> Predictions:
    """Predictions of all pieces of a text, as text."""
    ids = torch.cat([ids for ids, _ in tops]).tolist()
    probabilities = torch.cat([values for _, values in tops]).cpu().numpy()
    return Predictions(tuple(map(next_token, ids)), probabilities)
