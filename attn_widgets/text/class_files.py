"""Texts and their classes as padded batches, for a model that reads a text and tells one of a few labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from attn_widgets.errors import CorpusError
from attn_widgets.text.batches import Batch
from attn_widgets.text.pair_files import Lengths, PairFiles, Pairs
from attn_widgets.text.pairs import check_tokens
from attn_widgets.text.ragged import Ragged
from attn_widgets.text.tasks import Item, Task
from attn_widgets.text.tokenizers import Tokenizer


@dataclass(frozen=True)
class ClassFiles:
    """Token ids of a task whose answers are labels: batches of (ids, lengths), and a class (row, 1) for each.

    Attributes
    ----------
    pairs
        The texts as sources; each one's target is one label, by its number.
    labels
        The classes, in order.
    """

    pairs: PairFiles
    labels: tuple[str, ...]

    joined = False
    """A text stands alone."""

    @property
    def tokenizer(self) -> Tokenizer:
        """What made the ids."""
        return self.pairs.tokenizer

    @property
    def validation_count(self) -> int:
        """Labels to predict in the validation part."""
        return self.pairs.validation_count

    @property
    def validation_characters(self) -> int:
        """Characters of these labels."""
        return self.pairs.validation_characters

    @property
    def validation_note(self) -> str:
        """Say when the validation part was cut."""
        return self.pairs.validation_note

    def describe(self) -> str:
        """Say how much there is to train on."""
        train, held_out = len(self.pairs.train.source), len(self.pairs.validation.source)
        return f"{train:,} texts to train on, {held_out:,} held out, classes {', '.join(self.labels)}"

    def lengths_note(self, context: int) -> str:
        """Say how many texts are longer than the context, and what becomes of them; '' when none is."""
        return self.pairs.lengths_note(context)

    def check(self, context: int, ways: Sequence[str] = ("truncate",)) -> None:
        """Refuse texts longer than the context, where nothing else is to become of them (see `PairFiles`)."""
        self.pairs.check(context, ways)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All token ids, to know them again by."""
        return self.pairs.arrays()

    def tokens_per_row(self, context: int) -> int:
        """Mean number of tokens in a training text."""
        return max(1, round(float(self.pairs.train.source.lengths.mean())))

    def batch(self, context: int, rows: int, seed: int, step: int, micro: int) -> Batch:
        """Random training texts of like lengths; see `PairFiles.batch`."""
        return _alone(self.pairs.batch(context, rows, seed, step, micro))

    def validation_batches(self, context: int, tokens: int) -> Iterator[Batch]:
        """Every validation text once; see `PairFiles.validation_batches`."""
        return map(_alone, self.pairs.validation_batches(context, tokens))

    def test_batches(self, context: int, tokens: int) -> Iterator[tuple[np.ndarray, Batch]]:
        """As `validation_batches`, each with the positions of its items in the task's `test`, (row,)."""
        return ((rows, _alone(batch)) for rows, batch in self.pairs.test_batches(context, tokens))


def _alone(batch: Batch) -> Batch:
    """Leave out what a decoder would read."""
    return Batch(batch.inputs[:2], batch.targets)


def encode_classes(
    task: Task, labels: Sequence[str], tokenizer: Tokenizer, *, limit: int, lengths: Lengths = "refuse"
) -> ClassFiles:
    """Token ids and classes of all parts of `task`.

    Parameters
    ----------
    task
        What to encode.
    labels
        The classes; every target is one of them.
    tokenizer
        Trained on the task's texts.
    limit
        Number of validation texts to keep.
    lengths
        What becomes of a text longer than the context.

    Raises
    ------
    ConfigError
        When the task counts positions in tokens of another kind.
    CorpusError
        When a part has no item, a text no token, or a target is no label.
    """
    check_tokens(task, tokenizer)
    numbers = {label: at for at, label in enumerate(labels)}
    kept = task.validation[: max(1, limit)]
    train, validation, test = (_encode(task, part, tokenizer, numbers) for part in (task.train, kept, task.test))
    characters = sum(len(item.target) for item in kept)
    pairs = PairFiles(train, validation, test, False, lengths, tokenizer, characters, len(task.validation))
    return ClassFiles(pairs, tuple(labels))


def _encode(task: Task, items: Sequence[Item], tokenizer: Tokenizer, numbers: dict[str, int]) -> Pairs:
    if not items:
        raise CorpusError(f"task {task.name!r} lacks items in one of its parts; give one or more")
    sources = tokenizer.encode_batch([item.source for item in items])
    for item, source in zip(items, sources, strict=True):
        if not len(source) or item.target not in numbers:
            wrong = f"the class {item.target!r:.40} is none of {', '.join(numbers)}"
            what = wrong if len(source) else "it has no token"
            raise CorpusError(f"task {task.name!r} has the item {item.source!r:.40}: {what}; leave it out")
    one = [np.zeros(1, np.int32)] * len(items)
    classes = [np.array([numbers[item.target]], np.int32) for item in items]
    nothing = np.zeros(len(items), np.int64)
    return Pairs(Ragged(sources), Ragged(one), Ragged(classes), nothing, nothing, nothing + 1)
