"""What a run does whose model reads a source and writes a target."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from attn_widgets.capture import Pair, model_hash, pair_trace
from attn_widgets.capture.reading import device_of, evaluating
from attn_widgets.config import GenerateConfig
from attn_widgets.generation.beam import translate
from attn_widgets.generation.decode import Decoded, ablated_heads
from attn_widgets.generation.recording import Choices
from attn_widgets.generation.result import Generation
from attn_widgets.models import PairModel
from attn_widgets.run.sources import fitted
from attn_widgets.text.tasks import SEPARATOR
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.blocks import Meta


def write_answer(
    model: PairModel,
    tokenizer: Tokenizer,
    source: str,
    config: GenerateConfig,
    *,
    meta: Meta,
    notes: Sequence[str] = (),
    on_text: Callable[[str], None] | None = None,
    trace: bool = True,
) -> Generation:
    """Write the target of a source, greedily or by beam search.

    Raises
    ------
    ConfigError
        For a source without tokens.
    """
    began, end = time.perf_counter(), _end(tokenizer)
    (ids, cut), heads = source_ids(model, tokenizer, source), ablated_heads(config.ablate)
    with evaluating(model):
        (found,) = translate(
            model, ids[None], torch.tensor([len(ids)], device=ids.device), end_id=end, beams=config.beams,
            max_new_tokens=min(config.max_new_tokens, model.config.context), length_penalty=config.length_penalty,
            ablate=heads,
        )  # fmt: skip
        choices = _choices(model, ids, [end, *found.ids], heads)
    text = tokenizer.decode(found.ids)
    if on_text is not None:
        on_text(text)
    decoded = Decoded(
        ids.tolist(), list(found.ids), text, choices, "end" if found.finished else "length", (), None,
        time.perf_counter() - began,
    )  # fmt: skip
    return Generation(
        source, text, found.ids, tuple(tokenizer.tokens([end, *found.ids])[1:]), *choices.arrays(),
        decoded.stop_reason, (*notes, *cut), decoded.seconds, decoded, tokenizer,
        lambda: {"model": model_hash(model), **meta},
        (lambda: trace_answer(model, tokenizer, source, found.ids, config.ablate, meta)) if trace else None,
        f" {SEPARATOR} ",
    )  # fmt: skip


def trace_answer(
    model: PairModel, tokenizer: Tokenizer, source: str, target: Sequence[int], ablate: Sequence[str], meta: Meta
) -> AttentionTrace:
    """Trace every step in which `target` was written, the one that ends it included."""
    pair = answered(tokenizer, source_ids(model, tokenizer, source)[0].tolist(), target, model.config.context)
    return pair_trace(model, pair, tokenizer.token, ablate=ablated_heads(ablate), meta=meta)


def answered(tokenizer: Tokenizer, source: Sequence[int], target: Sequence[int], context: int) -> Pair:
    """Put a source and the target that was written to it side by side, as they were read.

    The last token of a target that is as long as the context is never read: no step comes after it.
    """
    end = _end(tokenizer)
    fed = np.array([end, *(i for i in target if i != end)])[:context]
    return Pair(np.array(source), fed, [tokenizer.token(i) for i in source], tokenizer.tokens(fed))


def source_ids(model: PairModel, tokenizer: Tokenizer, source: str) -> tuple[Tensor, list[str]]:
    """Ids of a source as it is read, on the model's device, and notes on what was too long.

    Raises
    ------
    ConfigError
        When there are none, or more than the model reads.
    """
    ids, notes = fitted(tokenizer.encode(source), model.config, "the source")
    return torch.from_numpy(ids.astype(np.int64)).to(device_of(model)), notes


def _choices(model: PairModel, source: Tensor, target: Sequence[int], heads: Sequence[tuple[int, int]]) -> Choices:
    """Probability and entropy of every token of a target."""
    choices, fed = Choices(), torch.tensor(target, device=source.device)
    with torch.inference_mode():
        lengths = torch.tensor([len(source)], device=source.device)
        logits = model(source[None], lengths, fed[None, :-1], ablate=heads).logits[0]
    for row, token in zip(logits, fed[1:], strict=True):
        choices.add(row, token[None])
    choices.flush()
    return choices


def _end(tokenizer: Tokenizer) -> int:
    assert tokenizer.end_id is not None, "a task's tokenizer has an end token"
    return tokenizer.end_id
