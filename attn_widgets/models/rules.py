"""The rule system: the grammar of the ``sentences`` corpus itself, sampled.

The oldest way to generate text: every word is one that a rule allows. It is always right about what its rules say,
knows nothing else, and is the source that the other models learn from: none can have a lower perplexity.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress

from attn_widgets.errors import ConfigError
from attn_widgets.text import grammar, sentences
from attn_widgets.text.tokenizers import ASCII_WORDS


class Rules:
    """Lines of the grammar, drawn with its own probabilities.

    Parameters
    ----------
    seed
        Decides all lines: without a prompt they are those of `sentences.generate`.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = random.Random(seed)

    def generate(self, prompt: str = "") -> str:
        """Draw a line that begins with `prompt`, which may end within a phrase but not within a word.

        Every such line comes with its exact probability given the prompt: no draw is thrown away.

        Raises
        ------
        ConfigError
            When no line of the grammar begins like that.
        """
        words = ASCII_WORDS(prompt)
        line = _Continuation(self._rng, words)
        with suppress(grammar.Mismatch):
            grammar.sentence(line)
            if line.read >= len(words):
                return " ".join(line.phrases[:-1])
        raise ConfigError(f"no line of the grammar begins with {prompt!r}; try {sentences.PROMPT!r}")

    def perplexity(self, lines: Sequence[str]) -> float:
        """Exact perplexity a token of `lines`, ends included; infinite where the grammar cannot make one."""
        return math.exp(sentences.entropy_floor(lines))


class _Continuation(grammar.Draw):
    """A line whose first words are given. No option begins another, so they leave no choice but the last one."""

    def __init__(self, rng: random.Random, words: Sequence[str]) -> None:
        super().__init__(rng)
        self._words = words
        self.read = 0

    def pick(self, options: Mapping[str, float]) -> str:
        """Take one of the options that agree with the words given."""
        phrase = super().pick(self._agreeing(options))
        self.read += len(phrase.split(" "))
        return phrase

    def say(self, phrase: str) -> None:
        """Put a phrase that has no alternative, if it agrees."""
        super().say(*self._agreeing({phrase: 1.0}))
        self.read += len(phrase.split(" "))

    def _agreeing(self, options: Mapping[str, float]) -> Mapping[str, float]:
        left = self._words[self.read :]
        if not left:
            return options
        agree = {
            phrase: probability
            for phrase, probability in options.items()
            if all(own == given for own, given in zip(phrase.split(" "), left, strict=False))
        }
        if not agree:
            raise grammar.Mismatch
        whole = sum(agree.values())
        return {phrase: probability / whole for phrase, probability in agree.items()}
