"""The grammar of the built-in ``sentences`` corpus: four families, each one a skill.

One program describes a line, and two kinds of line run it: a `Draw` takes each choice at
random, a `Replay` reads the choices off a given line and adds up their log probabilities.
No option of a choice is the beginning of another one, so a line has only one reading and
its probability is exact.

taste       I love to eat pizza by the river and drink beer .
agreement   The old dogs near the bird behind the wolf bark loudly .
list        Mia needs soap rope milk . Tom brings soap rope milk .
people      Anna and Ben meet at school . Anna is very hungry , so she eats pizza and drinks beer .
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from typing import Protocol

END = "\n"  # ends a line, inside the grammar

PAIRS = {
    "pizza": "beer",
    "cheese": "wine",
    "cake": "tea",
    "toast": "coffee",
    "cookies": "cocoa",
    "salad": "water",
    "fish": "cider",
    "soup": "juice",
}
PHRASES = (
    "by the river",
    "with my sister",
    "in the garden",
    "with my brother",
    "at the market",
    "on the beach",
    "under the bridge",
    "after the concert",
)
# A noun has a verb of its own: the first noun alone decides which word follows, and its number.
NOUNS = {
    "dog": "barks", "dogs": "bark", "cat": "purrs", "cats": "purr", "bird": "sings", "birds": "sing",
    "horse": "runs", "horses": "run", "wolf": "howls", "wolves": "howl", "child": "laughs", "children": "laugh",
}  # fmt: skip
ADJECTIVES = ("old", "young", "small", "happy", "brown", "lonely", "strange", "gentle")
PREPOSITIONS = ("near", "behind", "beside", "above", "under")
ADVERBS = ("loudly", "today", "again", "often", "outside", "together", "tonight", "forever")
ITEMS = (
    "soap", "rope", "milk", "salt", "paint", "glue", "wood", "nails",
    "string", "paper", "ink", "oil", "sugar", "flour", "eggs", "wool",
)  # fmt: skip
PRONOUNS = {
    "Anna": "she", "Mia": "she", "Lena": "she", "Rosa": "she", "Clara": "she",
    "Ben": "he", "Tom": "he", "Paul": "he", "Max": "he", "Leo": "he",
}  # fmt: skip
PLACES = (
    "at school",
    "at work",
    "at lunch",
    "at church",
    "by the river",
    "in the garden",
    "on the beach",
    "under the bridge",
)
STATES = {"tired": "goes home", "cold": "wears a coat", "bored": "reads a book"}

MOST_PHRASES = 3
MOST_DISTRACTORS = 4
MOST_ITEMS = 6
LAST_ITEM = {3: 1 / 4, 4: 1 / 3, 5: 1 / 2}  # chance that a list this long ends: all lengths are equally likely
STOP = 0.5  # chance that no further phrase or distractor follows: far above any single word that could
HUNGRY = 0.4
BOTH = 0.3  # chance that a line about two people says something of each


class Line(Protocol):
    """A line in the making: chosen at random or read off a text."""

    def pick(self, options: Mapping[str, float]) -> str:
        """Take one of the `options` (phrase: probability)."""
        ...

    def say(self, phrase: str) -> None:
        """Put a phrase that has no alternative."""
        ...


class Draw:
    """A line whose choices are random."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.phrases: list[str] = []

    def pick(self, options: Mapping[str, float]) -> str:
        """Take one of the `options` with its probability."""
        rest = self._rng.random()
        phrase = ""
        for phrase, probability in options.items():  # noqa: B007 the last one, should rounding leave a rest
            rest -= probability
            if rest < 0:
                break
        self.phrases.append(phrase)
        return phrase

    def say(self, phrase: str) -> None:
        """Put `phrase`."""
        self.phrases.append(phrase)


class Mismatch(Exception):
    """The text is not a line of the grammar."""


class Replay:
    """A line that is given: each choice is read off it.

    Attributes
    ----------
    log_probability
        Sum over the choices read so far, in nats.
    """

    def __init__(self, text: str) -> None:
        self._words = [*text.split(" "), END]
        self._position = 0
        self.log_probability = 0.0

    def pick(self, options: Mapping[str, float]) -> str:
        """Take the option that stands next in the text; raise `Mismatch` if none does."""
        for phrase, probability in options.items():
            words = [END] if phrase == END else phrase.split(" ")
            if self._words[self._position : self._position + len(words)] == words:
                self._position += len(words)
                self.log_probability += math.log(probability)
                return phrase
        raise Mismatch

    def say(self, phrase: str) -> None:
        """Pass over `phrase`; raise `Mismatch` if something else stands there."""
        self.pick({phrase: 1.0})


