"""A run on disk that was trained for a moment, shared by the tests that read runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.history import Progress
from attn_widgets.models import Transformer
from attn_widgets.run import Run, record_moment
from attn_widgets.text.corpus import Corpus, load_corpus
from attn_widgets.text.token_files import encode_corpus
from attn_widgets.text.tokenizers import Kind, train_tokenizer
from attn_widgets.training import fit


def silent(progress: Progress) -> None:
    """Show nothing."""


def train_run(folder: Path, corpus: Corpus | None = None, kind: Kind = "word", **options: Any) -> Run:
    """Train a few steps and leave a whole run in `folder`."""
    corpus = corpus or load_corpus()
    model_config = ModelConfig(**{"layers": 2, "heads": 4, "dim": 32, "context": 32, **options})
    config = TrainConfig(steps=40, batch=16, validate_every=20, mixed_precision="no", moments=3)
    tokenizer = train_tokenizer(kind, corpus, 400)
    run = Run.create(folder, corpus, tokenizer, model_config, config)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Transformer(model_config, tokenizer.vocab_size)
    fit(
        model, encode_corpus(corpus, tokenizer, folder, 500), config, folder=folder, report=silent,
        on_moment=lambda step, model: record_moment(folder, step, model, tokenizer, corpus.prompt),  # type: ignore[arg-type]
    )  # fmt: skip
    return run
