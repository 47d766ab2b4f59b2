"""Batches of token ids, and what training and scoring need of a text.

Random batches are a pure function of seed, step and micro-batch, so that a resumed run sees
what an unbroken one would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from attn_widgets.errors import CorpusError

IGNORED = -100
"""Target where nothing is to be predicted; torch's cross-entropy leaves it out."""


class Batch(NamedTuple):
    """What one pass of training or of scoring takes.

    Attributes
    ----------
    inputs
        Arguments of the model; for a language model its ids, int64 (row, position).
    targets
        int64 (row, position); `IGNORED` where nothing is to be predicted.
    """

    inputs: tuple[np.ndarray, ...]
    targets: np.ndarray


class Data(Protocol):
    """What training and scoring need of a text, whether it is one stream of tokens or pairs."""

    @property
    def validation_characters(self) -> int:
        """Characters that the predicted validation tokens stand for."""
        ...

    @property
    def validation_count(self) -> int:
        """Tokens to predict in the validation part."""
        ...

    @property
    def validation_note(self) -> str:
        """What was left out of the validation part, for the person; '' when nothing was."""
        ...

    def describe(self) -> str:
        """Say how much there is to train on."""
        ...

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All token ids, to know them again by."""
        ...

    def tokens_per_row(self, context: int) -> int:
        """Tokens of a training row, about."""
        ...

    def batch(self, context: int, rows: int, seed: int, step: int, micro: int) -> Batch:
        """Random rows; a pure function of seed, step and micro-batch."""
        ...

    def validation_batches(self, context: int, tokens: int) -> Iterator[Batch]:
        """Walk through the validation part, about `tokens` at a time: each is a target once."""
        ...


def sample(
    tokens: np.ndarray, context: int, batch: int, seed: int, step: int, micro: int, end: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Random stretches of `tokens`.

    Parameters
    ----------
    tokens
        Ids (token,).
    context, batch
        Length and number of the stretches.
    seed, step, micro
        Nothing else decides which stretches these are.
    end
        Id of the token between documents. Half of the stretches are then moved back to the end token
        before them, as far as `context` reaches, since a prompt begins there too.

    Returns
    -------
    inputs, targets
        int64 (batch, context); targets are the inputs one token later.

    Raises
    ------
    CorpusError
        When `tokens` is shorter than one stretch and its target.
    """
    if len(tokens) <= context:
        longest = len(tokens) - 1
        raise CorpusError(f"--context {context} is longer than the text of {len(tokens)} tokens; try {longest} or less")
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, step, micro))))
    starts = random.integers(len(tokens) - context, size=(batch, 1))
    if end is not None:
        starts -= _steps_back(tokens, starts, context, end) * (random.random((batch, 1)) < 0.5)
    drawn = tokens[starts + np.arange(context + 1)].astype(np.int64)  # (batch, context + 1)
    return drawn[:, :-1], drawn[:, 1:]


def _steps_back(tokens: np.ndarray, starts: np.ndarray, context: int, end: int) -> np.ndarray:
    """Distances (batch, 1) to the nearest end token at or before each start; 0 where it is out of reach."""
    back = starts - np.arange(context)  # (batch, context)
    found: np.ndarray = (tokens[np.maximum(back, 0)] == end) & (back >= 0)
    steps: np.ndarray = found.argmax(axis=1, keepdims=True)
    return steps


def windows(tokens: np.ndarray, context: int, batch: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Walk through `tokens` in windows that do not overlap: each but the first is a target once.

    Yields
    ------
    inputs, targets, valid
        (rows, context) with at most `batch` rows; int64, int64, bool. Where `valid` is False,
        in the tail, there is nothing to predict and the ids are 0.
    """
    count = len(tokens) - 1
    for start in range(0, count, context * batch):
        size = min(context * batch, count - start)
        rows = -(-size // context)
        inputs, targets, valid = (np.zeros(rows * context, kind) for kind in (np.int64, np.int64, np.bool_))
        inputs[:size], targets[:size] = tokens[start : start + size], tokens[start + 1 : start + size + 1]
        valid[:size] = True
        yield inputs.reshape(rows, context), targets.reshape(rows, context), valid.reshape(rows, context)
