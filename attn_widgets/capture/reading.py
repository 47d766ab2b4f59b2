"""Running a model over a text to look at it, without leaving anything changed.

A long text is read in pieces over a key cache, so that memory grows with its length and not
with its square. Past the context of a model with rotary positions each token sees the last
``context`` keys; other positions end there.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Integer
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.errors import AttnError
from attn_widgets.models import Encoder, EncoderModel, LanguageModel

PIECE = 256
"""Tokens read at a time."""

Visit = Callable[[Tensor, tuple[Any, ...] | None], None]


def read_text(
    model: LanguageModel | EncoderModel,
    ids: Integer[Tensor, " query"],
    visit: Visit,
    *,
    ablate: Collection[tuple[int, int]] = (),
    record: bool = False,
) -> None:
    """Read a text once, without gradients and dropout.

    Parameters
    ----------
    model
        In any mode; it is put back into it.
    ids
        The text's tokens.
    visit
        Gets the logits, Float[Tensor, "query vocab"], and the records of each piece in turn.
    ablate
        Heads (layer, head) that are switched off.
    record
        Whether attention leaves records.

    Raises
    ------
    AttnError
        If a token or head does not exist, or the text is longer than the model's positions.
    """
    ids = ids.to(torch.int64)
    _check(model, ids)
    ids = ids.to(device_of(model))
    with evaluating(model), torch.no_grad():
        if isinstance(model, EncoderModel):
            output = model(ids[None], record=record, ablate=ablate)
            visit(output.logits[0].float(), output.records)
            return
        if not model.caches:
            window = model.config.context if len(ids) > model.config.context else None
            output = model(ids[None], record=record, ablate=ablate, window=window)
            visit(output.logits[0].float(), output.records)
            return
        cache = model.new_cache(1, len(ids))
        for piece in torch.split(ids, PIECE):
            output = model(piece[None], cache=cache, record=record, ablate=ablate)
            visit(output.logits[0].float(), output.records)


def named(config: ModelConfig) -> str:
    """Name a model that does not attend, and the option that makes it so if one does."""
    return f"--model {config.model}" + (" --attention none" if config.attention == "none" else "")


def device_of(model: nn.Module) -> torch.device:
    """Where a model's tensors are."""
    return next(itertools.chain(model.parameters(), model.buffers())).device


def _check(model: LanguageModel | EncoderModel, ids: Tensor) -> None:
    config = model.config
    if not len(ids):
        raise AttnError("the text has no tokens; give at least one")
    low, high, last = int(ids.min()), int(ids.max()), model.vocab_size - 1
    if isinstance(model, Encoder):
        last = model.mask_id
    if low < 0 or high > last:
        raise AttnError(f"token {low if low < 0 else high} does not exist; the model's vocabulary is 0 to {last}")
    if isinstance(model, EncoderModel) and model.ends_at_context and len(ids) > config.context:
        raise AttnError(
            f"the text has {len(ids)} tokens, and --model encoder reads --context {config.context} at most; "
            "give a shorter one, or train with a larger --context or --lengths slide"
        )
    if model.ends_at_context and len(ids) > config.context:
        raise AttnError(
            f"the text has {len(ids)} tokens, but --positions {config.positions} end at --context {config.context}; "
            f"give at most {config.context} tokens, or train with --positions rotary"
        )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch dropout off for a while; afterwards every module is in the mode that it was in.

    Not for a model that another thread is training: modes are shared.
    """
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def model_hash(model: nn.Module) -> str:
    """First 12 hex digits of the SHA-256 over all weights: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:12]
