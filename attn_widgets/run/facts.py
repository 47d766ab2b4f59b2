"""A run at a glance, as a small table."""

from __future__ import annotations

import math
from pathlib import Path

from attn_widgets.history import History
from attn_widgets.run.files import Description


def facts(folder: Path, described: Description, history: History | None) -> dict[str, str]:
    """Name and value of each line."""
    corpus, model, training, tokenizer = described
    grouped = "" if model.kv_heads is None else f" ({model.kv_heads} for keys and values)"
    length = f"{training.minutes:g} minutes" if training.minutes else f"{training.steps} steps"
    lines = {
        "run": f"{folder.name} ({folder})",
        "corpus": f"{corpus.name}: {corpus.source}",
        "tokens": f"{tokenizer.kind}, vocabulary of {tokenizer.vocab_size}",
        "model": f"{model.layers} layers × {model.heads} heads{grouped}, width {model.dim}, context {model.context}, "
        f"{model.positions} positions",
        "training": f"{length} of {training.batch * training.accumulate} × {model.context} tokens, "
        f"{training.optimizer}",
    }
    best = None if history is None else history.best
    if best is not None:
        floor = "" if corpus.floor is None else f" (the grammar's floor: {corpus.floor:.3f})"
        lines["best validation"] = (
            f"{best.loss:.3f} nats per token{floor}, perplexity {math.exp(best.loss):.2f}, "
            f"{best.nats_per_character:.3f} nats per character, at step {best.step}"
        )
    return lines
