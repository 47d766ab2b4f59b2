"""The training part of a corpus cut into k parts, each to be scored by models trained on the others.

Whole documents and whole items are shuffled by the seed and dealt out; one continuous text is cut into blocks that
stay together, since neighbouring pieces of it resemble each other. It is done here and not by scikit-learn's
splitters: it takes a permutation and a remainder, and texts that are iterated over and never held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np

from attn_widgets.errors import ConfigError
from attn_widgets.text.corpus import Corpus
from attn_widgets.text.tasks import Item, Task
from attn_widgets.text.texts import Texts


def make_folds(corpus: Corpus, folds: int, seed: int) -> list[Corpus]:
    """Cut the training part of a corpus; what it holds out is in none of the folds.

    Parameters
    ----------
    corpus
        Documents are dealt out whole. Items of a task that ask the same (translations of one sentence) stay
        together. One continuous text is cut into blocks of equally many characters.
    folds
        Number of parts.
    seed
        Decides which document is in which part.

    Returns
    -------
    list of Corpus
        In fold i the validation texts are part i, and the training texts all other parts.

    Raises
    ------
    ConfigError
        When there are fewer documents than folds.
    """
    if corpus.task is not None:
        return _of_items(corpus, corpus.task, folds, seed)
    if corpus.has_documents:
        return _of_documents(corpus, folds, seed)
    return _of_blocks(corpus, folds)


def deal(count: int, folds: int, seed: int, what: str) -> np.ndarray:
    """Fold of each of `count` things, int64 (thing,): sizes differ by one at most.

    Raises
    ------
    ConfigError
        When a fold would be empty.
    """
    if count < folds:
        works = f"try --folds {count}" if count > 1 else "give a longer text"
        raise ConfigError(f"--folds {folds} is more than the {count} {what} to train on; {works}")
    return np.random.default_rng(seed).permutation(count) % folds


def _of_documents(corpus: Corpus, folds: int, seed: int) -> list[Corpus]:
    count = sum(1 for _ in corpus.train)
    of = deal(count, folds, seed, "documents")
    return [_fold(corpus, of == fold) for fold in range(folds)]


def _of_items(corpus: Corpus, task: Task, folds: int, seed: int) -> list[Corpus]:
    number: dict[str, int] = {}
    asked = [number.setdefault(_asked(item), len(number)) for item in task.train]
    of = deal(len(number), folds, seed, "questions")[asked]
    return [
        replace(
            _fold(corpus, of == fold),
            task=replace(task, train=_picked(task.train, of != fold), validation=_picked(task.train, of == fold)),
        )
        for fold in range(folds)
    ]


def _asked(item: Item) -> str:
    """Words of a question, without marks and capitals."""
    return " ".join(re.findall(r"\w+", item.source.casefold())) or item.source


def _picked(items: Sequence[Item], wanted: np.ndarray) -> tuple[Item, ...]:
    return tuple(item for item, takes in zip(items, wanted, strict=True) if takes)


def _fold(corpus: Corpus, held_out: np.ndarray) -> Corpus:
    def texts(wanted: np.ndarray) -> Texts:
        return Texts(lambda: (text for text, takes in zip(corpus.train, wanted, strict=True) if takes))

    return replace(corpus, train=texts(~held_out), validation=texts(held_out), floor=None)


def _of_blocks(corpus: Corpus, folds: int) -> list[Corpus]:
    total = sum(map(len, corpus.train))
    cuts = [total * fold // folds for fold in range(folds + 1)]
    if total < 2 * folds:
        raise ConfigError(f"--folds {folds} leaves nothing of a text of {total} characters; give a longer text")
    return [_block(corpus, start, stop, total) for start, stop in pairwise(cuts)]


def _block(corpus: Corpus, start: int, stop: int, total: int) -> Corpus:
    train = Texts(lambda: chain(_between(corpus.train, 0, start), _between(corpus.train, stop, total)))
    return replace(corpus, train=train, validation=Texts(lambda: _between(corpus.train, start, stop)), floor=None)


def _between(pieces: Texts, start: int, stop: int) -> Iterator[str]:
    """Characters `start` to `stop` of a text in pieces."""
    position = 0
    for piece in pieces:
        wanted = piece[max(0, start - position) : max(0, stop - position)]
        if wanted:
            yield wanted
        position += len(piece)
        if position >= stop:
            return
