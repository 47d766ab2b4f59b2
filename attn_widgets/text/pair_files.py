"""Questions and answers as padded batches of token ids.

An encoder–decoder gets them apart, a language model joined in one row, and only the answer is
predicted. Random batches are a pure function of seed, step and micro-batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from attn_widgets.errors import CorpusError
from attn_widgets.text.batches import IGNORED, Batch
from attn_widgets.text.ragged import Ragged
from attn_widgets.text.tokenizers import Tokenizer

Lengths = Literal["refuse", "truncate", "slide", "convolve"]
LONGER = {
    "refuse": "",
    "truncate": "their ends are cut off",
    "slide": "they are read in overlapping windows",
    "convolve": "neighbouring tokens are joined until they fit",
}
"""What becomes of sources longer than the context."""
PADDING = 0
POOL = 8  # batches' worth of random items that are sorted by length, to take one batch from


class Pairs(NamedTuple):
    """Token ids of some items.

    Attributes
    ----------
    source
        The questions.
    inputs
        What a decoder reads: start and target, or start, source, separator and target.
    labels
        The token after each of the `inputs`, `IGNORED` where it is not predicted.
    start
        Position in `inputs` of the token before the target, int64 (row,).
    first
        Position of the first label that is predicted, int64 (row,).
    counts
        Number of labels that are predicted, int64 (row,).
    """

    source: Ragged
    inputs: Ragged
    labels: Ragged
    start: np.ndarray
    first: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class PairFiles:
    """Token ids of a task.

    Attributes
    ----------
    train, validation, test
        The parts, in the order of the task's items.
    joined
        Whether question and answer stand in one row, for a language model.
    lengths
        What becomes of a row longer than the context: ``refuse`` it, or ``truncate`` the end of its
        source (and the end of a target that is too long by itself). Under ``slide`` and ``convolve`` the
        model takes sources of any length, and only targets have to fit.
    tokenizer
        What made the ids.
    validation_characters
        Characters that the predicted validation tokens stand for. The end counts as one, as a word
        does with the space behind it.
    validation_total
        Validation items of the task, of which the first ones are kept.
    """

    train: Pairs
    validation: Pairs
    test: Pairs
    joined: bool
    lengths: Lengths
    tokenizer: Tokenizer
    validation_characters: int
    validation_total: int

    @property
    def validation_count(self) -> int:
        """Tokens to predict in the validation part."""
        return int(self.validation.counts.sum())

    @property
    def validation_capped(self) -> bool:
        """Whether the validation part was longer than the limit."""
        return len(self.validation.source) < self.validation_total

    @property
    def validation_note(self) -> str:
        """Say when the validation part was cut."""
        if not self.validation_capped:
            return ""
        kept = len(self.validation.source)
        return f"validation on the first {kept:,} of {self.validation_total:,} items (--validation-tokens)"

    def nats_per_character(self, loss: float) -> float:
        """Convert a validation loss in nats per token."""
        return loss * self.validation_count / self.validation_characters

    def tokens_per_row(self, context: int) -> int:
        """Mean number of predicted tokens in a training row."""
        return max(1, round(float(self.train.counts.mean())))

    def check(self, context: int, ways: Sequence[str] = ("truncate",)) -> None:
        """Refuse a context that does not hold every row.

        Parameters
        ----------
        context
            Longest row.
        ways
            What may become of longer ones in the model that is to read them.

        Raises
        ------
        CorpusError
            One line with what would.
        """
        for part in (self.train, self.validation, self.test):
            self._check(part, context, ways)

    def describe(self) -> str:
        """Say how much there is to train on."""
        train, held_out = len(self.train.source), len(self.validation.source)
        return f"{train:,} pairs to train on, {held_out:,} held out"

    def lengths_note(self, context: int) -> str:
        """Say how many training sources are longer than the context, and what becomes of them; '' when none is."""
        longer = int((self.train.source.lengths > self._room(self.train, context)).sum())
        if not longer:
            return ""
        return f"{longer:,} of them longer than --context {context}: {LONGER[self.lengths]} (--lengths {self.lengths})"

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All token ids, to know them again by."""
        parts = (self.train, self.validation)
        return tuple(ragged.values for part in parts for ragged in (part.source, part.inputs, part.labels))

    def batch(self, context: int, rows: int, seed: int, step: int, micro: int) -> Batch:
        """Random training items of like lengths; nothing but the arguments decides which.

        Of `POOL` times as many as are wanted, drawn at random and sorted by length, one stretch is
        taken, so that each item is equally likely.

        Raises
        ------
        CorpusError
            When a training item does not fit into `context` tokens.
        """
        self._check(self.train, context)
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, step, micro))))
        drawn = random.integers(len(self.train.source), size=POOL * rows)
        size = self._widths(self.train)[drawn].sum(axis=1)
        start = rows * int(random.integers(POOL))
        return self._rows(self.train, drawn[np.argsort(size, kind="stable")][start : start + rows], context)

    def validation_batches(self, context: int, tokens: int) -> Iterator[Batch]:
        """Every validation item once, by length, in batches of at most `tokens` tokens and padding (or one row).

        Raises
        ------
        CorpusError
            When a validation item does not fit into `context` tokens.
        """
        return (batch for _, batch in self._walk(self.validation, context, tokens))

    def test_batches(self, context: int, tokens: int) -> Iterator[tuple[np.ndarray, Batch]]:
        """As `validation_batches`, each with the positions of its items in the task's `test`, (row,)."""
        return self._walk(self.test, context, tokens)

    def starts(self, rows: np.ndarray, context: int) -> np.ndarray:
        """Positions in a batch of the test rows `rows` at which their targets are predicted from on, (row,)."""
        starts: np.ndarray = self.test.start[rows] - self._kept(self.test, rows, context)[1]
        return starts

    def prompts(self, context: int) -> list[np.ndarray]:
        """List what a language model reads before it answers each test item: int64 (token,), `context` at most."""
        rows = np.arange(len(self.test.source))
        kept, cut = self.starts(rows, context) + 1, self._kept(self.test, rows, context)[1]
        padded = self.test.inputs.padded(rows, kept, PADDING, (1 + self.test.source.lengths - cut, cut))
        return [row[:count] for row, count in zip(padded, kept, strict=True)]

    def _walk(self, part: Pairs, context: int, tokens: int) -> Iterator[tuple[np.ndarray, Batch]]:
        self._check(part, context)
        widths = self._widths(part) if self._widens else np.minimum(self._widths(part), context)
        order = np.argsort(widths.sum(axis=1), kind="stable")
        start = 0
        while start < len(order):
            widest = np.maximum.accumulate(widths[order[start : start + max(1, tokens)]])  # of 1, 2, 3, … rows
            padded = widest.sum(axis=1) * np.arange(1, len(widest) + 1)
            count = max(1, int(np.searchsorted(padded, tokens, side="right")))
            rows = order[start : start + count]
            yield rows, self._rows(part, rows, context)
            start += count

    def _rows(self, part: Pairs, rows: np.ndarray, context: int) -> Batch:
        source = part.source.lengths[rows]
        kept, cut = self._kept(part, rows, context)
        gap = 1 + source - cut, cut  # the end of a joined source, where no label stands
        inputs = part.inputs.padded(rows, kept, PADDING, gap)
        targets = part.labels.padded(rows, kept, IGNORED, gap)
        if self.joined:
            return Batch((inputs,), targets)
        lengths = source if self._widens else np.minimum(source, context)
        return Batch((part.source.padded(rows, lengths, PADDING), lengths, inputs), targets)

    def _kept(self, part: Pairs, rows: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of the inputs that are kept of each row, and tokens of a joined source that are left out."""
        length = part.inputs.lengths[rows]
        cut = np.clip(length - context, 0, part.source.lengths[rows] if self.joined else 0)
        return np.minimum(length - cut, context), cut

    @property
    def _widens(self) -> bool:
        """Whether sources are read whole, whatever their length."""
        return self.lengths in ("slide", "convolve")

    def _room(self, part: Pairs, context: int) -> np.ndarray:
        """Tokens of each source for which there is room."""
        return context - (part.inputs.lengths - part.source.lengths if self.joined else 0 * part.source.lengths)

    def _widths(self, part: Pairs) -> np.ndarray:
        """Tokens of each row (row, 2): of a source that stands apart, and of the inputs of the decoder."""
        return np.stack([part.source.lengths * (not self.joined), part.inputs.lengths], axis=1)

    def _check(self, part: Pairs, context: int, ways: Sequence[str] = ("truncate",)) -> None:
        widths = self._widths(part)
        longest = int((widths[:, 1] if self._widens else widths).max())
        if longest <= context:
            return
        if self.lengths != "truncate":
            raise CorpusError(
                f"--context {context} is too short for a row of {longest} tokens; "
                f"try --context {longest}, or --lengths {' or '.join(ways)}"
            )
        least = int((part.first - part.source.lengths * self.joined).max()) + 1
        if context < least:
            raise CorpusError(f"--context {context} leaves nothing to predict; try {least} or more")
