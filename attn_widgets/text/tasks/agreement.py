"""Verbs that agree with a noun far before them: ``The old dogs near the bird`` → ``bark``.

Sentences as in the ``sentences`` grammar, with up to 16 nouns between subject and verb instead of
4. In half of them the last noun has the other number than the subject and suggests a wrong verb
(an attractor: Linzen, Dupoux and Goldberg, arXiv:1611.01368, section 2).
"""

from __future__ import annotations

import random

from attn_widgets.text.grammar import ADJECTIVES, NOUNS, PREPOSITIONS
from attn_widgets.text.tasks.items import Item, Recipe

DISTANCES = (1, 2, 4, 8, 16)
"""Nouns between subject and verb; each stands in a phrase of three words."""
SINGULAR = tuple(noun for noun, verb in NOUNS.items() if verb.endswith("s"))
PLURAL = tuple(noun for noun in NOUNS if noun not in SINGULAR)
NUMBERS = (SINGULAR, PLURAL)
ANY = SINGULAR + PLURAL


def draw(rng: random.Random, group: str) -> Item:
    """Draw the beginning of a sentence, up to its verb; ``distance 4`` has four nouns in between."""
    distance = int(group.removeprefix("distance ")) if group else rng.choice(DISTANCES)
    number, misleading = rng.randrange(2), rng.random() < 0.5
    subject = rng.choice(NUMBERS[number])
    last = rng.choice(NUMBERS[1 - number if misleading else number])
    words = ["The", rng.choice(ADJECTIVES), subject] if rng.random() < 0.5 else ["The", subject]
    at = len(words) - 1
    for noun in [*rng.choices(ANY, k=distance - 1), last]:
        words += rng.choice(PREPOSITIONS), "the", noun
    mislead = (len(words) - 1,) if misleading else ()
    return Item(" ".join(words), NOUNS[subject], f"distance {distance}", keys=(at,), mislead=mislead)


RECIPE = Recipe(
    source="sentences whose verb belongs to the first noun, with 1 to 16 other nouns in between",
    tokenizer="word",
    prompt="The old dogs near the bird",
    metric="exact_match",
    draw=draw,
    groups=tuple(f"distance {distance}" for distance in DISTANCES),
    per_group=400,
)
