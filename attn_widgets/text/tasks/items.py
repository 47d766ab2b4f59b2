"""What a task is: questions, their answers, and a split in which no held-out question is trained on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

SEPARATOR = "→"
"""Stands between a question and its answer where both are one text."""
RARE = 5  # a word seen at most this often is rare
HELD_OUT = 1000  # validation items

Metric = Literal["exact_match", "token_accuracy"]


class Item(NamedTuple):
    """One question and its answer.

    Positions count tokens of the task's own tokenizer (characters, or words between spaces) from
    zero, within `source` or within `target`; in a joined row ``‹start› source → target`` the source
    begins at 1.

    Attributes
    ----------
    source, target
        The question and the answer.
    group
        What accuracy is broken down by, such as ``distance 8``.
    keys
        Source positions that the first predicted token of the answer depends on.
    mislead
        Source positions of a distractor that suggests a wrong answer; empty where there is none.
    given
        Target positions that are read and not predicted, such as the keys asked for in `recall`.
        The position behind the last token stands for the end.
    references
        All right answers where there are several; `target` is the first.
    """

    source: str
    target: str
    group: str = ""
    keys: tuple[int, ...] = ()
    mislead: tuple[int, ...] = ()
    given: tuple[int, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """Items to train on, to validate on and to test on.

    Attributes
    ----------
    name
        Short name, fit for a folder.
    source
        One line that says what the task is.
    tokenizer
        What a token of its texts is.
    prompt
        A source to try.
    metric
        ``exact_match``: the whole answer is right; ``token_accuracy``: share of the predicted
        tokens that are right, each after the right tokens before it.
    train, validation, test
        The items.
    """

    name: str
    source: str
    tokenizer: Literal["char", "word"]
    prompt: str
    metric: Metric
    train: Sequence[Item]
    validation: Sequence[Item]
    test: Sequence[Item]

    @property
    def between(self) -> str:
        """What stands between question and answer where both are one text: ``→`` in characters, `` → `` in words."""
        return SEPARATOR if self.tokenizer == "char" else f" {SEPARATOR} "

    def joined(self, source: str, target: str = "") -> str:
        """Question and answer as one text; without a target, what a language model continues."""
        return f"{source}{self.between}{target}" if target else f"{source}{self.between}".rstrip()

    def __repr__(self) -> str:
        sizes = f"{len(self.train):,} + {len(self.validation):,} + {len(self.test):,} items"
        return f"Task({self.name}, {sizes})"


class Recipe(NamedTuple):
    """How the items of a generated task are drawn.

    Attributes
    ----------
    source, tokenizer, prompt, metric
        As in `Task`.
    draw
        Draws one item: of the group named or, for ``""``, as in training.
    groups
        Groups of the test items.
    per_group
        Test items of each group.
    size
        Training items by default.
    identity
        What must not stand in two parts: the source unless said otherwise.
    """

    source: str
    tokenizer: Literal["char", "word"]
    prompt: str
    metric: Metric
    draw: Callable[[random.Random, str], Item]
    groups: tuple[str, ...]
    per_group: int
    size: int = 20_000
    identity: Callable[[Item], str] = lambda item: item.source


def make(name: str, recipe: Recipe, seed: int, size: int) -> Task:
    """Draw a task: the same test and validation items whatever the `size`.

    Parameters
    ----------
    name, recipe
        What to draw.
    seed
        Decides all items.
    size
        Number of training items.
    """
    held_out: set[str] = set()
    test: list[Item] = []
    rng = random.Random(f"{name} {seed} test")
    for group in recipe.groups:
        test += _distinct(recipe, rng, group, recipe.per_group, held_out)
    validation = _distinct(recipe, random.Random(f"{name} {seed} validation"), "", HELD_OUT, held_out)
    train: list[Item] = []
    rng = random.Random(f"{name} {seed} train")
    while len(train) < size:
        item = recipe.draw(rng, "")
        if recipe.identity(item) not in held_out:
            train.append(item)
    texts = recipe.source, recipe.tokenizer, recipe.prompt, recipe.metric
    return Task(name, *texts, tuple(train), tuple(validation), tuple(test))


def _distinct(recipe: Recipe, rng: random.Random, group: str, count: int, taken: set[str]) -> list[Item]:
    """Draw `count` items that are not in `taken`, and add them to it."""
    items: list[Item] = []
    while len(items) < count:
        item = recipe.draw(rng, group)
        if recipe.identity(item) not in taken:
            taken.add(recipe.identity(item))
            items.append(item)
    return items


def pieces(text: str, tokenizer: Literal["char", "word"]) -> list[str]:
    """Tokens of an item's source or target: its characters, or its words between single spaces."""
    return list(text) if tokenizer == "char" else text.split(" ")


def rare_words(task: Task, at_most: int = RARE) -> frozenset[str]:
    """Words that the training targets hold at least once and at most `at_most` times.

    Empty for a task of characters, whose answers have no words.
    """
    if task.tokenizer == "char":
        return frozenset()
    counts = Counter(_target_words(task.train))
    return frozenset(word for word, count in counts.items() if count <= at_most)


def _target_words(items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        yield from item.target.split(" ")
