"""Texts that a model reads before it says anything: what happens to those longer than its context."""

from __future__ import annotations

import numpy as np

from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.text.lengths import halvings, window_starts
from attn_widgets.text.tokenizers import START, Tokenizer


def with_start(what: str, tokenizer: Tokenizer) -> str:
    """Name a text whose start token is counted with it, which nobody sees in what they gave."""
    return what if tokenizer.end_id is None else f"{what} with its {START}"


def check_end(ids: np.ndarray, config: ModelConfig, what: str) -> None:
    """Refuse a text that goes on where the positions of a language model end.

    Raises
    ------
    ConfigError
        One line with what would work.
    """
    if config.ends_at_context and len(ids) > config.context:
        raise ConfigError(
            f"{what} has {len(ids)} tokens, and --positions {config.positions} end at --context {config.context}; give "
            "a shorter one, or train with a larger --context or --positions rotary"
        )


def fitted(ids: np.ndarray, config: ModelConfig, what: str) -> tuple[np.ndarray, list[str]]:
    """Cut a text as ``--lengths`` says, and a note on what becomes of it where it is longer than the context.

    Raises
    ------
    ConfigError
        When there is no token, or more than the model reads.
    """
    count, context = len(ids), config.context
    if not count:
        raise ConfigError(f"{what} is empty; give at least one word of it")
    if count <= context:
        return ids, []
    if config.lengths == "refuse":
        raise ConfigError(
            f"{what} has {count} tokens, and --context {context} is the longest that is read; give a shorter one, or "
            "train with a larger --context or --lengths truncate"
        )
    becomes = {
        "truncate": f"the last {count - context} are left out",
        "slide": f"it is read in {len(window_starts(count, context))} overlapping windows",
        "convolve": f"neighbours are joined, {1 << halvings(count, context)} to one",
    }
    note = f"{what} has {count} tokens, the model's context {context}: {becomes[config.lengths]}"
    return ids[:context] if config.lengths == "truncate" else ids, [note]
