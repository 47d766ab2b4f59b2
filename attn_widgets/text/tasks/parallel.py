"""Pairs of sentences in two languages, from a tab-separated file such as Tatoeba's English–French."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from attn_widgets.errors import CorpusError
from attn_widgets.text.files import read_text
from attn_widgets.text.tasks.items import Item, Task
from attn_widgets.text.tokenizers import NUMBERS_WORDS_MARKS

HELD_OUT = 0.1  # share of the English sentences in each of validation and test
FEWEST = 3  # English sentences: one for each part
WORDS_AND_MARKS = re.compile(NUMBERS_WORDS_MARKS)
# j' in j'aime, but not d' in aujourd'hui
ELIDED = re.compile(r"\b(qu|jusqu|lorsqu|puisqu|[cdjlmnst])'(?=\w)", re.IGNORECASE)
SENTENCE_ENDS = frozenset(".!?…")
SENTENCE_START = re.compile(r"(?:^|[.!?…] )\w")


Words = tuple[str, ...]
"""Words and marks of a text."""


class Pair(NamedTuple):
    """One line of the file."""

    english: Words
    other: Words


def parallel_task(path: str | Path, seed: int = 0) -> Task:
    """Make a task of translation from English of a tab-separated file.

    Each line is ``English⇥translation``, and whatever stands behind a second tab is ignored. All
    translations of an English sentence, and of sentences with the same words, stand in the same part.
    Texts are split into words and marks with single spaces between them (``J'aime ça !`` → ``j ' aime
    ça !``). The first word of a sentence loses its capital unless it has one inside sentences too, so
    that `readable` restores the spelling. A test item is an English sentence with all its translations
    as references; in the other parts each translation is an item of its own.

    Parameters
    ----------
    path
        The file, UTF-8.
    seed
        Chooses the tenth of the English sentences for validation, and the tenth for the test.

    Raises
    ------
    CorpusError
        When the file cannot be read, is empty, has a line without a tab or with an empty side, or
        fewer than 3 different English sentences.
    """
    path = Path(path).expanduser()
    pairs = _read(path)
    sides: dict[Words, list[Pair]] = {}
    for pair in pairs:
        sides.setdefault(_identity(pair.english), []).append(pair)
    if len(sides) < FEWEST:
        found = f"{len(sides)} different English sentence{'s' * (len(sides) > 1)}"
        raise CorpusError(f"{path} has {found}, too few to train, validate and test on; give {FEWEST} or more")
    groups = list(sides.values())
    random.Random(f"parallel {seed}").shuffle(groups)
    count = max(1, round(len(groups) * HELD_OUT))
    test, validation, train = groups[:count], groups[count : 2 * count], groups[2 * count :]
    names = _names(words for group in train for pair in group for words in pair)
    held_out = _each(validation, names)
    return Task(
        name=re.sub(r"[^\w.-]+", "-", path.stem).strip("-.") or "parallel",
        source=f"{path.name}, {sum(map(len, groups)):,} pairs of {len(groups):,} English sentences",
        tokenizer="word",
        prompt=held_out[0].source,
        metric="exact_match",
        train=_each(train, names),
        validation=held_out,
        test=_with_references(test, names),
    )


def readable(text: str) -> str:
    """Write words and marks as people do: ``j ' aime ça !`` → ``J'aime ça !``."""
    text = re.sub(r" (['-]) ", r"\1", text)
    text = re.sub(r" ([.,…%])", r"\1", text)
    return SENTENCE_START.sub(lambda start: start.group().upper(), text)


def _read(path: Path) -> list[Pair]:
    """Pairs of the file, as lists of words and marks; a pair that comes again is left out."""
    pairs: dict[Pair, None] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        sides = line.split("\t")
        if len(sides) < 2:
            raise CorpusError(f"{path}, line {number}: no tab in {line!r:.60}; give lines of English, tab, translation")
        pair = Pair(*(tuple(_words(side)) for side in sides[:2]))
        for name, words in zip(("English", "translation"), pair, strict=True):
            if not words:
                raise CorpusError(f"{path}, line {number}: no {name} in {line!r:.60}; fill it or drop the line")
        pairs[pair] = None
    if not pairs:
        raise CorpusError(f"{path} is empty; give lines of English, tab, translation")
    return list(pairs)


def _words(text: str) -> list[str]:
    text = " ".join(unicodedata.normalize("NFC", text).replace("’", "'").split())
    return WORDS_AND_MARKS.findall(ELIDED.sub(r"\1 ' ", text))


def _identity(words: Words) -> Words:
    """Reduce a sentence to its words, without marks and capitals."""
    return tuple(word.casefold() for word in words if word[0].isalnum()) or words


def _starts(words: Words) -> list[bool]:
    """Whether each word is the first of its sentence."""
    return [at == 0 or words[at - 1] in SENTENCE_ENDS for at in range(len(words))]


def _names(sentences: Iterable[Words]) -> frozenset[str]:
    """Words that have their capital inside sentences too, more often than not."""
    inside: Counter[str] = Counter()
    for words in sentences:
        inside.update(_stem(word) for word, starts in zip(words, _starts(words), strict=True) if not starts)
    return frozenset(word for word, count in inside.items() if word != word.lower() and count > inside[word.lower()])


def _stem(word: str) -> str:
    """Leave out what stands behind an apostrophe: I of I'll."""
    return word.split("'")[0]


def _write(words: Words, names: frozenset[str]) -> str:
    lowered = (
        word[0].lower() + word[1:] if starts and _stem(word) not in names else word
        for word, starts in zip(words, _starts(words), strict=True)
    )
    return " ".join(lowered)


def _each(groups: Iterable[Sequence[Pair]], names: frozenset[str]) -> tuple[Item, ...]:
    return tuple(Item(_write(pair.english, names), _write(pair.other, names)) for group in groups for pair in group)


def _with_references(groups: Iterable[Sequence[Pair]], names: frozenset[str]) -> tuple[Item, ...]:
    found: dict[str, dict[str, None]] = {}
    for item in _each(groups, names):
        found.setdefault(item.source, {})[item.target] = None
    return tuple(Item(source, next(iter(all)), references=tuple(all)) for source, all in found.items())
