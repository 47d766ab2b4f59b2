"""What a classifier looks at: within the text in every layer, and with the pooling that reads the class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor

from attn_widgets.capture.reading import read_text
from attn_widgets.capture.trace import join_predictions, provenance, top_tokens, whole_trace
from attn_widgets.models import Classifier
from attn_widgets.text.encoder_corpus import CLASS
from attn_widgets.text.lengths import span_tokens
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.blocks import Meta


def class_trace(
    model: Classifier,
    ids: Integer[np.ndarray, " key"] | Integer[Tensor, " key"],
    tokens: Sequence[str],
    label: Callable[[int], str],
    *,
    ablate: Collection[tuple[int, int]] = (),
    meta: Meta | None = None,
) -> AttentionTrace:
    """Read a text once and keep what attention can be recomputed from.

    Parameters
    ----------
    model
        In any mode; it is put back into it. No random number is drawn.
    ids, tokens
        The text's tokens, and how they are shown.
    label
        How a class is shown.
    ablate
        Heads (layer, head) that are switched off; the pooling is the last layer.
    meta
        Provenance to keep, added to the hash of the weights and the text.

    Returns
    -------
    AttentionTrace
        The encoder's layers, and last the pooling as a cross layer of one row, ``‹class›``, beside which the class
        stands. Under ``--lengths convolve`` a column of a long text stands for several tokens, such as ``the…dog``.

    Raises
    ------
    AttnError
        If a token or head does not exist, or the text has too many tokens or none.
    """
    found: list[tuple[Tensor, tuple[Any, ...]]] = []

    def visit(logits: Tensor, records: tuple[Any, ...] | None) -> None:
        found.append((logits, records or ()))

    read_text(model, torch.as_tensor(ids), visit, ablate=ablate, record=True)
    ((logits, records),) = found
    predictions = join_predictions([top_tokens(logits)], label)
    columns = span_tokens(tokens, model.config.context) if model.config.lengths == "convolve" else tuple(tokens)
    about = {**provenance(model, tokens, ablate), **(meta or {})}
    return whole_trace(
        records, model.kinds(), {"encoder": (columns, columns), "cross": ((CLASS,), columns)}, predictions, about
    )
