"""The sampled grammar, against the exact probabilities of its lines."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.models.rules import Rules
from attn_widgets.text import grammar, sentences


def test_without_a_prompt_it_writes_the_corpus():
    rules = Rules(0)
    assert [rules.generate() for _ in range(500)] == list(sentences.corpus_lines()[:500])


def test_every_beginning_of_a_line_is_continued_to_a_line_of_the_grammar():
    rules = Rules(1)
    for line in sentences.corpus_lines()[:80]:
        words = line.split(" ")
        for stop in range(len(words) + 1):
            prompt = " ".join(words[:stop])
            written = rules.generate(prompt)
            assert written.split(" ")[:stop] == words[:stop]
            assert sentences.line_log_probability(written) > -math.inf


def test_continuations_come_with_their_probabilities():
    """With chance 1/2 no further distractor follows, with 1/4 one; each line's own probability says the same."""
    rules, draws = Rules(2), 4000
    drawn = Counter(rules.generate("The old dog near the cat behind") for _ in range(draws))
    begun = "The old dog near the cat behind"
    one = [f"{begun} the {noun} barks {adverb} ." for noun in grammar.NOUNS for adverb in grammar.ADVERBS]
    two = [f"{begun} the {noun} {preposition} the {other} barks {adverb} ." for noun, preposition, other, adverb in
           itertools.product(grammar.NOUNS, grammar.PREPOSITIONS, grammar.NOUNS, grammar.ADVERBS)]  # fmt: skip
    exact = [math.fsum(math.exp(sentences.line_log_probability(line)) for line in lines) for lines in (one, two)]
    assert exact[0] == pytest.approx(2 * exact[1], rel=1e-9)
    share = sum(drawn[line] for line in one) / draws
    assert share == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / draws))
    share = sum(drawn[line] for line in two) / draws
    assert share == pytest.approx(0.25, abs=4 * math.sqrt(0.1875 / draws))


def test_a_prompt_may_end_within_a_phrase():
    """Four of the eight places begin with "at"."""
    rules = Rules(3)
    places = Counter(" ".join(rules.generate("Anna and Ben meet at").split(" ")[5:6]) for _ in range(800))
    assert set(places) == {"school", "work", "lunch", "church"}
    assert min(places.values()) > 200 - 4 * math.sqrt(800 * 3 / 16)


def test_a_whole_line_is_left_as_it_is():
    line = "I love to eat pizza and drink beer ."
    assert Rules(0).generate("I love  to eat pizza and drink beer.") == line


@pytest.mark.parametrize(
    "prompt",
    ["We", "I love to eat beer", "The dog bark", "Mia needs soap soap", "I love to eat pizza and drink beer . and",
     "Anna and Anna", "The d"],
)  # fmt: skip
def test_what_the_grammar_cannot_make_is_refused(prompt: str):
    with pytest.raises(ConfigError) as error:
        Rules(0).generate(prompt)
    assert str(error.value) == f"no line of the grammar begins with {prompt!r}; try 'I love to eat pizza'"


def test_perplexity():
    """A taste line without phrases: 0.15 · 1/8 · 1/2, spread over its nine words and its end."""
    line = "I love to eat pizza and drink beer ."
    assert Rules().perplexity([line]) == pytest.approx((0.15 / 16) ** (-1 / 10), rel=1e-12)
    assert Rules().perplexity([line, "I love to eat pizza and drink wine ."]) == math.inf
