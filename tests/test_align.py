"""Two token lists and two traces laid out on the same places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attn_widgets.errors import AttnError
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE, AttentionTrace
from attn_widgets.trace.align import align, align_traces
from attn_widgets.trace.aligned import NOWHERE
from attn_widgets.trace.differences import difference, largest_differences
from tests.panel_traces import causal_trace
from tests.small_traces import dot_record, one_block, only_line

DOG = ("The", "dog", "near", "the", "boats", "barks")
DOGS = ("The", "dogs", "near", "the", "boat", "bark")


def test_words_that_differ_are_paired() -> None:
    found = align(DOG, DOGS)
    assert found.labels() == ("The", "dog / dogs", "near", "the", "boats / boat", "barks / bark")
    assert found.replaced == [1, 4, 5]
    assert not found.left_only
    assert not found.right_only


def test_words_written_alike_are_paired_beside_one_too_many() -> None:
    assert align(DOG, (*DOGS[:4], "old", *DOGS[4:])).labels() == (
        "The", "dog / dogs", "near", "the", "old", "boats / boat", "barks / bark",
    )  # fmt: skip
    assert align((" a cat",), (" the", " cats")).labels() == (" a cat", " the", " cats")


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        ("abc", "abc", [(0, 0), (1, 1), (2, 2)]),
        ("ac", "abc", [(0, 0), (-1, 1), (1, 2)]),
        ("abc", "ac", [(0, 0), (1, -1), (2, 1)]),
        ("axyc", "azc", [(0, 0), (1, -1), (2, -1), (-1, 1), (3, 2)]),
        ("", "a", [(-1, 0)]),
        ("", "", []),
        ("aa", "aaa", [(0, 0), (1, 1), (-1, 2)]),
        ("abcabc", "abc", [(0, 0), (1, 1), (2, 2), (3, -1), (4, -1), (5, -1)]),
    ],
)
def test_places_of_short_texts(left: str, right: str, pairs: list[tuple[int, int]]) -> None:
    assert list(align(left, right).pairs) == pairs


def test_every_token_has_one_place_and_they_rise() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        left, right = ("".join(random.choice(list("abc"), random.integers(0, 12))) for _ in range(2))
        found = align(left, right)
        for side, tokens in enumerate((left, right)):
            assert [pair[side] for pair in found.pairs if pair[side] != NOWHERE] == list(range(len(tokens)))
        assert (NOWHERE, NOWHERE) not in found.pairs


def test_many_like_tokens_do_not_take_long() -> None:
    found = align(["a"] * 3000 + ["b"], ["c"] + ["a"] * 3001)
    assert [left for left, _ in found.pairs if left != NOWHERE] == list(range(3001))


def test_an_aligned_trace_holds_each_weight_at_its_places() -> None:
    short, long = causal_trace(tokens=("The", "dog", "barks")), causal_trace(tokens=("The", "big", "dog", "barks"))
    found = align_traces(short, long)
    assert found.left.tokens == found.right.tokens == ("The", "big", "dog", "barks")
    known = [0, 2, 3]
    np.testing.assert_array_equal(found.left.weights(1, 2)[np.ix_(known, known)], short.weights(1, 2))
    np.testing.assert_array_equal(found.left.states(1, 2)[np.ix_(known, known)], short.states(1, 2))
    assert (found.left.states(1, 2)[1] == NOT_CAPTURED).all()
    assert (found.left.states(1, 2)[:, 1] == NOT_CAPTURED).all()
    np.testing.assert_array_equal(found.left.weights(1, 2, slice(1, 3), 2), found.left.weights(1, 2)[1:3, 2:3])
    np.testing.assert_array_equal(found.right.weights(1, 2), long.weights(1, 2))


def test_vectors_stay_vectors_and_scores_are_aligned() -> None:
    one = AttentionTrace([one_block(dot_record(), tuple("abcde"))])
    other = AttentionTrace([one_block(dot_record(), tuple("abxde"))])
    same = align_traces(one, one)
    assert same.left.blocks[0].record is one.blocks[0].record
    scores = align_traces(one, AttentionTrace([one_block(dot_record(), tuple("bcdef"))])).left.scores(0, 1)
    assert scores is not None
    assert scores.shape == (6, 6)
    assert np.isnan(scores[5]).all()
    np.testing.assert_array_equal(scores[:5, :5], one.scores(0, 1))
    assert align_traces(one, other).left.tokens == ("a", "b", "c / x", "d", "e")


def test_an_aligned_trace_is_saved_as_its_weights(tmp_path: Path) -> None:
    found = align_traces(causal_trace(tokens=tuple("ab")), causal_trace(tokens=tuple("abc"))).left
    found.save(tmp_path / "a.safetensors")
    read = AttentionTrace.load(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(read.weights(0, 0), found.weights(0, 0))
    np.testing.assert_array_equal(read.states(0, 0), found.states(0, 0))


def test_traces_of_other_heads_are_refused_in_one_line() -> None:
    with pytest.raises(AttnError, match="left has 2 decoder layers of 4 heads, right 2 decoder layers of 2") as error:
        align_traces(causal_trace(), causal_trace(heads=2))
    only_line(error)


def test_a_difference_keeps_what_is_no_weight() -> None:
    left, right = np.array([[0.25, 0, 0, 0, np.inf]], "f"), np.array([[1, 0.5, 0, 0, np.inf]], "f")
    states = np.array([[VALUE, MASKED, MASKED, NOT_CAPTURED, VALUE]], np.uint8)
    others = np.array([[VALUE, VALUE, MASKED, VALUE, VALUE]], np.uint8)
    found = difference(left, right, states, others)
    assert found.states.tolist() == [[VALUE, VALUE, MASKED, NOT_CAPTURED, VALUE]]
    np.testing.assert_array_equal(found.values, np.array([[0.75, 0.5, 0, 0, np.nan]], "f"))


def test_the_largest_differences_are_those_of_all_heads() -> None:
    left, right = causal_trace(seed=1), causal_trace(seed=2)
    found = largest_differences(left, right, most=7)
    every = [
        (abs(float(right.weights(layer, head)[q, k]) - float(left.weights(layer, head)[q, k])), layer, head, q, k)
        for layer, head in left.iter_heads()
        for q in range(10)
        for k in range(10)
    ]
    assert [cell[:4] for cell in found] == [cell[1:] for cell in sorted(every, key=lambda c: (-c[0], c[1:]))[:7]]
    assert {cell.layer for cell in largest_differences(left, right, [1])} == {1}
    assert largest_differences(left, left) == []
