"""Additive records of a trace against keras's layer and torch's tanh."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

os.environ["KERAS_BACKEND"] = "torch"
import keras

from attn_widgets.errors import AttnError
from attn_widgets.trace import MASKED, VALUE, AdditiveRecord, AttentionTrace, Block, Record, causal_range, vectors
from tests.test_records import SLICES

DIM = 8


def arrays(heads: int, kv_heads: int, queries: int, keys: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(heads * 1000 + queries * 10 + keys)
    shapes = {"query": (heads, queries, DIM), "key": (kv_heads, keys, DIM), "v": (heads, DIM), "b": (heads, DIM)}
    return {name: 2 * random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def kerass(a: dict[str, np.ndarray], head: int, visible: np.ndarray) -> np.ndarray:
    """Weights of one head by keras, brought to sum to 1 over the visible keys."""
    layer = keras.layers.AdditiveAttention()
    key = torch.tensor(a["key"][head * len(a["key"]) // len(a["query"])])[None].float()
    fed = [torch.tensor(a["query"][head] + a["b"][head])[None].float(), key, key]
    layer.build([tuple(tensor.shape) for tensor in fed])
    layer.set_weights([a["v"][head]])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using a softmax over axis -1 .* size 1")  # of one key
        weights = layer(fed, return_attention_scores=True)[1][0].detach().numpy() * visible
    total = weights.sum(axis=1, keepdims=True)
    return weights / np.where(total == 0, 1, total)


def everything(queries: int, keys: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(queries, int), np.full(queries, keys)


@pytest.mark.parametrize("kind", ["full", "causal", "window", "mask"])
@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (7, 7), (64, 64), (3, 7), (1, 64)])
def test_weights_are_those_of_keras(kind: str, heads: int, kv_heads: int, queries: int, keys: int) -> None:
    held = arrays(heads, kv_heads, queries, keys)
    ranges, mask = everything(queries, keys), None
    visible = np.ones((queries, keys), bool)
    if kind in ("causal", "window"):
        ranges = causal_range(queries, keys, 3 if kind == "window" else None)
        visible = np.tri(queries, keys, keys - queries, bool)
    if kind == "window":
        visible &= ~np.tri(queries, keys, keys - queries - 3, bool)
    if kind == "mask":
        mask = visible = np.random.default_rng(0).random((queries, keys)) < 0.5
    record = AdditiveRecord(**held, start=ranges[0], stop=ranges[1], mask=mask)
    for head in range(heads):
        found = record.weights(head)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, kerass(held, head, visible), atol=3e-6)
        np.testing.assert_array_equal(record.states(head) == VALUE, visible)
        assert not found[~visible].any()


@pytest.mark.parametrize("rows", SLICES)
@pytest.mark.parametrize("columns", SLICES)
def test_any_slices(rows: slice, columns: slice) -> None:
    record = AdditiveRecord(**arrays(4, 2, 7, 9), start=causal_range(7, 9, 4)[0], stop=causal_range(7, 9)[1])
    np.testing.assert_allclose(record.weights(3, rows, columns), record.weights(3)[rows, columns], atol=1e-6)
    np.testing.assert_array_equal(record.states(3, rows, columns), record.states(3)[rows, columns])
    np.testing.assert_allclose(record.scores(3, rows, columns), record.scores(3)[rows, columns], atol=1e-5)


def test_a_single_position_keeps_its_axis() -> None:
    record = AdditiveRecord(**arrays(2, 2, 5, 5), start=everything(5, 5)[0], stop=everything(5, 5)[1])
    np.testing.assert_allclose(record.weights(1, -1, 2), record.weights(1)[4:5, 2:3], atol=1e-6)
    with pytest.raises(AttnError, match="query 5 does not exist; there are 5: 0 to 4"):
        record.weights(1, 5)
    for head in (2, -1):
        with pytest.raises(AttnError, match=f"head {head} does not exist; the layer has 2: 0 to 1"):
            record.weights(head)


def test_scores_are_the_papers_and_minus_infinity_where_masked() -> None:
    held = arrays(2, 1, 6, 6)
    record = AdditiveRecord(**held, start=causal_range(6, 6)[0], stop=causal_range(6, 6)[1])
    query, key, v, b = (torch.tensor(held[name]) for name in ("query", "key", "v", "b"))
    expected = torch.tensor([[torch.dot(v[1], torch.tanh(q + k + b[1])) for k in key[0]] for q in query[1]])
    expected = expected.masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf)
    scores = record.scores(1)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_tiles_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    start, stop = causal_range(50, 64, window=9)
    record = AdditiveRecord(**arrays(2, 1, 50, 64), start=start, stop=stop)
    whole, scores = record.weights(1), record.scores(1)
    monkeypatch.setattr(vectors, "TILE", 64 * DIM * 7)
    np.testing.assert_allclose(record.weights(1), whole, atol=1e-6)
    np.testing.assert_allclose(record.scores(1), scores, atol=1e-5)


def test_memory_stays_within_tiles() -> None:
    start, stop = causal_range(1024, 1024)
    held = arrays(1, 1, 1024, 1024)
    record = AdditiveRecord(**held, start=start, stop=stop)
    tracemalloc.start()
    record.weights(0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    hidden = 4 * 1024 * 1024 * DIM
    assert peak < 4 * 1024 * 1024 + 3 * 4 * vectors.TILE < hidden  # the weights, and little beside


def test_half_precision_storage() -> None:
    held = {name: array.astype(np.float16) for name, array in arrays(4, 2, 33, 33).items()}
    start, stop = causal_range(33, 33)
    record = AdditiveRecord(**held, start=start, stop=stop)
    single = {name: array.astype(np.float32) for name, array in held.items()}
    for head in range(4):
        expected = kerass(single, head, np.tri(33, dtype=bool))
        np.testing.assert_allclose(record.weights(head), expected, atol=3e-6)
    assert record.nbytes == sum(array.nbytes for array in (*held.values(), start, stop))


def test_rows_that_see_nothing_are_zero_and_masked() -> None:
    mask = np.ones((4, 4), bool)
    mask[2] = False
    start, stop = everything(4, 4)
    stop[0] = 0
    record = AdditiveRecord(**arrays(1, 1, 4, 4), start=start, stop=stop, mask=mask)
    np.testing.assert_array_equal(record.weights(0)[[0, 2]], np.zeros((2, 4)))
    np.testing.assert_allclose(record.weights(0)[[1, 3]].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(record.states(0)[:, 0], [MASKED, VALUE, MASKED, VALUE])
    assert np.isneginf(record.scores(0)[[0, 2]]).all()


def test_nan_reaches_the_rows_that_see_it_and_no_other() -> None:
    held = arrays(2, 1, 7, 7)
    ranges = dict(zip(("start", "stop"), causal_range(7, 7), strict=True))
    clean = AdditiveRecord(**{name: array.copy() for name, array in held.items()}, **ranges).weights(0)
    held["key"][0, 4] = np.nan
    held["query"][1, 2, 0] = np.nan
    record = AdditiveRecord(**held, **ranges)
    first, second = record.weights(0), record.weights(1)
    np.testing.assert_allclose(first[:4], clean[:4], atol=1e-6)
    assert np.isnan(first[4:][np.tri(3, 7, 4, bool)]).all()
    assert not first[~np.tri(7, dtype=bool)].any()
    assert np.isnan(second[2, :3]).all()
    assert np.isfinite(second[[0, 1, 3]]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": np.zeros((3, 5, DIM), np.float32)}, "3 key heads do not divide 4 query heads"),
        ({"key": np.zeros((2, 5, 7), np.float32)}, r"queries are \(head, query, dim\)"),
        ({"v": np.zeros((2, DIM), np.float32)}, r"v \(2, 8\) and b \(4, 8\) need \(head, dim\) = \(4, 8\)"),
        ({"start": np.zeros(4, int)}, "need one entry a row: 5"),
        ({"stop": np.full(5, 6)}, "must lie within the 5 keys"),
        ({"mask": np.ones((5, 4), bool)}, r"needs \(query, key\) = \(5, 5\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    change: dict[str, np.ndarray], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, stop = everything(5, 5)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # a person's run has no hook
    with pytest.raises(AttnError, match=message):
        AdditiveRecord(**{**arrays(4, 2, 5, 5), "start": start, "stop": stop, **change})


@pytest.mark.parametrize("masked", [False, True])
def test_a_file_brings_it_back(tmp_path: Path, masked: bool) -> None:
    start, stop = causal_range(5, 5)
    mask = np.random.default_rng(0).random((5, 5)) < 0.5 if masked else None
    record = AdditiveRecord(**arrays(4, 2, 5, 5), start=start, stop=stop, mask=mask)
    assert isinstance(record, Record)
    assert repr(record) == "AdditiveRecord(heads=4, queries=5, keys=5)"
    tokens = tuple("abcde")
    AttentionTrace([Block("decoder", 0, tokens, tokens, record)]).save(tmp_path / "trace.safetensors")
    loaded = AttentionTrace.load(tmp_path / "trace.safetensors").blocks[0].record
    assert isinstance(loaded, AdditiveRecord)
    for head in range(4):
        np.testing.assert_array_equal(loaded.weights(head), record.weights(head))
        np.testing.assert_array_equal(loaded.states(head), record.states(head))
