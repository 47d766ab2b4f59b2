"""Metrics of heads: each against numbers that someone else could have computed, whole and in tiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from attn_widgets.errors import AttnError
from attn_widgets.trace import AttentionTrace, Block, DotProductRecord, StackedRecord, WeightsRecord, causal_range
from attn_widgets.trace import head_metrics as module
from attn_widgets.trace.head_metrics import METRICS, HeadMetrics, head_metrics, metric_index, shares_states, tiles
from attn_widgets.trace.metrics import induction
from attn_widgets.trace.records import Part

TEXT = ("the", "cat", "sat", "on", "the", "mat", "and", "the", "cat", "ran")


def dot_block(tokens: tuple[str, ...] = TEXT, heads: int = 4, seed: int = 0) -> Block:
    random = np.random.default_rng(seed)
    vectors = [random.standard_normal((count, len(tokens), 8)).astype(np.float32) for count in (heads, heads // 2)]
    record = DotProductRecord(*vectors, 0.7, *causal_range(len(tokens), len(tokens)))
    return Block("decoder", 0, tokens, tokens, record)


def by_hand(weights: np.ndarray, tokens: tuple[str, ...]) -> dict[str, float]:
    """The definitions, cell by cell, for rows that are the positions."""
    rows = range(len(weights))
    entropies = torch.distributions.Categorical(probs=torch.tensor(weights, dtype=torch.float64)).entropy()
    followers = {i: [k for k in range(1, i) if tokens[k - 1] == tokens[i]] for i in rows}
    induced = [math.fsum(weights[i, k] for k in ks) for i, ks in followers.items() if ks]
    return {
        "entropy": float(entropies.mean()),
        "distance": math.fsum(weights[i, k] * abs(i - k) for i in rows for k in rows) / len(weights),
        "previous_token": math.fsum(weights[i, i - 1] for i in rows if i) / (len(weights) - 1),
        "induction": math.fsum(induced) / len(induced),
        "sink": math.fsum(weights[i, 0] for i in rows if i) / (len(weights) - 1),
    }


@pytest.mark.parametrize("tile", [1, 37, 1 << 19])
def test_each_metric_is_its_definition_however_it_is_tiled(monkeypatch: pytest.MonkeyPatch, tile: int) -> None:
    monkeypatch.setattr(module, "TILE", tile)
    block = dot_block()
    found = head_metrics(block)
    for head in range(4):
        expected = by_hand(block.record.weights(head), TEXT)
        assert list(expected) == list(METRICS)
        np.testing.assert_allclose(found[:, head], list(expected.values()), rtol=2e-6)


def test_an_induction_head_scores_one_and_an_even_head_its_share() -> None:
    tokens = tuple("abcd" * 2)
    weights = np.zeros((2, 8, 8), np.float32)
    weights[0, :4, 0] = 1
    for row in range(4, 8):
        weights[0, row, row - 3] = 1  # the token after the earlier place
    weights[1] = np.tril(np.ones((8, 8))) / np.arange(1, 9)[:, None]
    trace = AttentionTrace.from_arrays(weights[None], tokens=tokens)
    scores = head_metrics(trace.blocks[0])[metric_index("induction")]
    np.testing.assert_allclose(scores, [1, np.mean([1 / 5, 1 / 6, 1 / 7, 1 / 8])], rtol=1e-6)


def test_induction_by_row_leaves_the_row_itself_out() -> None:
    np.testing.assert_allclose(induction(np.eye(3, dtype=np.float32), ["a", "a", "a"]), [np.nan, np.nan, 0])
    uniform = np.full((1, 4), 0.25, np.float32)
    np.testing.assert_allclose(induction(uniform, ["a", "b", "c", "a"]), [0.25])
    np.testing.assert_allclose(induction(uniform, ["a", "b", "a", "c"], np.array([2])), [0.25])


def test_a_row_that_sees_nothing_does_not_count_and_nan_stays() -> None:
    weights = np.zeros((2, 3, 3), np.float32)
    weights[:, 1:, 0] = 1
    weights[1, 2] = np.nan
    mask = np.ones((3, 3), bool)
    mask[0] = False
    found = head_metrics(AttentionTrace.from_arrays(weights[None], tokens=list("abc"), mask=mask).blocks[0])
    np.testing.assert_allclose(found[:, 0], [0, 1.5, 0.5, np.nan, 1])
    assert np.isnan(found[:, 1]).all()


def test_rows_that_were_not_captured_do_not_count() -> None:
    known = np.ones((1, 3, 3), bool)
    known[0, 2, 1] = False
    record = WeightsRecord(np.full((1, 3, 3), 1 / 3, np.float32), None, known)
    found = head_metrics(Block("decoder", 0, ("a", "b", "c"), ("a", "b", "c"), record))
    np.testing.assert_allclose(found[:, 0], [math.log(3), 5 / 6, 1 / 3, np.nan, 1 / 3], rtol=1e-6)


def test_what_needs_rows_among_the_keys_does_not_apply_to_cross_attention() -> None:
    record = WeightsRecord(np.full((1, 2, 4), 0.25, np.float32))
    found = head_metrics(Block("cross", 0, ("x", "y"), tuple("abcd"), record))
    np.testing.assert_allclose(found[:, 0], [math.log(4), np.nan, np.nan, np.nan, 0.25], rtol=1e-6)


def test_one_cell_alone() -> None:
    found = head_metrics(AttentionTrace.from_arrays(np.ones((1, 1, 1, 1), np.float32)).blocks[0])
    np.testing.assert_allclose(found[:, 0], [0, 0, np.nan, np.nan, np.nan])


def test_tiles_cover_each_head_once_and_end_at_what_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", 40)
    block = dot_block()
    whole = np.zeros((4, 10, 10), np.float32)
    for tile in tiles(block.record, range(4), 3):
        assert tile.rows.start % 3 == 0
        assert tile.weights.shape[1] == tile.rows.stop
        whole[tile.head, tile.rows, : tile.rows.stop] += tile.weights
    np.testing.assert_allclose(whole, [block.record.weights(head) for head in range(4)], rtol=5e-6)


def test_which_records_share_their_states() -> None:
    matrix = np.ones((2, 2, 2), np.float32)
    own = WeightsRecord(matrix, np.ones((2, 2, 2), bool))
    assert shares_states(WeightsRecord(matrix, np.ones((1, 2, 2), bool)))
    assert not shares_states(own)
    assert not shares_states(StackedRecord([Part(0, 0, own)], 2, 2))
    assert shares_states(dot_block().record)


def test_an_unknown_metric_is_refused_in_one_line() -> None:
    with pytest.raises(AttnError, match="metric 'sharpness' does not exist; there are entropy, distance"):
        metric_index("sharpness")


def test_means_so_far_are_nan_before_any_tile() -> None:
    assert np.isnan(HeadMetrics(dot_block()).values()).all()
