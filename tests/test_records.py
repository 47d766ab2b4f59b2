from __future__ import annotations

import warnings

import jaxtyping
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attn_widgets.errors import AttnError
from attn_widgets.trace import (
    MASKED,
    NOT_CAPTURED,
    VALUE,
    DotProductRecord,
    Part,
    Record,
    StackedRecord,
    WeightsRecord,
    causal_range,
    vectors,
)

SLICES = [
    slice(None),
    slice(0, 1),
    slice(2, 5),
    slice(-2, None),
    slice(None, None, 3),
    slice(None, None, -1),
    slice(5, 1, -2),
    slice(4, 4),
]


def arrays(heads: int, kv_heads: int, queries: int, keys: int, dim: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(heads * 1000 + queries * 10 + keys)
    shapes = (heads, queries, dim), (kv_heads, keys, dim)
    return tuple(2 * random.standard_normal(shape).astype(np.float32) for shape in shapes)  # type: ignore[return-value]


def torch_weights(query: np.ndarray, key: np.ndarray, scale: float, visible: np.ndarray) -> np.ndarray:
    """Weights of torch's own attention: with the identity as values its output is its weights."""
    values = torch.eye(key.shape[1]).expand(key.shape[0], -1, -1)[None]
    q, k = torch.tensor(query, dtype=torch.float32)[None], torch.tensor(key, dtype=torch.float32)[None]
    mask = torch.tensor(visible)
    return F.scaled_dot_product_attention(q, k, values, attn_mask=mask, scale=scale, enable_gqa=True)[0].numpy()


def everything(queries: int, keys: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(queries, int), np.full(queries, keys)


@pytest.mark.parametrize("kind", ["full", "causal", "window", "mask"])
@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (7, 7), (64, 64), (3, 7), (1, 64)])
def test_weights_are_those_of_torch(kind: str, heads: int, kv_heads: int, queries: int, keys: int) -> None:
    query, key = arrays(heads, kv_heads, queries, keys)
    start, stop = everything(queries, keys) if kind in ("full", "mask") else causal_range(queries, keys)
    visible = np.ones((queries, keys), bool)
    if kind == "window":
        start, stop = causal_range(queries, keys, window=3)
    if kind in ("causal", "window"):
        visible = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries).numpy()
    if kind == "window":
        visible = torch.tensor(visible).triu(keys - queries - 2).numpy()
    if kind == "mask":
        visible = np.random.default_rng(0).random((queries, keys)) < 0.5
        visible[:, -1] = True
    record = DotProductRecord(query, key, 0.3, start, stop, visible if kind == "mask" else None)
    expected = torch_weights(query, key, 0.3, visible)
    for head in range(heads):
        found = record.weights(head)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[head], atol=1e-6)
        np.testing.assert_array_equal(record.states(head) == VALUE, visible)
        assert not found[~visible].any()


@pytest.mark.parametrize("rows", SLICES)
@pytest.mark.parametrize("columns", SLICES)
def test_any_slices(rows: slice, columns: slice) -> None:
    query, key = arrays(4, 2, 7, 9)
    start, stop = causal_range(7, 9, window=4)
    record = DotProductRecord(query, key, 0.3, start, stop)
    np.testing.assert_allclose(record.weights(3, rows, columns), record.weights(3)[rows, columns], atol=1e-7)
    np.testing.assert_array_equal(record.states(3, rows, columns), record.states(3)[rows, columns])
    np.testing.assert_allclose(record.scores(3, rows, columns), record.scores(3)[rows, columns], atol=1e-6)


def test_a_single_position_keeps_its_axis() -> None:
    query, key = arrays(2, 2, 5, 5)
    record = DotProductRecord(query, key, 1.0, *everything(5, 5))
    np.testing.assert_allclose(record.weights(1, -1, 2), record.weights(1)[4:5, 2:3], atol=1e-7)
    with pytest.raises(AttnError, match="query 5 does not exist; there are 5: 0 to 4"):
        record.weights(1, 5)
    for head in (2, -1):
        with pytest.raises(AttnError, match=f"head {head} does not exist; the layer has 2: 0 to 1"):
            record.weights(head)


def test_tiles_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key = arrays(2, 1, 50, 64)
    record = DotProductRecord(query, key, 0.3, *causal_range(50, 64, window=9))
    whole, scores = record.weights(1), record.scores(1)
    monkeypatch.setattr(vectors, "TILE", 64 * 7)
    np.testing.assert_allclose(record.weights(1), whole, atol=1e-6)
    np.testing.assert_allclose(record.scores(1), scores, atol=1e-6)


