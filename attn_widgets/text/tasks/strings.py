"""Strings of random letters, to copy or to reverse, and longer ones than were trained on."""

from __future__ import annotations

import random
from string import ascii_lowercase

from attn_widgets.text.tasks.items import Item, Recipe

SHORTEST, LONGEST = 4, 12  # letters, in training
LENGTHS = {
    "length 1x": (SHORTEST, LONGEST),
    "length 1.5x": (LONGEST * 3 // 2, LONGEST * 3 // 2),
    "length 2x": (LONGEST * 2, LONGEST * 2),
}
"""Shortest and longest string of each group; the multiples are of the longest training string."""
PROMPT = "attention"


def _letters(rng: random.Random, group: str) -> tuple[str, str]:
    group = group or "length 1x"
    return "".join(rng.choices(ascii_lowercase, k=rng.randint(*LENGTHS[group]))), group


def draw_reverse(rng: random.Random, group: str) -> Item:
    """Draw a string and its mirror image."""
    text, group = _letters(rng, group)
    return Item(text, text[::-1], group, keys=(len(text) - 1,))


def draw_copy(rng: random.Random, group: str) -> Item:
    """Draw a string and the same string."""
    text, group = _letters(rng, group)
    return Item(text, text, group, keys=(0,))


REVERSE = Recipe(
    f"reverse {SHORTEST} to {LONGEST} random letters; tested on up to {2 * LONGEST}",
    "char", PROMPT, "exact_match", draw_reverse, tuple(LENGTHS), per_group=500,
)  # fmt: skip
COPY = Recipe(
    f"copy {SHORTEST} to {LONGEST} random letters; tested on up to {2 * LONGEST}",
    "char", PROMPT, "exact_match", draw_copy, tuple(LENGTHS), per_group=500,
)  # fmt: skip
