"""Training without steps: an n-gram model counts its text once."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch.optim import SGD

from attn_widgets.errors import ConfigError, RunError
from attn_widgets.history import History, Validation
from attn_widgets.models import NGram
from attn_widgets.text.batches import IGNORED, Data
from attn_widgets.text.token_files import TokenFiles
from attn_widgets.training.checkpoint import pointers, write_checkpoint

AT_ONCE = 16_384
"""Tokens scored in one pass."""


def count_run(model: NGram, data: Data, folder: Path) -> History:
    """Count the training text, score the validation text exactly, and write the one checkpoint of the run.

    Parameters
    ----------
    model
        Counted afterwards.
    data
        A text, or questions and answers joined in rows.
    folder
        Of the run.

    Raises
    ------
    RunError
        When the run has been counted already: there is nothing to go on with.
    """
    if pointers(folder):
        raise RunError(f"run {folder.name!r} has counted its text, and counting again adds nothing; use it as it is")
    began = time.perf_counter()
    history = History(validation=[score_counts(model, data)])
    state = {"step": 1, "seconds": time.perf_counter() - began, "history": asdict(history), "precision": "no",
             "optimizer": "none", "scaler": None}  # fmt: skip
    nothing = SGD([torch.nn.Parameter(torch.zeros(1))])
    write_checkpoint(folder, model, nothing, state, best=True)
    return history


def score_counts(model: NGram, data: Data) -> Validation:
    """Count, and return the exact validation loss; each token is predicted from all that stands before it."""
    if isinstance(data, TokenFiles):
        model.count(data.train)
        nats = -float(model.log_probability(data.validation)[1:].sum())
        return _validation(nats, data)
    parts = getattr(data, "train", None)
    if parts is None:
        raise ConfigError(f"--model ngram cannot count {type(data).__name__}; give it a text or a task")
    model.count(parts.inputs.values)
    nats = 0.0
    for batch in data.validation_batches(model.config.context, AT_ONCE):
        logits = model(torch.from_numpy(batch.inputs[0])).logits.numpy()
        rows, columns = np.nonzero(batch.targets != IGNORED)
        nats -= float(logits[rows, columns, batch.targets[rows, columns]].sum())
    return _validation(nats, data)


def _validation(nats: float, data: Data) -> Validation:
    return Validation(1, nats / data.validation_count, nats / data.validation_characters)
