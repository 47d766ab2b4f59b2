"""What ``--search`` reads: lists of values, as words on a line and as a dict in Python."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.flags import VERBS, Variable, combinations, keywords, parse, read_grid, told

TRAIN = VERBS["train"]


@pytest.mark.parametrize(
    ("line", "words", "search"),
    [
        ("--search heads=2 cell=gru,lstm story.txt --seed 3", ["story.txt"], ("heads=2", "cell=gru,lstm")),
        ("a.txt --search=heads=2,4 kv-heads=1 --search tied=no", ["a.txt"], ("heads=2,4", "kv-heads=1", "tied=no")),
        ("--search heads=2 -- dim=4", ["dim=4"], ("heads=2",)),
        ("--seed 3 dim=4", ["dim=4"], None),
    ],
)  # fmt: skip
def test_search_takes_the_lists_behind_it(line: str, words: list[str], search: object) -> None:
    parsed = parse(TRAIN, shlex.split(line))
    assert (parsed.words, parsed.given.get("search")) == (words, search)


def test_a_search_in_python_is_a_dict() -> None:
    given = keywords(
        TRAIN, {"search": {"heads": [2, np.int64(4)], "dropout": 0.5, "attention": "dot", "tied": [True, False]}}
    )
    assert given["search"] == ("heads=2,4", "dropout=0.5", "attention=dot", "tied=True,False")
    grid = {"heads": (2, 4), "dropout": (0.5,), "attention": ("dot",), "tied": (True, False)}
    assert read_grid(given["search"]) == grid
    assert parse(TRAIN, ["--search", Variable("grid", {"heads": [2, 4]})]).given == {"search": ("heads=2,4",)}


def test_what_a_search_reads() -> None:
    words = ["kv-heads=none,2,2", "learning_rate=1e-3,1", "tied=no,TRUE", "kv_heads=1"]
    grid = read_grid(words)
    assert grid == {"kv_heads": (None, 2, 1), "learning_rate": (0.001, 1.0), "tied": (False, True)}
    assert [told(choice) for choice in combinations(grid)][:4] == [
        "kv_heads=none learning_rate=0.001 tied=false", "kv_heads=none learning_rate=0.001 tied=true",
        "kv_heads=none learning_rate=1 tied=false", "kv_heads=none learning_rate=1 tied=true",
    ]  # fmt: skip
    assert len(combinations(grid)) == 12


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("hed=2,4", "--search hed=2,4: no option hed; did you mean heads?"),
        ("heads=2,x", "--search heads=2,x: heads must be a whole number; given 'x'"),
        ("heads=none", "--search heads=none: heads must be a whole number; given 'none'"),
        ("tied=maybe", "--search tied=maybe: tied must be True or False; given 'maybe'"),
        ("cell=grue", "--search cell=grue: cell must be gru or lstm; given 'grue'; did you mean gru?"),
        ("probe=a", "--search probe=a: --probe is text; numbers, names from a list and switches can be searched"),
        ("validation=0.1", "--search validation=0.1: the folds are what is held out; give --folds"),
        (
            "seed=1,2",
            "--search seed=1,2: a seed is nothing to choose, "
            "and the folds repeat each training already; give one --seed",
        ),
        ("name=a", "--search name=a: no option name; try heads=2,4"),
        ("heads=", "--search heads=: give an option and its values, such as heads=2,4"),
        ("heads=2,,4", "--search heads=2,,4: give an option and its values, such as heads=2,4"),
        ("corpus.txt", "--search corpus.txt: give an option and its values, such as heads=2,4"),
    ],
)  # fmt: skip
def test_searches_that_cannot_be(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_grid([word])
    assert str(caught.value) == message
