"""A run at a glance, as a small table."""

from __future__ import annotations

import math
from pathlib import Path

from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.history import History
from attn_widgets.run.files import Description


def facts(folder: Path, described: Description, history: History | None) -> dict[str, str]:
    """Name and value of each line."""
    corpus, model, training, tokenizer = described
    lines = {
        "run": f"{folder.name} ({folder})",
        "corpus": f"{corpus.name}: {corpus.source}",
        "tokens": f"{tokenizer.kind}, vocabulary of {tokenizer.vocab_size}",
        "model": _model(model),
        "training": _training(model, training),
    }
    counts = model.model == "ngram"
    best = None if history is None else history.best
    if best is not None:
        floor = "" if corpus.floor is None else f" (the grammar's floor: {corpus.floor:.3f})"
        lines["best validation"] = (
            f"{best.loss:.3f} nats per token{floor}, perplexity {math.exp(best.loss):.2f}, "
            f"{best.nats_per_character:.3f} nats per character{'' if counts else f', at step {best.step}'}"
        )
    return lines


def _model(model: ModelConfig) -> str:
    """Only what this kind of model has: counts have no layers, recurrent layers no positions."""
    if model.model == "ngram":
        return f"n-grams of up to {model.order} tokens"
    grouped = "" if model.kv_heads is None else f" ({model.kv_heads} for keys and values)"
    heads = ", no attention" if model.attention == "none" else f" × {model.heads} heads{grouped}"
    embedded = model.model == "convseq2seq" and model.positions == "rotary"
    placed = f", {'learned' if embedded else model.positions} positions"
    return (
        f"{model.layers} layers{heads}, width {model.dim}, context {model.context}"
        f"{'' if model.model in ('recurrent', 'seq2seq') or model.attention == 'segment_memory' else placed}"
    )


def _training(model: ModelConfig, training: TrainConfig) -> str:
    if model.model == "ngram":
        return "counted once; there are no steps"
    length = f"{training.minutes:g} minutes" if training.minutes else f"{training.steps} steps"
    rows = training.batch * training.accumulate
    each = f"{rows} pairs" if model.reads_pairs else f"{rows} × {model.context} tokens"
    return f"{length} of {each}, {training.optimizer}"