def even(phrases: Iterable[str], share: float = 1.0) -> dict[str, float]:
    """Options that divide `share` evenly."""
    phrases = tuple(phrases)
    return dict.fromkeys(phrases, share / len(phrases))


FOODS = even(PAIRS)
MORE_PHRASES = {"and drink": STOP, **even(PHRASES, 1 - STOP)}
SUBJECTS = {**even(ADJECTIVES, 0.5), **even(NOUNS, 0.5)}
ANY_NOUN = even(NOUNS)
ANY_ADVERB = even(ADVERBS)
ANY_PLACE = even(PLACES)
FEELINGS = {"hungry": HUNGRY, **even(STATES, 1 - HUNGRY)}
VERY = {"very": 0.5, **{state: p / 2 for state, p in FEELINGS.items()}}
SHARES = {"taste": 0.15, "agreement": 0.20, "list": 0.25, "people": 0.40}
NAMED = SHARES["list"] + SHARES["people"]
OPENINGS = {"I love to eat": SHARES["taste"], "The": SHARES["agreement"], **even(PRONOUNS, NAMED)}
AFTER_NAME = {"needs": SHARES["list"] / NAMED, "and": SHARES["people"] / NAMED}


def sentence(line: Line) -> None:
    """Put a whole line of any family, with its end."""
    opening = line.pick(OPENINGS)
    if opening == "I love to eat":
        _taste(line)
    elif opening == "The":
        _agreement(line)
    elif line.pick(AFTER_NAME) == "needs":
        _list(line, opening)
    else:
        _people(line, opening)


def _taste(line: Line) -> None:
    food = line.pick(FOODS)
    for _ in range(MOST_PHRASES):
        if line.pick(MORE_PHRASES) == "and drink":
            break
    else:
        line.say("and drink")
    _say_all(line, PAIRS[food], ".", END)


def _agreement(line: Line) -> None:
    noun = line.pick(SUBJECTS)
    if noun in ADJECTIVES:
        noun = line.pick(ANY_NOUN)
    verb = NOUNS[noun]
    more = {verb: STOP, **even((f"{word} the" for word in PREPOSITIONS), 1 - STOP)}
    for _ in range(MOST_DISTRACTORS):
        if line.pick(more) == verb:
            break
        line.pick(ANY_NOUN)
    else:
        line.say(verb)
    line.pick(ANY_ADVERB)
    _say_all(line, ".", END)


def _list(line: Line, needy: str) -> None:
    chosen: list[str] = []
    while len(chosen) < MOST_ITEMS:
        stop = LAST_ITEM.get(len(chosen), 0.0)
        left = even((item for item in ITEMS if item not in chosen), 1 - stop)
        item = line.pick({".": stop, **left} if stop else left)
        if item == ".":
            break
        chosen.append(item)
    else:
        line.say(".")
    line.pick(even(name for name in PRONOUNS if name != needy))
    _say_all(line, "brings", *chosen, ".", END)


def _people(line: Line, first: str) -> None:
    second = line.pick(even(name for name in PRONOUNS if name != first))
    line.say("meet")
    line.pick(ANY_PLACE)
    line.say(".")
    hero = line.pick(even((first, second)))
    _reason(line, hero)
    other = second if hero == first else first
    if line.pick({END: 1 - BOTH, other: BOTH}) == other:
        _reason(line, other)
        line.say(END)


def _reason(line: Line, name: str) -> None:
    line.say("is")
    state = line.pick(VERY)
    if state == "very":
        state = line.pick(FEELINGS)
    _say_all(line, ", so", PRONOUNS[name])
    if state == "hungry":
        line.say("eats")
        food = line.pick(FOODS)
        _say_all(line, "and drinks", PAIRS[food])
    else:
        line.say(STATES[state])
    line.say(".")


def _say_all(line: Line, *phrases: str) -> None:
    for phrase in phrases:
        line.say(phrase)
