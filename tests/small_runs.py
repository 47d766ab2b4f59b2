"""A model and a text small enough to train dozens of times in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.history import History, Progress
from attn_widgets.models.transformer import Transformer
from attn_widgets.text.token_files import TokenFiles
from attn_widgets.training import fit

VOCABULARY = 11


def small_tokens() -> TokenFiles:
    """A noisy count upwards, which a model learns to continue."""
    random = np.random.default_rng(7)
    ids = (np.arange(400) + random.integers(0, 2, 400)) % VOCABULARY
    return TokenFiles(ids[:330].astype(np.uint16), ids[330:].astype(np.uint16), 2 * 69, False)


def small_model(**options: Any) -> Transformer:
    """The same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        shape: dict[str, Any] = {"layers": 1, "heads": 2, "dim": 8, "context": 6} | options
        return Transformer(ModelConfig(**shape), VOCABULARY)


def small_config(**options: Any) -> TrainConfig:
    """Six steps."""
    chosen: dict[str, Any] = {"validate_every": 2, "mixed_precision": "no", "moments": 0}
    chosen |= {"steps": 6, "batch": 3, "warmup": 2} | options
    return TrainConfig(**chosen)


def silent(progress: Progress) -> None:
    """Show nothing."""


def train(folder: Path, model: Transformer | None = None, *, resume: bool = False, **options: Any) -> History:
    """A whole run."""
    return fit(
        model or small_model(), small_tokens(), small_config(**options), folder=folder, report=silent, resume=resume
    )
