"""How well answers were given: exactly right, right token for token, and by group.

A prediction is a text beside an item's target. Where tokens of the target are given
(`Item.given`), they are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from attn_widgets.text.tasks import Item, Task, pieces


def exact_match(predicted: Sequence[str], items: Sequence[Item]) -> np.ndarray:
    """Whether each prediction is the target, or one of the references where there are several.

    Returns
    -------
    ndarray
        float64 (item,), 0 or 1; its mean is the accuracy.
    """
    right = [text in (item.references or (item.target,)) for text, item in zip(predicted, items, strict=True)]
    return np.array(right, np.float64)


def token_hits(
    predicted: Sequence[str], items: Sequence[Item], tokenizer: Literal["char", "word"] = "word"
) -> tuple[np.ndarray, np.ndarray]:
    """Count the right tokens of each prediction, position by position.

    Parameters
    ----------
    predicted, items
        Texts, and what they should have been; a position that a text lacks is wrong.
    tokenizer
        Whether tokens are characters or words between single spaces.

    Returns
    -------
    right, counted
        int64 (item,): right positions, and positions that count: all but the given ones and the end.
    """
    hits = np.zeros((len(items), 2), np.int64)
    for at, (text, item) in enumerate(zip(predicted, items, strict=True)):
        guesses = pieces(text, tokenizer)
        for place, token in enumerate(pieces(item.target, tokenizer)):
            if place not in item.given:
                hits[at] += place < len(guesses) and guesses[place] == token, 1
    return hits[:, 0], hits[:, 1]


def by_group(right: np.ndarray, counted: np.ndarray, groups: Sequence[str]) -> dict[str, float]:
    """Accuracy of each group, in the order in which the groups come.

    Parameters
    ----------
    right, counted
        For each item (item,): what is right, of how much.
    groups
        Name of each item's group, for example ``[item.group for item in items]``; groups in which
        nothing counts are left out.
    """
    names = np.array(groups)
    shares: dict[str, float] = {}
    for name in dict.fromkeys(groups):
        total = counted[names == name].sum()
        if total:
            shares[name] = float(right[names == name].sum() / total)
    return shares


def score(task: Task, predicted: Sequence[str]) -> tuple[float, dict[str, float]]:
    """Score predictions for all test items of `task` by its own metric: overall, and by group."""
    if task.metric == "exact_match":
        right = exact_match(predicted, task.test)
        counted = np.ones_like(right)
    else:
        right, counted = token_hits(predicted, task.test, task.tokenizer)
    return float(right.sum() / counted.sum()), by_group(right, counted, [item.group for item in task.test])
