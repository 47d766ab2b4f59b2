"""From the items of a task to token ids: see `PairFiles`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attn_widgets.errors import ConfigError, CorpusError
from attn_widgets.text.batches import IGNORED
from attn_widgets.text.pair_files import Lengths, PairFiles, Pairs
from attn_widgets.text.ragged import Ragged
from attn_widgets.text.tasks import SEPARATOR, Item, Task, pieces
from attn_widgets.text.tokenizers import Tokenizer


def encode_pairs(
    task: Task, tokenizer: Tokenizer, *, joined: bool, limit: int, lengths: Lengths = "refuse"
) -> PairFiles:
    """Token ids of all parts of `task`.

    Parameters
    ----------
    task
        What to encode.
    tokenizer
        Trained on `corpus.task_corpus`, with an end token, which also starts each row.
    joined
        One row ``‹end› source → target`` for a language model, or source and target apart for an
        encoder–decoder.
    limit
        Number of predicted validation tokens to keep (one item at least).
    lengths
        What becomes of rows longer than the context.

    Raises
    ------
    ConfigError
        When the tokenizer cannot be the task's: another kind where the task counts positions, no end
        token, or none for the separator of a joined row.
    CorpusError
        When a part has no item, or an item has no token.
    """
    _check(task, tokenizer, joined)
    parts = task.train, task.validation, task.test
    train, validation, test = (_encode(task, part, tokenizer, joined) for part in parts)
    count = max(1, int(np.searchsorted(validation.counts.cumsum(), limit, side="right")))
    kept = task.validation[:count]
    if len(kept) < len(task.validation):
        validation = _encode(task, kept, tokenizer, joined)
    characters = sum(_characters(task, item) for item in kept)
    return PairFiles(train, validation, test, joined, lengths, tokenizer, characters, len(task.validation))


def check_tokens(task: Task, tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer of another kind than the one whose tokens a task's positions count.

    Raises
    ------
    ConfigError
        With the one that works.
    """
    positions = any(item.keys or item.mislead or item.given for item in task.train)
    if positions and tokenizer.kind != task.tokenizer:
        raise ConfigError(
            f"task {task.name!r} counts in tokens of --tokenizer {task.tokenizer}; given --tokenizer {tokenizer.kind}"
        )


def space_before(task: Task, joined: bool) -> str:
    """Tell what a joined row has before separator and target, as a BPE token has the space before it."""
    return " " if joined and task.between.endswith(" ") else ""


def _check(task: Task, tokenizer: Tokenizer, joined: bool) -> None:
    for part in ("train", "validation", "test"):
        if not getattr(task, part):
            raise CorpusError(f"task {task.name!r} has no item in its {part} part; give one or more")
    check_tokens(task, tokenizer)
    if tokenizer.end_id is None or (joined and tokenizer.unknown(SEPARATOR)):
        raise ConfigError(
            f"the tokenizer has no end token or no {SEPARATOR}, which task {task.name!r} needs; train it on the task"
        )


def _encode(task: Task, items: Sequence[Item], tokenizer: Tokenizer, joined: bool) -> Pairs:
    space = space_before(task, joined)
    sources = tokenizer.encode_batch([item.source for item in items])
    targets = tokenizer.encode_batch([space + item.target for item in items])
    end = np.array([tokenizer.end_id], np.int32)
    between = tokenizer.encode(space + SEPARATOR)
    inputs, labels, starts = [], [], []
    for item, source, target in zip(items, sources, targets, strict=True):
        if not len(source) or not len(target):
            shown = f"{item.source!r:.40} {SEPARATOR} {item.target!r:.40}"
            raise CorpusError(f"task {task.name!r} has an item without a token: {shown}; leave it out")
        before = np.concatenate([end, source, between]) if joined else end
        following = np.concatenate([target, end])
        following[list(item.given)] = IGNORED
        inputs.append(np.concatenate([before, target]))
        labels.append(np.concatenate([np.full(len(before) - 1, IGNORED, np.int32), following]))
        starts.append(len(before) - 1)
    predicted = [row != IGNORED for row in labels]
    firsts, counts = np.array([row.argmax() for row in predicted]), np.array([row.sum() for row in predicted])
    return Pairs(Ragged(sources), Ragged(inputs), Ragged(labels), np.array(starts), firsts, counts)


def _characters(task: Task, item: Item) -> int:
    """Characters that the predicted tokens stand for, a word with the space or the end behind it."""
    tokens = pieces(item.target, task.tokenizer)
    behind = task.tokenizer == "word"
    characters = sum(len(token) + behind for at, token in enumerate(tokens) if at not in item.given)
    return characters + (task.tokenizer == "char" and len(tokens) not in item.given)
