"""Token ids with some hidden, as a masked language model is trained and scored on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from attn_widgets.errors import ConfigError
from attn_widgets.text.batches import IGNORED, Batch, sample
from attn_widgets.text.masking import mask_tokens
from attn_widgets.text.token_files import TokenFiles

SHORT = 0.25
"""Share of the training rows that are cut short: a text to be filled in rarely is as long as the context."""
HIDDEN = 2018
"""Seed of what is hidden in the validation part."""


@dataclass(frozen=True)
class MaskedFiles:
    """A corpus whose hidden tokens are asked for. The end token between documents never is.

    Attributes
    ----------
    files
        The corpus.
    vocab_size
        Number of token ids; the next one is the mask token's.
    context
        Length of the rows.
    """

    files: TokenFiles
    vocab_size: int
    context: int

    @property
    def validation_count(self) -> int:
        """Tokens asked for in the validation part."""
        return int((self._validation[1] != IGNORED).sum())

    @property
    def validation_characters(self) -> int:
        """Characters that the asked validation tokens stand for: their share of all, rounded."""
        return max(1, round(self.files.validation_characters * self.validation_count / self.files.validation_count))

    @property
    def validation_note(self) -> str:
        """Say when the validation part was cut."""
        return self.files.validation_note

    def describe(self) -> str:
        """Say how much there is to train on."""
        return f"{self.files.describe()}, of which {self.validation_count:,} are hidden and asked for"

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All token ids, to know them again by."""
        return self.files.arrays()

    def tokens_per_row(self, context: int) -> int:
        """Tokens of a training row."""
        return context

    def batch(self, context: int, rows: int, seed: int, step: int, micro: int) -> Batch:
        """Random stretches with hidden tokens, some cut short; a pure function of seed, step and micro-batch.

        A row that is cut begins where it did and ends anywhere, or with its first document.
        """
        ids, _ = sample(self.files.train, context, rows, seed, step, micro, self.files.end)
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, step, micro, 1))))
        lengths = self._cut(ids, random)
        inputs, targets = self._hide(ids, lengths, random)
        return Batch((inputs, lengths), targets)

    def validation_batches(self, context: int, tokens: int) -> Iterator[Batch]:
        """Walk through the validation part in rows that do not overlap; the same tokens are hidden every time.

        Raises
        ------
        ConfigError
            For another context than this one's: what is hidden depends on it.
        """
        if context != self.context:
            raise ConfigError(f"rows were hidden for --context {self.context}; given {context}")
        inputs, targets, lengths = self._validation
        step = max(1, tokens // context)
        for start in range(0, len(inputs), step):
            rows = slice(start, start + step)
            yield Batch((inputs[rows], lengths[rows]), targets[rows])

    @cached_property
    def _validation(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs and targets (row, context), and lengths (row,), of the whole validation part."""
        ids, context = self.files.validation, self.context
        rows = -(-len(ids) // context)
        padded = np.pad(ids.astype(np.int64), (0, rows * context - len(ids))).reshape(rows, context)
        lengths = np.full(rows, context)
        lengths[-1] = len(ids) - (rows - 1) * context
        inputs, targets = self._hide(padded, lengths, np.random.Generator(np.random.Philox(HIDDEN)))
        return inputs, targets, lengths

    def _hide(self, ids: np.ndarray, lengths: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        maskable = self._tokens(ids) & (np.arange(ids.shape[1]) < lengths[:, None])
        return mask_tokens(ids, self.vocab_size, self.vocab_size, random, maskable=maskable)

    def _tokens(self, ids: np.ndarray) -> np.ndarray:
        """Tell tokens that stand for text."""
        return np.ones(ids.shape, np.bool_) if self.files.end is None else ids != self.files.end

    def _cut(self, ids: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Lengths (row,) of which some are short; none leaves a row without a token to ask for."""
        rows, context = ids.shape
        chosen, length = random.random(rows) < SHORT, random.integers(1, context + 1, rows)
        tokens = self._tokens(ids)
        begins = ~tokens[:, 0]  # at the start of a document, which ends before the next end token
        ends = ~tokens[:, 1:]
        length = np.where(begins & ends.any(1), ends.argmax(1) + 1, length)
        least = np.where(tokens.any(1), tokens.argmax(1) + 1, context)
        lengths: np.ndarray = np.where(chosen, np.maximum(length, least), context)
        return lengths
