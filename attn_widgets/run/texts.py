"""What a run does whose model continues a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from attn_widgets.capture import capture_trace, model_hash
from attn_widgets.config import GenerateConfig
from attn_widgets.generation.decode import ablated_heads, generate_tokens
from attn_widgets.generation.result import Generation, GenerationInterrupted, joins
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.blocks import Meta


def write_on(
    model: Any,
    tokenizer: Tokenizer,
    prompt: str,
    config: GenerateConfig,
    *,
    meta: Meta,
    notes: Sequence[str] = (),
    on_text: Callable[[str], None] | None = None,
    trace: bool = True,
) -> Generation:
    """Continue a prompt.

    Raises
    ------
    ConfigError
        For an empty prompt without a start token.
    GenerationInterrupted
        When interrupted; its ``generation`` is what there is.
    """
    decoded = generate_tokens(
        model, tokenizer.encode_prompt(prompt).tolist(), config, end_id=tokenizer.end_id, decode=tokenizer.decode,
        joins=joins(tokenizer, prompt), on_text=on_text, trace=trace,
    )  # fmt: skip
    read = np.array([*decoded.prompt_ids, *decoded.ids])
    about = {**meta, "text": prompt + decoded.text}
    generation = Generation(
        prompt, decoded.text, tuple(decoded.ids), tuple(tokenizer.tokens(read)[len(decoded.prompt_ids) :]),
        *decoded.choices.arrays(), decoded.stop_reason, (*notes, *decoded.notes), decoded.seconds, decoded, tokenizer,
        lambda: {"model": model_hash(model), **about},
        (lambda: trace_ids(model, tokenizer, read, config.ablate, about)) if trace else None,
    )  # fmt: skip
    if decoded.stop_reason == "interrupted":
        raise GenerationInterrupted(generation)
    return generation


def trace_ids(model: Any, tokenizer: Tokenizer, ids: np.ndarray, ablate: Sequence[str], meta: Meta) -> AttentionTrace:
    """Trace a text that is given as ids, its start token among them."""
    return capture_trace(model, ids, tokenizer.tokens(ids), tokenizer.token, ablate=ablated_heads(ablate), meta=meta)