def test_a_row_costs_its_own_scores_only(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key = arrays(2, 2, 64, 64)
    record = DotProductRecord(query, key, 0.3, *causal_range(64, 64, window=8))
    sizes: list[int] = []
    softmax = vectors._softmax
    monkeypatch.setattr(vectors, "_softmax", lambda s, v: (sizes.append(s.size), softmax(s, v))[1])
    record.weights(0, slice(40, 41), slice(36, 38))
    assert sizes == [8]


def test_scores_are_scaled_products_and_minus_infinity_where_masked() -> None:
    query, key = arrays(2, 1, 6, 6)
    record = DotProductRecord(query, key, 0.25, *causal_range(6, 6))
    expected = torch.tensor(query[1]) @ torch.tensor(key[0]).T * 0.25
    expected = expected.masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf)
    np.testing.assert_allclose(record.scores(1), expected.numpy(), rtol=1e-5, atol=1e-5)


def test_half_precision_storage() -> None:
    query, key = (a.astype(np.float16) for a in arrays(4, 2, 33, 33))
    start, stop = causal_range(33, 33)
    record = DotProductRecord(query, key, 8**-0.5, start, stop)
    expected = torch_weights(query, key, 8**-0.5, np.tri(33, dtype=bool))
    np.testing.assert_allclose(np.stack([record.weights(h) for h in range(4)]), expected, atol=1e-6)
    assert record.nbytes == query.nbytes + key.nbytes + start.nbytes + stop.nbytes


def test_huge_scores_stay_finite() -> None:
    query, key = arrays(1, 1, 8, 8)
    record = DotProductRecord(query * 1e4, key * 1e4, 1.0, *everything(8, 8))
    weights = record.weights(0)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(weights.argmax(axis=1), (query[0] @ key[0].T).argmax(axis=1))


