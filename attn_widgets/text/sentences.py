"""Lines of the built-in ``sentences`` corpus, their exact probabilities, and what to test on them.

The corpus is the same 20,000 lines everywhere: `random.Random` promises its sequence for a
seed, and nothing else is random. The grammar itself stands in `grammar`.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attn_widgets.text import grammar

LINES = 20_000
PROMPT = "I love to eat pizza"
SKILLS = tuple(grammar.SHARES)


@dataclass(frozen=True)
class SkillItem:
    """One question whose answer the grammar determines.

    Attributes
    ----------
    skill
        ``taste``, ``agreement``, ``list`` or ``people``.
    prompt
        The beginning of a line.
    expected
        The words that have to follow, greedily, for an exact match.
    queries
        Word positions in prompt + expected (zero-based, the start token not counted) at which
        attention is judged; the word after each is one that the skill has to get right.
    keys
        For each query, the word positions that tell the next word. A head's mass is its
        weight summed over them.
    """

    skill: str
    prompt: str
    expected: str
    queries: tuple[int, ...]
    keys: tuple[tuple[int, ...], ...]


def generate(lines: int = LINES, seed: int = 0) -> list[str]:
    """Draw `lines` lines of the grammar; words and marks are separated by single spaces."""
    drawn = _stream(random.Random(seed))
    return [next(drawn) for _ in range(lines)]


@functools.cache
def corpus_lines() -> tuple[str, ...]:
    """Lines of the built-in corpus, drawn once a process."""
    return tuple(generate())


def line_log_probability(line: str) -> float:
    """Exact log probability of a whole line, its end included.

    Returns
    -------
    float
        Nats; ``-inf`` where the grammar cannot make `line`.
    """
    replay = grammar.Replay(line)
    try:
        grammar.sentence(replay)
    except grammar.Mismatch:
        return -math.inf
    return replay.log_probability


def entropy_floor(lines: Sequence[str]) -> float:
    """Lowest mean loss that any model can expect on `lines`, in nats per token.

    A line has a token for each word and one for its end.
    """
    tokens = sum(len(line.split(" ")) + 1 for line in lines)
    return -sum(map(line_log_probability, lines)) / tokens


def skill_items(count: int = 200, seed: int = 0) -> list[SkillItem]:
    """Draw `count` items of each skill, with the frequencies of the grammar.

    No line of the built-in corpus begins with a prompt and its answer, save the shortest, of
    which there are so few that it holds them all: *taste* with fewer than two phrases (72
    prompts) and *agreement* without a distractor (120).
    """
    known = _corpus_prompts()
    drawn: dict[str, list[SkillItem]] = {skill: [] for skill in SKILLS}
    rng = random.Random(f"skills {seed}")
    for line in _stream(rng):
        item = rng.choice(items_of(line))
        if len(drawn[item.skill]) < count and (_is_short(item) or item.prompt not in known):
            drawn[item.skill].append(item)
        if all(len(items) == count for items in drawn.values()):
            break
    return [item for items in drawn.values() for item in items]


def skill_of(words: Sequence[str]) -> str:
    """Family that a line of the grammar belongs to."""
    return {"I": "taste", "The": "agreement"}.get(words[0]) or ("list" if words[1] == "needs" else "people")


def items_of(line: str) -> list[SkillItem]:
    """Items that a line of the grammar holds: two where it speaks of two people, else one."""
    words = line.split(" ")
    return _ITEMS[skill_of(words)](words)


@functools.cache
def _corpus_prompts() -> frozenset[str]:
    return frozenset(item.prompt for line in corpus_lines() for item in items_of(line))


def _is_short(item: SkillItem) -> bool:
    longest = {"taste": 8, "agreement": 3}  # I love to eat pizza by the river; The old dog
    return item.prompt.count(" ") < longest.get(item.skill, 0)


def _stream(rng: random.Random) -> Iterator[str]:
    while True:
        line = grammar.Draw(rng)
        grammar.sentence(line)
        yield " ".join(line.phrases[:-1])


def _taste(words: list[str]) -> list[SkillItem]:
    drink = words.index("drink")
    return [_item("taste", words, drink - 1, len(words), [drink], [(4,)])]


def _agreement(words: list[str]) -> list[SkillItem]:
    verb = len(words) - 3  # verb adverb .
    subject = 1 if words[1] in grammar.NOUNS else 2
    return [_item("agreement", words, verb, verb + 1, [verb - 1], [(subject,)])]


def _list(words: list[str]) -> list[SkillItem]:
    count = words.index(".") - 2
    start = words.index("brings") + 1
    queries = range(start, start + count - 1)
    return [_item("list", words, start, len(words), queries, [(2 + step,) for step in range(1, count)])]


def _people(words: list[str]) -> list[SkillItem]:
    items: list[SkillItem] = []
    for at in (at for at, word in enumerate(words) if word == "is"):
        so = words.index("so", at)
        mentions = tuple(place for place in range(at) if words[place] == words[at - 1])
        items.append(_item("people", words, so + 1, so + 2, [so], [mentions]))
    return items


def _item(
    skill: str, words: list[str], start: int, stop: int, queries: Sequence[int], keys: Sequence[tuple[int, ...]]
) -> SkillItem:
    return SkillItem(skill, " ".join(words[:start]), " ".join(words[start:stop]), tuple(queries), tuple(keys))


_ITEMS = {"taste": _taste, "agreement": _agreement, "list": _list, "people": _people}
