"""Templates: sentence frames with slots, learnt from a corpus and filled again.

Template generation as the articles mean it: fixed text with slots (Reiter & Dale, "Building applied natural language
generation systems", Natural Language Engineering 3(1), 1997). The frames are not written by hand but found: lines of
one length are split again and again by a word that many of them have at one position; where no word is common enough
any more, a position varies and becomes a slot, with its fillers counted. A slot knows nothing of the others: what has
to agree across a sentence agrees by chance only.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from attn_widgets.errors import ConfigError, CorpusError
from attn_widgets.text.tokenizers import NUMBERS_WORDS_MARKS

Words = tuple[str, ...]
Option = TypeVar("Option", str, int)


@dataclass(frozen=True)
class Frame:
    """A kind of sentence.

    Attributes
    ----------
    count
        Lines it was found in.
    fillers
        For each position the words met there: one where it is fixed, several where it is a slot.
    """

    count: int
    fillers: tuple[Counter[str], ...]

    def __str__(self) -> str:
        return " ".join(next(iter(words)) if len(words) == 1 else f"‹{len(words)} words›" for words in self.fillers)

    @property
    def fixed(self) -> float:
        """Share of positions that are no slots."""
        return sum(len(words) == 1 for words in self.fillers) / len(self.fillers)

    def weight(self, prompt: Sequence[str], *, open: bool = False) -> float:
        """How many lines of this frame begin with `prompt`, were its slots filled independently.

        With `open`, a slot takes words that it has never held, as if it had held each once.
        """
        if len(prompt) > len(self.fillers):
            return 0.0
        shares = (
            max(words[word], open and len(words) > 1) / self.count
            for word, words in zip(prompt, self.fillers, strict=False)
        )
        return math.prod(shares, start=float(self.count))


class Templates:
    """Frames of a corpus, to generate from.

    Parameters
    ----------
    texts
        Every line of every text is one sentence.
    seed
        Decides what is drawn.
    common
        Share of the lines at hand that have a word at one position, from which on it is no filler.
    least
        Lines that a frame needs.
    fixed
        Share of a frame's positions that must not be slots.

    Raises
    ------
    CorpusError
        When no frame is found.
    """

    def __init__(
        self, texts: Iterable[str], *, seed: int = 0, common: float = 0.3, least: int = 5, fixed: float = 0.25
    ) -> None:
        self._rng = random.Random(seed)
        lengths: dict[int, list[Words]] = defaultdict(list)
        for words in (split_words(line) for text in texts for line in text.splitlines()):
            if words:
                lengths[len(words)].append(words)
        found = (frame for lines in lengths.values() for frame in _frames(lines, common, least))
        self.frames = sorted((f for f in found if f.fixed >= fixed), key=lambda frame: -frame.count)
        if not self.frames:
            raise CorpusError(f"no sentence frame occurs in {least} lines or more; templates need texts that repeat")

    def complete(self, prompt: str = "", *, greedy: bool = False) -> str:
        """Write a sentence that begins with `prompt`: draw a frame that fits, then a word for every slot left.

        Parameters
        ----------
        prompt
            First words. One that a slot has never held fits only where no frame knows it.
        greedy
            Take the likeliest frame and the likeliest fillers instead.

        Raises
        ------
        ConfigError
            When no frame begins like that.
        """
        given = split_words(prompt)
        weights = [frame.weight(given) for frame in self.frames]
        if not any(weights):
            weights = [frame.weight(given, open=True) for frame in self.frames]
        if not any(weights):
            raise ConfigError(f"no template begins with {prompt!r}; the commonest is: {self.frames[0]}")
        frame = self._choose(dict(enumerate(weights)), greedy)
        rest = self.frames[frame].fillers[len(given) :]
        return " ".join([*given, *(self._choose(words, greedy) for words in rest)])

    def _choose(self, weights: Mapping[Option, float] | Mapping[Option, int], greedy: bool) -> Option:
        if greedy:
            return max(weights, key=weights.__getitem__)
        return self._rng.choices(list(weights), list(weights.values()))[0]

    def __repr__(self) -> str:
        return f"Templates({len(self.frames)} frames of {sum(frame.count for frame in self.frames)} lines)"


def split_words(line: str) -> Words:
    """Words, numbers and marks, as the word tokenizer takes them."""
    return tuple(word for word in re.findall(NUMBERS_WORDS_MARKS, line) if word != "\n")


def _frames(lines: list[Words], common: float, least: int) -> Iterator[Frame]:
    """Split lines of one length by the word at a position that most have in common, but not all."""
    if len(lines) < least:
        return
    columns = tuple(Counter(column) for column in zip(*lines, strict=True))
    tops = ((words.most_common(1)[0], at) for at, words in enumerate(columns) if len(words) > 1)
    (word, count), at = max(((top, at) for top, at in tops), key=lambda found: found[0][1], default=(("", 0), 0))
    if not count or count < common * len(lines):
        yield Frame(len(lines), columns)
        return
    yield from _frames([words for words in lines if words[at] == word], common, least)
    yield from _frames([words for words in lines if words[at] != word], common, least)