def test_rows_that_see_nothing_are_zero_and_masked() -> None:
    query, key = arrays(1, 1, 4, 4)
    mask = np.ones((4, 4), bool)
    mask[2] = False
    start, stop = everything(4, 4)
    stop[0] = 0
    record = DotProductRecord(query, key, 1.0, start, stop, mask)
    np.testing.assert_array_equal(record.weights(0)[[0, 2]], np.zeros((2, 4)))
    np.testing.assert_allclose(record.weights(0)[[1, 3]].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(record.states(0)[:, 0], [MASKED, VALUE, MASKED, VALUE])
    record = DotProductRecord(
        *arrays(1, 1, 6, 4), 1.0, *causal_range(6, 4)
    )  # more rows than keys: the first see nothing
    np.testing.assert_array_equal((record.states(0) == VALUE).sum(axis=1), [0, 0, 1, 2, 3, 4])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_reach_the_rows_that_see_them_and_no_other(bad: float) -> None:
    query, key = arrays(2, 1, 7, 7)
    clean = DotProductRecord(query.copy(), key.copy(), 1.0, *causal_range(7, 7)).weights(0)
    key[0, 4] = bad
    query[1, 2, 0] = bad
    record = DotProductRecord(query, key, 1.0, *causal_range(7, 7))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second, _ = record.weights(0), record.weights(1), record.scores(0)
    expected = (torch.tensor(query[0]) @ torch.tensor(key[0]).T).masked_fill(
        torch.ones(7, 7).triu(1).bool(), -torch.inf
    )
    expected = expected.softmax(-1).masked_fill(torch.ones(7, 7).triu(1).bool(), 0).numpy()
    np.testing.assert_allclose(first[:4], clean[:4], atol=1e-7)
    np.testing.assert_array_equal(np.isnan(first), np.isnan(expected))
    np.testing.assert_allclose(np.nan_to_num(first), np.nan_to_num(expected), atol=1e-6)
    assert np.isnan(second[2, :3]).all()
    assert not second[2, 3:].any()
    assert np.isfinite(second[[0, 1, 3]]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": np.zeros((3, 5, 8), np.float32)}, "3 key heads do not divide 4 query heads"),
        ({"key": np.zeros((2, 5, 7), np.float32)}, r"queries are \(head, query, dim\)"),
        ({"start": np.zeros(4, int)}, "need one entry a row: 5"),
        ({"stop": np.full(5, 6)}, "must lie within the 5 keys"),
        ({"mask": np.ones((5, 4), bool)}, r"needs \(query, key\) = \(5, 5\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    change: dict[str, np.ndarray], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, key = arrays(4, 2, 5, 5)
    start, stop = everything(5, 5)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # a person's run has no hook
    with pytest.raises(AttnError, match=message):
        DotProductRecord(**{"query": query, "key": key, "scale": 1.0, "start": start, "stop": stop, **change})


def test_masked_zero_nan_and_not_captured_stay_four_things() -> None:
    matrix = np.array([[[0.25, 0.5, np.nan, 0.0, 7.0]]], np.float32)
    mask = np.array([[[True, False, True, True, True]]])
    known = np.array([[[True, True, True, True, False]]])
    record = WeightsRecord(matrix, mask, known)
    np.testing.assert_array_equal(record.weights(0), [[0.25, 0, np.nan, 0, 0]])
    np.testing.assert_array_equal(record.states(0), [[VALUE, MASKED, VALUE, VALUE, NOT_CAPTURED]])
    np.testing.assert_array_equal(matrix[0, 0], np.array([0.25, 0.5, np.nan, 0, 7], np.float32))  # untouched
    assert record.scores(0) is None


def test_masks_of_one_head_or_of_each() -> None:
    random = np.random.default_rng(0)
    matrix = random.random((3, 4, 5)).astype(np.float32)
    each = random.random((3, 4, 5)) < 0.5
    np.testing.assert_array_equal(WeightsRecord(matrix, each).states(2) == VALUE, each[2])
    np.testing.assert_array_equal(WeightsRecord(matrix, each[:1]).states(2, slice(1, 3)) == VALUE, each[0, 1:3])
    with pytest.raises(AttnError, match=r"mask has the shape \(2, 4, 5\)"):
        WeightsRecord(matrix, each[:2])


def stacked() -> tuple[StackedRecord, DotProductRecord, DotProductRecord]:
    """Rows 1 to 4 over keys 1 to 4, then rows 4 to 7 over keys 3 to 7; row 0 and row 8 in neither."""
    query, key = arrays(2, 1, 4, 4)
    first = DotProductRecord(query, key, 0.5, *causal_range(4, 4))
    second = DotProductRecord(*arrays(2, 1, 4, 5), 0.5, *causal_range(4, 5))
    return StackedRecord([Part(1, 1, first), Part(4, 3, second)], 9, 9), first, second


def test_stacked_rows_come_from_their_part() -> None:
    record, first, second = stacked()
    weights, states = record.weights(1), record.states(1)
    np.testing.assert_allclose(weights[1:5, 1:5], first.weights(1), atol=1e-7)
    np.testing.assert_allclose(weights[5:8, 3:8], second.weights(1)[1:], atol=1e-7)  # row 4 is the first part's
    np.testing.assert_allclose(weights.sum(axis=1), [0, 1, 1, 1, 1, 1, 1, 1, 0], atol=1e-6)
    assert (states[[0, 8]] == NOT_CAPTURED).all()
    assert (states[1:8, 0] == MASKED).all()
    assert (states[5:8, :3] == MASKED).all()
    np.testing.assert_array_equal(states[1:5, 1:5], first.states(1))
    np.testing.assert_array_equal(states[5:8, 3:8], second.states(1)[1:])
    scores = record.scores(1)
    assert scores is not None
    assert np.isnan(scores[[0, 8]]).all()
    np.testing.assert_array_equal(scores[5:8, :3], -np.inf)


@pytest.mark.parametrize("rows", [*SLICES, slice(3, 6)])
@pytest.mark.parametrize("columns", [slice(None), slice(7, 2, -2), slice(0, 1), slice(-1, None)])
def test_stacked_slices(rows: slice, columns: slice) -> None:
    record, _, _ = stacked()
    np.testing.assert_allclose(record.weights(0, rows, columns), record.weights(0)[rows, columns], atol=1e-7)
    np.testing.assert_array_equal(record.states(0, rows, columns), record.states(0)[rows, columns])
    scores, whole = record.scores(0, rows, columns), record.scores(0)
    assert scores is not None
    assert whole is not None
    np.testing.assert_allclose(scores, whole[rows, columns], atol=1e-6)


def test_parts_must_fit() -> None:
    _, first, second = stacked()
    with pytest.raises(AttnError, match="a part of 4 x 5 at row 4, key 5 does not fit into 9 x 9"):
        StackedRecord([Part(0, 0, first), Part(4, 5, second)], 9, 9)
    other = DotProductRecord(*arrays(1, 1, 4, 5), 0.5, *causal_range(4, 5))
    with pytest.raises(AttnError, match=r"parts have \[2, 1\] heads"):
        StackedRecord([Part(0, 0, first), Part(4, 3, other)], 9, 9)


def test_all_records_answer_the_protocol() -> None:
    record, first, _ = stacked()
    given = WeightsRecord(np.zeros((2, 3, 4), np.float32))
    assert all(isinstance(each, Record) for each in (record, first, given))
    assert (given.heads, given.queries, given.keys, given.nbytes) == (2, 3, 4, 96)
    held = sum(array.nbytes for array in record.arrays().values())
    assert record.nbytes == held > first.nbytes
    assert repr(record) == "StackedRecord(heads=2, queries=9, keys=9)"
