"""What an encoder–decoder looks at: within the source, within the target, and from the target to the source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Integer

from attn_widgets.capture.ablation import Ablation
from attn_widgets.capture.reading import device_of, evaluating, named
from attn_widgets.capture.trace import join_predictions, provenance, top_tokens, whole_trace
from attn_widgets.errors import AttnError
from attn_widgets.models import ModelOutput, PairModel
from attn_widgets.text.lengths import span_tokens
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.blocks import Kind, Meta


class Pair(NamedTuple):
    """A source and a target, as ids and as they are shown.

    Attributes
    ----------
    source, target
        Token ids; the target begins with the start token.
    source_tokens, target_tokens
        The text of each.
    """

    source: Integer[np.ndarray, " source"]
    target: Integer[np.ndarray, " target"]
    source_tokens: Sequence[str]
    target_tokens: Sequence[str]


def pair_trace(
    model: PairModel,
    pair: Pair,
    next_token: Callable[[int], str],
    *,
    ablate: Collection[tuple[int, int]] = (),
    meta: Meta | None = None,
) -> AttentionTrace:
    """Read a source and a target once and keep what attention can be recomputed from.

    Parameters
    ----------
    model
        In any mode; it is put back into it. No random number is drawn.
    pair
        What to read.
    next_token
        How a predicted token is shown.
    ablate
        Heads (layer, head) that are switched off; layers count through all kinds of attention.
    meta
        Provenance to keep, added to the hash of the weights and the text.

    Returns
    -------
    AttentionTrace
        Encoder layers have the source on both axes, decoder layers the target; a cross layer has the target as rows
        and the source as columns. Beside each row of the target stands the token predicted after it. Under
        ``--lengths convolve`` a column of a long source stands for several tokens, such as ``the…dog``.

    Raises
    ------
    AttnError
        If the model has no attention, the source is empty, or a head does not exist.
    """
    if not model.kinds():
        raise AttnError(f"{named(model.config)} has no attention to trace")
    output = _read(model, pair, ablate, record=True)
    predictions = join_predictions([top_tokens(output.logits[0].float())], next_token)
    rows, columns = tuple(pair.target_tokens), tuple(pair.source_tokens)
    text = provenance(model, [*columns, "→", *rows[1:]], ablate)
    if model.config.lengths == "convolve":
        columns = span_tokens(columns, model.config.context)
    axes: dict[Kind, Any] = {"encoder": (columns, columns), "decoder": (rows, rows), "cross": (rows, columns)}
    return whole_trace(output.records or (), model.kinds(), axes, predictions, {**text, **(meta or {})})


def compare_pair_ablation(
    model: PairModel, pair: Pair, next_token: Callable[[int], str], ablate: Collection[tuple[int, int]]
) -> Ablation:
    """Predictions beside the rows of the target, with all heads and with the heads (layer, head) of `ablate` off.

    Raises
    ------
    AttnError
        As `pair_trace` does.
    """
    before, after = (_read(model, pair, heads).logits[0].float() for heads in ((), ablate))
    chosen = before.argmax(-1, keepdim=True)
    still = after.softmax(-1).gather(-1, chosen)[:, 0]
    first, second = (join_predictions([top_tokens(logits)], next_token) for logits in (before, after))
    return Ablation(first, second, still.cpu().numpy())


def _read(model: PairModel, pair: Pair, ablate: Collection[tuple[int, int]], *, record: bool = False) -> ModelOutput:
    if not len(pair.source):
        raise AttnError("the source has no tokens; give at least one")
    device = device_of(model)
    source, target = (torch.as_tensor(np.asarray(ids, np.int64), device=device)[None] for ids in pair[:2])
    lengths = torch.tensor([source.shape[1]], device=device)
    with evaluating(model), torch.no_grad():
        output: ModelOutput = model(source, lengths, target, record=record, ablate=ablate)
    return output
