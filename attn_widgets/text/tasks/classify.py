"""Opinions, positive or negative: ``The soup was good , but the cake was not fresh .`` → ``negative``.

A ``not`` turns its word round. After ``but`` the second clause decides, before ``although`` the
first; the other clause agrees or misleads, with even chances.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from attn_widgets.text.grammar import PAIRS, PRONOUNS
from attn_widgets.text.tasks.items import Item, Recipe

POSITIVE = ("good", "great", "lovely", "fresh", "pleasant", "perfect", "delicious", "wonderful")
NEGATIVE = ("bad", "awful", "stale", "horrible", "bitter", "dull", "nasty", "disgusting")
LABELS = {"positive": POSITIVE, "negative": NEGATIVE}
OTHER = {"positive": "negative", "negative": "positive"}
DEGREES = ("", "very", "really", "quite")
THINGS = (*PAIRS, *PAIRS.values())
PLACES = ("at lunch", "at school", "at the market", "on the beach", "by the river", "in the garden")
GROUPS = ("plain", "not", "but", "although")
NEGATED = 0.4  # chance that a clause of two has a negation


class Clause(NamedTuple):
    """A clause and where in it the opinion stands (word positions)."""

    words: list[str]
    deciding: list[int]


def draw(rng: random.Random, group: str) -> Item:
    """Draw a person's opinion; its group is named by the word that makes it hard."""
    group = group or rng.choice(GROUPS)
    label = rng.choice(tuple(LABELS))
    misleading = rng.random() < 0.5
    if group in ("plain", "not"):
        clauses = [(_clause(rng, label, negated=group == "not"), True)]
    else:
        aside = _either(rng, OTHER[label] if misleading else label), False
        main = _either(rng, label), True
        clauses = [aside, main] if group == "but" else [main, aside]
    words = [rng.choice(tuple(PRONOUNS)), "says"]
    keys: tuple[int, ...] = ()
    mislead: tuple[int, ...] = ()
    for at, (clause, decides) in enumerate(clauses):
        words += [",", group] if at else []
        places = tuple(len(words) + place for place in clause.deciding)
        if decides:
            keys = places
        elif misleading:
            mislead = places
        words += clause.words
    return Item(" ".join([*words, "."]), label, group, keys, mislead)


def _either(rng: random.Random, label: str) -> Clause:
    return _clause(rng, label, negated=rng.random() < NEGATED)


def _clause(rng: random.Random, label: str, *, negated: bool) -> Clause:
    """Say `label` in one clause: ``the soup at lunch was not very good``."""
    said = OTHER[label] if negated else label
    words = ["the", rng.choice(THINGS), *rng.choice(PLACES).split(), "was"]
    deciding = [len(words)] if negated else []
    opinion = ["not"] * negated + rng.choice(DEGREES).split() + [rng.choice(LABELS[said])]
    return Clause(words + opinion, [*deciding, len(words) + len(opinion) - 1])


RECIPE = Recipe(
    source="opinions of one or two clauses, positive or negative",
    tokenizer="word",
    prompt="Anna says the soup at lunch was not very good .",
    metric="exact_match",
    draw=draw,
    groups=GROUPS,
    per_group=250,
)
