"""The lens on heads: combined, merged, hidden, filtered; against sums written as matrix products, and tile by tile."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attn_widgets.errors import ConfigError
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.panels.lens import HIDDEN, Axis, Lens, Matrix
from attn_widgets.panels.tiles import (
    HIDDEN_CODE,
    MASKED_CODE,
    NAN_CODE,
    TOP,
    UNKNOWN_CODE,
    ZERO_CODE,
    Scale,
    encode,
    picture,
    reduced,
    scale_of,
)
from attn_widgets.panels.words import special_tokens, word_starts
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE, AttentionTrace
from attn_widgets.trace.blocks import Block
from attn_widgets.trace.dot_product import DotProductRecord
from attn_widgets.trace.records import causal_range
from tests.data.make_lens import cases
from tests.panel_traces import causal_trace

PIECES = ("‹start›", " Token", "isers", " cut", " words", ",", " un", "like", "ly", "‹end›")


def whole(trace: AttentionTrace, lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    matrix = Matrix(trace, lens)
    rows, columns = matrix.shape
    return matrix.cells(slice(0, rows), slice(0, columns))


def heads_of(trace: AttentionTrace) -> tuple[tuple[int, int], ...]:
    return tuple(trace.iter_heads())


def test_means_and_maxima_are_those_of_torch() -> None:
    trace = causal_trace(layers=2, heads=3)
    stacked = torch.stack([torch.from_numpy(trace.weights(layer, head)) for layer, head in trace.iter_heads()])
    mean, states = whole(trace, Lens(heads_of(trace)))
    np.testing.assert_allclose(mean, stacked.mean(0).numpy(), atol=1e-7)
    np.testing.assert_array_equal(states, trace.mean_states())
    np.testing.assert_array_equal(whole(trace, Lens(heads_of(trace), "max"))[0], stacked.amax(0).numpy())


def test_subwords_are_merged_as_products_with_membership_matrices() -> None:
    trace = causal_trace(tokens=PIECES)
    matrix = Matrix(trace, Lens(((1, 2),), words=True))
    assert matrix.rows.tokens == ("‹start›", " Tokenisers", " cut", " words", ",", " unlikely", "‹end›")
    member = torch.zeros(len(matrix.rows.tokens), len(PIECES), dtype=torch.float64)
    for word, (start, stop) in enumerate(zip(matrix.rows.starts, matrix.rows.stops, strict=True)):
        member[word, start:stop] = 1
    mean = member / member.sum(1, keepdim=True)
    expected = mean @ torch.from_numpy(trace.weights(1, 2)).double() @ member.T
    np.testing.assert_allclose(matrix.cells(slice(0, 7), slice(0, 7))[0], expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(expected.sum(1).numpy(), 1, atol=1e-6)


def test_special_tokens_leave_and_the_rest_stays() -> None:
    trace = causal_trace(tokens=PIECES)
    weights, _ = whole(trace, Lens(((0, 0),), hide_special=True))
    np.testing.assert_array_equal(weights, trace.weights(0, 0)[1:-1, 1:-1])


@pytest.mark.parametrize(
    "lens",
    [
        Lens(((0, 1),)),
        Lens(((0, 1), (1, 0), (1, 3)), "max"),
        Lens(((0, 1), (1, 0)), words=True, hide_special=True, top=2),
        Lens(((0, 1),), value="log", threshold=0.05),
        Lens(((0, 2),), hide_special=True, top=3, threshold=0.1),
    ],
    ids=str,
)
def test_a_tile_is_the_same_as_that_part_of_the_whole(lens: Lens) -> None:
    trace = causal_trace(tokens=PIECES)
    values, states = whole(trace, lens)
    matrix = Matrix(trace, lens)
    for rows, columns in [(slice(1, 4), slice(2, 5)), (slice(0, 1), slice(0, 6)), (slice(4, 5), slice(1, 2))]:
        some, its = matrix.cells(rows, columns)
        np.testing.assert_allclose(some, values[rows, columns], rtol=1e-6)
        np.testing.assert_array_equal(its, states[rows, columns])


def test_filters_hide_and_never_change() -> None:
    trace = causal_trace()
    plain, _ = whole(trace, Lens(((0, 0),)))
    values, states = whole(trace, Lens(((0, 0),), threshold=0.2, top=2))
    np.testing.assert_array_equal(values, plain)
    for row in range(len(plain)):
        shown = np.flatnonzero(states[row] == VALUE)
        seen = torch.topk(torch.from_numpy(plain[row, : row + 1]), min(2, row + 1))
        assert set(shown) == {int(i) for w, i in zip(*seen, strict=True) if w >= 0.2}
    assert (states[np.triu_indices(len(plain), 1)] == MASKED).all()


def vectors(tokens: int, heads: int = 1, dim: int = 16) -> AttentionTrace:
    rng = np.random.default_rng(1)
    query, key = (rng.normal(size=(heads, tokens, dim)).astype(np.float16) for _ in range(2))
    record = DotProductRecord(query, key, dim**-0.5, *causal_range(tokens, tokens))
    names = tuple(str(i) for i in range(tokens))
    return AttentionTrace((Block("decoder", 0, names, names, record),))


def test_scores_are_the_scaled_products() -> None:
    trace = vectors(9)
    record: Any = trace.blocks[0].record
    values, states = whole(trace, Lens(((0, 0),), value="score"))
    exact = torch.from_numpy(record.query[0]).float() @ torch.from_numpy(record.key[0]).float().T * record.scale
    lower = np.tril_indices(9)
    np.testing.assert_allclose(values[lower], exact.numpy()[lower], atol=1e-5)
    scale = scale_of(Matrix(trace, Lens(((0, 0),), value="score")), "score")
    assert (scale.low, scale.high) == pytest.approx((exact.numpy()[lower].min(), exact.numpy()[lower].max()), abs=1e-5)
    assert (states[np.triu_indices(9, 1)] == MASKED).all()


@pytest.mark.parametrize("step", [1, 2, 3, 8])
def test_a_reduced_picture_is_the_maximum_of_its_cells(step: int) -> None:
    trace = vectors(45)
    matrix = Matrix(trace, Lens(((0, 0),)))
    weights = trace.weights(0, 0)
    codes = picture(matrix, slice(0, 45), slice(0, 45), step, Scale())
    padded = torch.full((48, 48), -1.0)
    padded[:45, :45] = torch.from_numpy(weights)
    pooled = torch.nn.functional.max_pool2d(padded[None, None], step, ceil_mode=True)[0, 0]
    size = -(-45 // step)
    there = codes <= TOP
    np.testing.assert_allclose(codes[there] / TOP, pooled.numpy()[:size, :size][there], atol=1 / 500 + 1e-6)
    diagonal = np.arange(size)
    assert there[diagonal, diagonal].all()
    assert (codes[0, 1:] == MASKED_CODE).all()


def test_each_state_has_a_code_of_its_own() -> None:
    values = np.array([[0.0, 1.0, np.nan, 0.5, 0.5, 0.5, 2.0, -1.0]], np.float32)
    states = np.array([[VALUE, VALUE, VALUE, MASKED, NOT_CAPTURED, HIDDEN, VALUE, VALUE]], np.uint8)
    codes = encode(values, states, Scale())[0].tolist()
    assert codes == [ZERO_CODE, TOP, NAN_CODE, MASKED_CODE, UNKNOWN_CODE, HIDDEN_CODE, TOP, 0]


def test_a_nan_is_seen_in_a_reduced_picture() -> None:
    values = np.full((4, 4), 0.25, np.float32)
    values[3, 1] = np.nan
    values, states = reduced(values, np.zeros((4, 4), np.uint8), 2)
    assert np.isnan(values[1, 0])
    assert (values[[0, 0, 1], [0, 1, 1]] == 0.25).all()
    assert states.shape == (2, 2)


@pytest.mark.parametrize(
    ("tokens", "starts"),
    [
        (("[CLS]", "un", "##like", "##ly", "[SEP]"), [0, 1, 4]),
        (("Ġthe", "Ġcat", "s", "Ċ", "sat"), [0, 1, 3, 4]),
        (("▁I", "▁love", "d", "</s>"), [0, 1, 3]),
        (("a", "b", "c"), [0, 1, 2]),
        ((), []),
    ],
)
def test_words_begin_where_each_tokenizer_says(tokens: tuple[str, ...], starts: list[int]) -> None:
    assert word_starts(tokens) == starts


def test_special_tokens_are_known_and_code_is_not() -> None:
    assert special_tokens(("<s>", "[CLS]", "<|endoftext|>", "‹mask›", "</s>")) == [0, 1, 2, 3, 4]
    assert special_tokens(("<", "[", "a<b>c", "[a]", "<img src=x onerror=alert(1)>")) == []


@pytest.mark.parametrize(
    ("lens", "said"),
    [
        (lambda: Lens(()), "at least one head"),
        (lambda: Lens(((0, 0), (0, 1)), value="score"), "scores are those of one head; given 2"),
        (lambda: Lens(((0, 0),), value="score", words=True), "do not add up"),
        (lambda: Matrix(causal_trace(), Lens(((0, 0),), value="score")), "no scores"),
    ],
)
def test_what_a_lens_cannot_show_is_one_line(lens: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        lens()
    assert "\n" not in str(raised.value)


def test_an_axis_tells_which_tokens_stand_at_each_place() -> None:
    axis = Axis.of(PIECES, words=True, hide_special=True)
    assert axis.starts.tolist() == [1, 3, 4, 5, 6]
    assert axis.stops.tolist() == [3, 4, 5, 6, 9]


def test_the_page_is_tested_against_what_the_lens_makes_now() -> None:
    held = json.loads((Path(__file__).parent / "data" / "lens.json").read_text("utf-8"))
    assert json.loads(json.dumps(cases())) == held


@pytest.mark.parametrize("words", [False, True])
def test_a_text_of_special_tokens_alone_leaves_nothing_to_show(words: bool) -> None:
    trace = causal_trace(tokens=("<s>", " a", "b"))
    special = AttentionTrace.from_arrays(
        np.ones((1, 1, 2, 3), np.float32), tokens=("<s>", "</s>"), key_tokens=("<s>", " a", "b")
    )
    for given, row in ((special, 0), (trace, 1)):
        matrix = Matrix(given, Lens(((0, 0),), words=words, hide_special=True))
        values, states = matrix.cells(slice(0, row), slice(0, matrix.shape[1]))
        assert values.shape == states.shape == (row, matrix.shape[1])
    assert Matrix(special, Lens(((0, 0),), words=words, hide_special=True)).shape[0] == 0


def test_the_logarithm_of_zero_is_the_end_of_its_scale_and_no_number_gone_wrong() -> None:
    weights = np.array([[[[1, 0], [np.nan, 0.5]]]], np.float32)
    panel = HeadPanel(weights, tokens=("a", "b"), value="log")
    scale = scale_of(panel.matrix(), "log")
    codes = picture(panel.matrix(), slice(0, 2), slice(0, 2), 1, scale)
    assert codes.tolist() == [[TOP, 0], [NAN_CODE, round((1 + np.log(0.5) / -scale.low) * TOP)]]
    crosses = re.findall(r'<path d="([^"]+)" stroke="#fff"', panel.figure())
    assert [path.count("M") for path in crosses] == [2, 2]  # two strokes of a cross: of the one cell, and in the legend
