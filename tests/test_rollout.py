"""Rollout against the paper's equation in torch, by hand, as a sum over paths in networkx; what cannot be chained."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any

import networkx
import numpy as np
import pytest
import torch

from attn_widgets.errors import AttnError
from attn_widgets.trace import AttentionTrace, Block, WeightsRecord
from attn_widgets.trace.mixing import Mixing, mixed
from attn_widgets.trace.rollout import MOST_EDGES, chained, flow, rollout
from tests.panel_traces import causal_trace
from tests.vector_traces import dot_record, dot_trace


def paper(weights: np.ndarray, heads: str = "mean", head: int = 0) -> torch.Tensor:
    """Abnar & Zuidema 2020, equation 1: A = 0.5 W + 0.5 I, rows renormalised, multiplied from the first layer up."""
    attention = torch.from_numpy(weights).double()  # (L, H, T, T)
    chosen = {"mean": attention.mean(1), "max": attention.max(1).values, "head": attention[:, head]}[heads]
    chosen = chosen / chosen.sum(-1, keepdim=True)
    residual = 0.5 * chosen + 0.5 * torch.eye(chosen.shape[-1])
    residual = residual / residual.sum(-1, keepdim=True)
    joint = residual[0]
    for layer in residual[1:]:
        joint = layer @ joint
    return joint


def stacked(trace: AttentionTrace) -> np.ndarray:
    """All weights of a trace, (layer, head, query, key)."""
    return np.stack([[block.record.weights(head) for head in range(block.record.heads)] for block in trace.blocks])


def of_kinds(
    *kinds: str, tokens: tuple[str, ...] = ("a", "b", "c"), sources: tuple[str, ...] = ("x", "y")
) -> AttentionTrace:
    """Layers of these kinds over a target's tokens and a source's."""
    blocks = []
    for layer, kind in enumerate(kinds):
        rows = sources if kind == "encoder" else tokens
        keys = tokens if kind == "decoder" else sources
        weights = np.random.default_rng(layer).dirichlet(np.ones(len(keys)), (2, len(rows))).astype(np.float32)
        blocks.append(Block(kind, layer, rows, keys, WeightsRecord(weights)))  # type: ignore[arg-type]
    return AttentionTrace(blocks)


def uniform(*sizes: int) -> AttentionTrace:
    """Layers of one head with so many rows and keys, two numbers a layer."""
    blocks = []
    for layer, (rows, keys) in enumerate(zip(sizes[::2], sizes[1::2], strict=True)):
        weights = WeightsRecord(np.full((1, rows, keys), 1 / keys, np.float32))
        blocks.append(Block("decoder", layer, tuple("abc"[:rows]), tuple("abc"[:keys]), weights))
    return AttentionTrace(blocks)


@pytest.mark.parametrize("heads", ["mean", "max", "head"])
@pytest.mark.parametrize("trace", [causal_trace(3, 4), dot_trace(layers=3)])
def test_rollout_is_the_papers_equation(trace: AttentionTrace, heads: Any) -> None:
    np.testing.assert_allclose(rollout(trace, heads=heads, head=2), paper(stacked(trace), heads, 2), atol=1e-6)


def test_rollout_up_to_a_layer_stops_there() -> None:
    trace = causal_trace(4, 2)
    np.testing.assert_allclose(rollout(trace, 1), paper(stacked(trace)[:2]), atol=1e-6)


def test_an_example_by_hand() -> None:
    # Both layers look at the first token. A = ½W + ½I = [[1, 0], [½, ½]], and its square [[1, 0], [¾, ¼]].
    trace = AttentionTrace.from_arrays(np.array([[[[1.0, 0], [1, 0]]]] * 2), tokens=["a", "b"])
    np.testing.assert_allclose(rollout(trace), [[1, 0], [0.75, 0.25]])
    path = flow(trace, 1, 0)
    np.testing.assert_allclose(path.shares, [[0.75, 0.25], [0.5, 0.5], [0, 1]])
    top, below = path.edges[1], path.edges[0]
    assert list(zip(*map(np.ndarray.tolist, top), strict=True)) == [(1, 0, 0.5), (1, 1, 0.5)]
    assert list(zip(*map(np.ndarray.tolist, below), strict=True)) == [(0, 0, 0.5), (1, 0, 0.25), (1, 1, 0.25)]
    raw = flow(trace, 1, 0, Mixing("raw"))
    np.testing.assert_allclose(raw.shares, [[1, 0], [1, 0], [0, 1]])


@pytest.mark.parametrize("method", ["raw", "rollout"])
def test_a_share_is_the_sum_over_all_paths(method: Any) -> None:
    trace = causal_trace(3, 2, tokens=("a", "b", "c", "d"))
    graph = networkx.DiGraph()
    for layer, weights in enumerate(stacked(trace).mean(1)):
        matrix = weights if method == "raw" else 0.5 * weights + 0.5 * np.eye(4)
        for i, j in np.ndindex(4, 4):
            graph.add_edge((layer + 1, i), (layer, j), weight=float(matrix[i, j]))
    for query in range(4):
        shares = flow(trace, query, 0, Mixing(method)).shares
        for layer, key in np.ndindex(3, 4):
            paths = networkx.all_simple_paths(graph, (3, query), (layer, key))
            total = sum(np.prod([graph.edges[step]["weight"] for step in pairwise(path)]) for path in paths)
            assert abs(shares[layer, key] - total) <= 1e-6


@pytest.mark.parametrize("heads", ["mean", "max", "head"])
def test_a_flow_is_a_row_of_the_rollout(heads: Any) -> None:
    trace = dot_trace(layers=3)
    whole = rollout(trace, heads=heads, head=1)
    for query in (0, 4, 9):
        path = flow(trace, query, 2, Mixing("rollout", heads, 1))
        np.testing.assert_allclose(path.shares[0], whole[query], atol=1e-6)
        np.testing.assert_allclose(path.shares.sum(1), 1, atol=1e-6)
        np.testing.assert_array_equal(path.shares[-1], np.eye(10)[query])


def test_edges_add_up_to_the_shares_they_lead_to() -> None:
    path = flow(causal_trace(3, 4), 9, 0)
    for place, (queries, keys, shares) in enumerate(path.edges):
        below = np.bincount(keys, shares, 10)
        np.testing.assert_allclose(below, path.shares[place], atol=1e-6)
        above = np.bincount(queries, shares, 10)
        np.testing.assert_allclose(above, path.shares[place + 1], atol=1e-6)
        assert (np.diff(shares) <= 0).all()


def test_of_many_edges_the_strongest_are_kept_whatever_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = causal_trace(2, 2, tokens=tuple(f"t{i}" for i in range(64)))
    matrix = 0.5 * stacked(trace).mean(1) + 0.5 * np.eye(64)
    exact = np.sort((matrix[1, 63][:, None] * matrix[0]).ravel())[::-1][:MOST_EDGES]
    for tile in (64, 1000, 1 << 20):
        monkeypatch.setattr("attn_widgets.trace.rollout.TILE", tile)
        path = flow(trace, 63, 0)
        assert len(path.edges[0].shares) == MOST_EDGES
        np.testing.assert_allclose(path.edges[0].shares, exact, atol=1e-6)


def test_unnormalised_rows_are_renormalised_in_a_rollout_and_kept_raw() -> None:
    trace = AttentionTrace.from_arrays(np.full((1, 1, 2, 2), 2.0), tokens=["a", "b"])
    np.testing.assert_allclose(rollout(trace), [[0.6, 0.4], [0.4, 0.6]])
    np.testing.assert_allclose(flow(trace, 0, 0, Mixing("raw")).shares[0], [2, 2])


def test_a_row_that_sees_nothing_keeps_to_itself_and_one_not_captured_loses_its_share() -> None:
    weights = np.full((1, 3, 3), 1 / 3, np.float32)
    mask, known = np.ones((1, 3, 3), bool), np.ones((1, 3, 3), bool)
    mask[0, 1], known[0, 2] = False, False
    block = Block("encoder", 0, ("a", "b", "c"), ("a", "b", "c"), WeightsRecord(weights, mask, known))
    np.testing.assert_allclose(mixed(block, slice(None)), [[2 / 3, 1 / 6, 1 / 6], [0, 1, 0], [0, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(mixed(block, slice(1, 2), Mixing("raw")), [[0, 0, 0]])


def test_nan_carries_on() -> None:
    weights = np.full((2, 1, 2, 2), 0.5)
    weights[1, 0, 1, 0] = np.nan
    trace = AttentionTrace.from_arrays(weights, tokens=["a", "b"])
    assert np.isnan(flow(trace, 1, 0).shares[0]).all()
    np.testing.assert_allclose(flow(trace, 0, 0).shares[0], [0.625, 0.375])


def test_each_kind_is_rolled_out_alone() -> None:
    trace = of_kinds("encoder", "encoder", "decoder", "cross", "decoder", "cross")
    assert chained(trace, 1) == (0, 1)
    assert chained(trace, 2) == (2, 4)
    assert flow(trace, 1, 0).shares.shape == (3, 2)
    decoder = np.stack(
        [
            stacked(AttentionTrace([Block("decoder", 0, b.query_tokens, b.key_tokens, b.record)]))[0]
            for b in (trace.blocks[2], trace.blocks[4])
        ]
    )
    np.testing.assert_allclose(rollout(trace, 4), paper(decoder), atol=1e-6)


@pytest.mark.parametrize(
    ("trace", "layer", "reason"),
    [
        (of_kinds("encoder", "cross"), 1, "layer 1 is cross-attention, whose keys are another text's tokens"),
        (uniform(1, 3), 0, "a path needs the same tokens as rows and keys; layer 0 has 1 rows and 3 keys"),
        (uniform(2, 2, 1, 1), 0, "a path needs layers with the same tokens; layer 0 has 2 keys, layer 1 has 1 rows"),
        (of_kinds("encoder"), 1, "layer 1 does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_chained_is_one_line(trace: AttentionTrace, layer: int, reason: str) -> None:
    for ask in (lambda: flow(trace, 0, layer), lambda: rollout(trace, layer)):
        with pytest.raises(AttnError, match=reason) as refused:
            ask()
        assert "\n" not in str(refused.value)


def test_a_long_text_needs_little_memory() -> None:
    tokens = tuple(map(str, range(2048)))
    blocks = [Block("decoder", i, tokens, tokens, dot_record(2048, 2, 16, seed=i)) for i in range(2)]
    trace = AttentionTrace(blocks)
    tracemalloc.start()
    path = flow(trace, 2000, 0, Mixing("rollout", "head", 1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.shares.shape == (3, 2048)
    assert (
        peak < 60 << 20
    )  # one layer of one head alone would be 16 MB as float32; tiles of 4 MB are held a few at a time
