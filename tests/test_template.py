"""Templates: frames that are found, slots that are filled, and what they cannot do."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest

from attn_widgets.errors import ConfigError, CorpusError
from attn_widgets.models.template import Templates, split_words
from attn_widgets.text import sentences

CITIES = ("Rome", "Oslo", "Lima", "Kyiv", "Bern")
DAYS = ("Monday", "Friday", "Sunday", "Tuesday")
DISHES = ("soup", "rice", "bread", "stew", "fish", "beans")


def texts() -> list[str]:
    """Two templates written by hand, filled in every way: 20 reports of the weather and 18 of the food."""
    weather = [f"On {day} it rains in {city}." for day, city in itertools.product(DAYS, CITIES)]
    return weather + [f"We eat {dish} and {other}!" for dish, other in itertools.product(DISHES[:3], DISHES)]


def test_the_templates_that_wrote_the_texts_are_found():
    found = Templates(texts(), common=0.4)
    assert [str(frame) for frame in found.frames] == [
        "On ‹4 words› it rains in ‹5 words› .",
        "We eat ‹3 words› and ‹6 words› !",
    ]
    assert [frame.count for frame in found.frames] == [20, 18]
    assert found.frames[0].fillers[1] == dict.fromkeys(DAYS, 5)
    assert found.frames[0].fixed == 5 / 7
    assert repr(found) == "Templates(2 frames of 38 lines)"


def test_lines_of_one_text_are_sentences_of_their_own():
    lines = texts()
    whole, parts = Templates(["\n\n".join(lines)], common=0.4), Templates(lines, common=0.4)
    assert whole.frames == parts.frames


def test_it_writes_what_the_templates_can_say_and_nothing_else():
    written = Templates(texts(), common=0.4, seed=1)
    possible = {" ".join(split_words(text)) for text in texts()}
    drawn = Counter(written.complete() for _ in range(3800))
    assert set(drawn) == possible
    assert max(abs(count - 100) for count in drawn.values()) < 5 * math.sqrt(100)


def test_a_prompt_chooses_the_frame_and_stays():
    written = Templates(texts(), common=0.4)
    assert {written.complete("We eat rice").split(" ")[3] for _ in range(20)} == {"and"}
    for prompt in ("On Friday", "On Friday it rains in Oslo."):
        for _ in range(20):
            assert written.complete(prompt).startswith(" ".join(split_words(prompt)))
    assert written.complete("On Friday it rains in Oslo .") == "On Friday it rains in Oslo ."


def test_frames_are_weighed_by_how_well_they_fit_the_prompt():
    """Ann begins 9 of the 40 lines of one frame and 3 of the 40 of the other: three draws of four are the first."""
    rng = random.Random(0)
    names = [f"name{number}" for number in range(10)]
    small = [f"{name} keeps a small dog" for name in ["Ann"] * 9 + [rng.choice(names) for _ in range(31)]]
    big = [f"{name} owns one big horse" for name in ["Ann"] * 3 + [rng.choice(names) for _ in range(37)]]
    written = Templates(small + big)
    assert [frame.count for frame in written.frames] == [40, 40]
    share = sum("small" in written.complete("Ann") for _ in range(2000)) / 2000
    assert share == pytest.approx(9 / 12, abs=4 * math.sqrt(3 / 16 / 2000))


def test_greedy_takes_the_commonest():
    lines = [*texts(), "On Sunday it rains in Bern.", "On Sunday it rains in Bern."]
    assert Templates(lines, common=0.4).complete(greedy=True) == "On Sunday it rains in Bern ."
    assert Templates(lines, common=0.4).complete("On Friday", greedy=True) == "On Friday it rains in Bern ."


def test_a_slot_takes_a_new_word_but_a_fixed_position_does_not():
    written = Templates(texts(), common=0.4)
    assert written.complete("On Thursday").startswith("On Thursday it rains in ")
    for prompt in ("At Monday", "On Monday it snows", "We eat soup and rice ! !"):
        with pytest.raises(ConfigError) as error:
            written.complete(prompt)
        assert str(error.value) == (
            f"no template begins with {prompt!r}; the commonest is: On ‹4 words› it rains in ‹5 words› ."
        )


def test_texts_without_a_pattern():
    with pytest.raises(CorpusError, match="no sentence frame occurs in 5 lines or more; templates need texts that rep"):
        Templates(["each of these", "is different", "from", "all the other ones"])


def test_the_sentences_corpus_is_written_with_its_words_in_place_and_its_agreement_by_chance():
    """A template knows no agreement: of eight drinks one suits, of twelve verbs one; words follow words they may."""
    written = Templates(sentences.corpus_lines()[:10_000], seed=0)
    assert sum(frame.count for frame in written.frames) > 6000
    drinks = Counter(written.complete("I love to eat pizza").split(" ")[-2] for _ in range(1600))
    assert set(drinks) == {"beer", "wine", "tea", "coffee", "cocoa", "water", "cider", "juice"}
    assert drinks["beer"] / 1600 == pytest.approx(1 / 8, abs=0.05)
