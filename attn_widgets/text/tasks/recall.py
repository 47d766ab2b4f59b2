"""Looking up what stands earlier in the same text: by a key, or by what came before.

Nothing can be memorised: values and orders are new in each item.
"""

from __future__ import annotations

import random

from attn_widgets.text.tasks.items import Item, Recipe

KEYS = tuple(consonant + vowel for consonant in "bdfghjklmnprstvz" for vowel in "aeiou")[:64]
VALUES = tuple(map(str, range(64)))
PAIRS = (4, 12)  # fewest and most
TESTED = (4, 6, 8, 12)

PREFIX = (0, 8)  # words before the segment
SEGMENT = (7, 12)
REPEATED = 5  # words of the segment that are repeated at least
GAPS = {"gap 1-5": (1, 5), "gap 6-10": (6, 10), "gap 11-16": (11, 16)}  # words between segment and repetition
PRIMED = 2  # words of the repetition that are given


def draw_recall(rng: random.Random, group: str) -> Item:
    """Draw pairs of a key and a value, and all the keys again in another order.

    Multi-query associative recall (Arora et al., arXiv:2312.04927, section 3): ``ba 7 ke 3 du 7`` →
    ``ke 3 du 7 ba 7``, where the keys of the answer are given and each value is predicted. A value
    may stand behind several keys, so that none is found by leaving out the others.
    """
    count = int(group.removeprefix("pairs ")) if group else rng.randint(*PAIRS)
    keys, values = rng.sample(KEYS, count), rng.choices(VALUES, k=count)
    order = rng.sample(range(count), count)
    source = " ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))
    target = " ".join(f"{keys[at]} {values[at]}" for at in order)
    given = (*range(0, 2 * count, 2), 2 * count)
    return Item(source, target, f"pairs {count}", keys=(2 * order[0], 2 * order[0] + 1), given=given)


def draw_induction(rng: random.Random, group: str) -> Item:
    """Draw random words of which a stretch is repeated: what follows was seen before.

    Prefix, segment and gap are words that differ from each other; then the segment begins again at a
    random place and runs to its end. Its first two words are given, the others follow from them
    (induction heads: Olsson et al., arXiv:2209.11895). Since lengths, gap and place are random, no
    fixed distance leads back.
    """
    name = group or rng.choice(tuple(GAPS))
    prefix, segment, gap = rng.randint(*PREFIX), rng.randint(*SEGMENT), rng.randint(*GAPS[name])
    words = rng.sample(KEYS, prefix + segment + gap)
    start, stop = prefix + rng.randint(0, segment - REPEATED), prefix + segment
    given = (*range(PRIMED), stop - start)
    return Item(" ".join(words), " ".join(words[start:stop]), name, keys=(start + PRIMED,), given=given)


RECALL = Recipe(
    source=f"{PAIRS[0]} to {PAIRS[1]} pairs of a key and a value; each key is asked for",
    tokenizer="word",
    prompt="ba 7 ke 3 du 21 mo 40",
    metric="token_accuracy",
    draw=draw_recall,
    groups=tuple(f"pairs {count}" for count in TESTED),
    per_group=200,
)
INDUCTION = Recipe(
    source="random words, a stretch of which is repeated",
    tokenizer="word",
    prompt="ba ke du mo li ra so no pe ji",
    metric="token_accuracy",
    draw=draw_induction,
    groups=tuple(GAPS),
    per_group=300,
)
