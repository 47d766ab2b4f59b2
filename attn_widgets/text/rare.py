"""Where the rare words of a task's answers stand, in whatever tokens they are written."""

from __future__ import annotations

from itertools import accumulate

from attn_widgets.text.pairs import space_before
from attn_widgets.text.tasks import Task, rare_words
from attn_widgets.text.tokenizers import Tokenizer


def rare_spans(task: Task, tokenizer: Tokenizer, *, joined: bool) -> dict[int, list[tuple[int, int]]]:
    """Find the rare words of the test answers.

    Parameters
    ----------
    task
        Its training answers tell which words are rare (see `rare_words`); those of characters have no words.
    tokenizer
        Of any kind: no token of it holds parts of two words.
    joined
        Whether question and answer stand in one row, as in `encode_pairs`.

    Returns
    -------
    dict
        Number of a test item → for each of its rare words the first token of the target that writes it, and the one
        behind its last. Items without rare words are left out.
    """
    rare, first = rare_words(task), space_before(task, joined)
    found: dict[int, list[tuple[int, int]]] = {}
    for at, item in enumerate(task.test):
        words = item.target.split(" ")
        if rare.isdisjoint(words):
            continue
        written = tokenizer.encode_batch([first + words[0], *(f" {word}" for word in words[1:])])
        ends = accumulate(map(len, written))
        spans = zip(words, written, ends, strict=True)
        found[at] = [(end - len(ids), end) for word, ids, end in spans if word in rare]
    return found
