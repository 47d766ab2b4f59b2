"""Random letters to reverse and random words to copy, and longer strings of them than were trained on."""

from __future__ import annotations

import itertools
import random
from string import ascii_lowercase

from attn_widgets.text.tasks.items import Item, Recipe

SHORTEST, LONGEST = 4, 12  # letters or words, in training
SYLLABLES = tuple(consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou")
WORDS = tuple(first + second for first in SYLLABLES for second in SYLLABLES)[:1000]
"""From the most frequent to the rarest."""
FALL = 1.4  # a word of rank r comes r^-FALL as often as the first, so that some 300 are met five times or fewer
OFTEN = tuple(itertools.accumulate(rank**-FALL for rank in range(1, len(WORDS) + 1)))
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
    """Draw words by Zipf's law, and the same words: some that are copied were hardly ever seen in training."""
    group = group or "length 1x"
    text = " ".join(rng.choices(WORDS, cum_weights=OFTEN, k=rng.randint(*LENGTHS[group])))
    return Item(text, text, group, keys=(0,))


REVERSE = Recipe(
    f"reverse {SHORTEST} to {LONGEST} random letters; tested on up to {2 * LONGEST}",
    "char", PROMPT, "exact_match", draw_reverse, tuple(LENGTHS), per_group=500,
)  # fmt: skip
COPY = Recipe(
    f"copy {SHORTEST} to {LONGEST} words, common and rare; tested on up to {2 * LONGEST}",
    "word", f"{WORDS[0]} {WORDS[7]} {WORDS[80]} {WORDS[2]}", "exact_match", draw_copy, tuple(LENGTHS), per_group=500,
)  # fmt: skip
