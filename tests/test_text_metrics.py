from __future__ import annotations

import numpy as np

from attn_widgets.text.metrics import by_group, exact_match, score, token_hits
from attn_widgets.text.tasks import Item, Task

PAIRS = [
    Item("a 1 b 2", "b 2 a 1", "pairs 2", given=(0, 2, 4)),
    Item("a 1 b 2", "a 1 b 2", "pairs 2", given=(0, 2, 4)),
    Item("c 3", "c 3", "pairs 1", given=(0, 2)),
]


def test_exact_match_takes_any_reference():
    items = [Item("x", "y"), Item("go .", "va !", references=("va !", "marche .")), Item("x", "y"), Item("x", "y")]
    assert exact_match(["y", "marche .", "y ", ""], items).tolist() == [1, 1, 0, 0]


def test_given_tokens_do_not_count():
    right, counted = token_hits(["b 2 a 9", "a 9 b 9", "x 3"], PAIRS)
    assert right.tolist() == [1, 0, 1]
    assert counted.tolist() == [2, 2, 1]


def test_positions_that_are_missing_or_moved_are_wrong():
    item = [Item("", "abcd")]
    for text, hits in (("abcd", 4), ("abc", 3), ("abcdef", 4), ("bcd", 0), ("", 0), ("xbcd", 3)):
        right, counted = token_hits([text], item, "char")
        assert (right.tolist(), counted.tolist()) == ([hits], [4])


def test_groups_come_in_order_and_weigh_by_what_counts():
    right, counted = np.array([1, 0, 3, 0]), np.array([2, 2, 4, 0])
    assert by_group(right, counted, ["b", "b", "a", "c"]) == {"b": 0.25, "a": 0.75}
    assert list(by_group(right, counted, ["b", "b", "a", "c"])) == ["b", "a"]


def test_a_task_is_scored_by_its_own_metric():
    task = Task("t", "", "word", "", "token_accuracy", [], [], PAIRS)
    predicted = ["b 2 a 9", "a 9 b 9", "c 3"]
    assert score(task, predicted) == (2 / 5, {"pairs 2": 1 / 4, "pairs 1": 1.0})
    exact = Task("t", "", "word", "", "exact_match", [], [], PAIRS)
    assert score(exact, predicted) == (1 / 3, {"pairs 2": 0.0, "pairs 1": 1.0})
