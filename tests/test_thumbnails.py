"""Thumbnails of heads against a maximum taken by hand: shapes, states, tiles, answers."""

from __future__ import annotations

import numpy as np
import pytest

from attn_widgets.panels import thumbnails as module
from attn_widgets.panels.frames import Frames
from attn_widgets.panels.thumbnails import NOT_A_NUMBER, SIDE, ZERO, Overview, compute, key_heads, layer_spec, shrink
from attn_widgets.trace import (
    MASKED,
    NOT_CAPTURED,
    VALUE,
    AttentionTrace,
    Block,
    DotProductRecord,
    StackedRecord,
    WeightsRecord,
    causal_range,
)
from attn_widgets.trace import head_metrics as metrics_module
from attn_widgets.trace.head_metrics import head_metrics
from attn_widgets.trace.records import Part


def dot_trace(tokens: int = 70, layers: int = 2, heads: int = 4, kept: int = 2, seed: int = 0) -> AttentionTrace:
    random = np.random.default_rng(seed)
    names = tuple(f"t{i % 9}" for i in range(tokens))

    def record() -> DotProductRecord:
        query = random.standard_normal((heads, tokens, 8)).astype(np.float32)
        key = random.standard_normal((kept, tokens, 8)).astype(np.float32)
        return DotProductRecord(query, key, 1.0, *causal_range(tokens, tokens))

    return AttentionTrace([Block("decoder", layer, names, names, record()) for layer in range(layers)])


def by_hand(block: Block, head: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest weight of each square of cells, and what prevails in it."""
    spec = layer_spec(block)
    weights, states = block.record.weights(head), block.record.states(head)
    side = spec["factor"]
    levels, found = np.zeros((spec["rows"], spec["columns"]), int), np.zeros((spec["rows"], spec["columns"]), int)
    for row, column in np.ndindex(levels.shape):
        at = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
        values = weights[at][states[at] == VALUE]
        if not len(values):
            found[row, column] = MASKED if (states[at] == MASKED).any() else NOT_CAPTURED
        elif not np.isfinite(values).all():
            found[row, column] = NOT_A_NUMBER
        else:
            levels[row, column] = int(np.clip(values.max(), 0, 1) * 255 + 0.5)
            found[row, column] = ZERO if values.max() == 0 else VALUE
    return levels, found


def odd_block(rows: int, columns: int, per_head: bool) -> Block:
    """Weights with everything that is no weight, of any shape."""
    random = np.random.default_rng(rows)
    weights = random.random((3, rows, columns)).astype(np.float32) ** 3
    weights[random.random(weights.shape) < 0.3] = 0
    for odd in (np.nan, np.inf, -np.inf, 3.0):
        weights[tuple(random.integers(0, size) for size in weights.shape)] = odd
    planes = (3 if per_head else 1, rows, columns)
    mask, known = random.random(planes) < 0.6, random.random(planes) < 0.8
    mask[:, rows // 2] = False
    tokens = [tuple(map(str, range(size))) for size in (rows, columns)]
    return Block("cross", 0, tokens[0], tokens[1], WeightsRecord(weights, mask, known))


@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (32, 32), (33, 20), (70, 100), (1, 65)])
@pytest.mark.parametrize("tile", [8, 1 << 19])
def test_each_cell_is_the_maximum_of_its_square(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], per_head: bool, tile: int
) -> None:
    monkeypatch.setattr(metrics_module, "TILE", tile)
    block = odd_block(*shape, per_head)
    found = compute(block, range(3))
    assert max(found.levels.shape[1:]) <= SIDE
    states = np.broadcast_to(found.states, found.levels.shape)
    for head in range(3):
        levels, expected = by_hand(block, head)
        np.testing.assert_array_equal(states[head], expected)
        np.testing.assert_array_equal(found.levels[head], levels)


def test_metrics_come_with_them() -> None:
    block = dot_trace().blocks[1]
    np.testing.assert_array_equal(compute(block, range(1, 3)).metrics, head_metrics(block)[:, 1:3])


def test_thumbnails_shrunk_again_are_the_maximum_too() -> None:
    block = odd_block(32, 32, True)
    small = shrink(compute(block, range(3)), 4)
    for head in range(3):
        levels, states = by_hand(block, head)
        order = [NOT_A_NUMBER, VALUE, ZERO, MASKED, NOT_CAPTURED]
        ranks = np.vectorize(order.index)(states).reshape(8, 4, 8, 4).min((1, 3))
        np.testing.assert_array_equal(small.states[head], np.array(order)[ranks])
        np.testing.assert_array_equal(small.levels[head], levels.reshape(8, 4, 8, 4).max((1, 3)))


def test_heads_that_share_their_states_send_one_plane() -> None:
    assert compute(dot_trace().blocks[0], range(4)).states.shape == (1, 24, 24)


def test_an_answer_holds_as_many_heads_as_fit_and_the_rest_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = dot_trace(heads=6, kept=3)
    whole = Overview(Frames.join(trace, [])).layer(0, 1)
    monkeypatch.setattr(module, "CELLS", 4 * 70 * 70)
    overview = Overview(Frames.join(trace, []))
    told, (_, _) = overview.thumbnails(0, 1, 0)
    assert told == {"first": 0, "heads": 4, "planes": 1}
    assert not overview.is_ready(0, 1)
    told, (pictures, metrics) = overview.thumbnails(0, 1, 4)
    assert told == {"first": 4, "heads": 2, "planes": 1}
    assert (len(pictures), len(metrics)) == (3 * 24 * 24, 5 * 2 * 8)
    assert overview.is_ready(0, 1)
    joined = overview.layer(0, 1)
    np.testing.assert_array_equal(joined.levels, whole.levels)
    np.testing.assert_array_equal(joined.states, whole.states)
    np.testing.assert_array_equal(joined.metrics, whole.metrics)


def test_what_was_computed_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    overview = Overview(Frames.join(dot_trace(), []))
    first = overview.thumbnails(0, 0, 0)
    monkeypatch.setattr(module, "compute", None)
    assert overview.thumbnails(0, 0, 0) == first


def test_computing_ahead_stops_at_bytes_and_at_long_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = Frames.join(dot_trace(layers=3), [(1, dot_trace(layers=3, seed=1))])
    overview = Overview(frames)
    overview.compute_ahead(10, 2 * overview.nbytes(1, 0))
    assert overview.ready() == [[], [0, 1]]
    overview.compute_ahead(10, 1 << 20)
    assert overview.ready() == [[0, 1, 2], [0, 1, 2]]
    monkeypatch.setattr(module, "QUICK", 0)
    late = Overview(frames)
    late.compute_ahead(-1, 1 << 20)
    assert late.ready() == [[], []]


def test_the_found_cell_is_the_trace_s() -> None:
    trace = dot_trace()
    _, (weights, states) = Overview(Frames.join(trace, [])).found(0, 1, 50, 12)
    expected = [trace.weights(1, head)[50, 12] for head in range(4)]
    np.testing.assert_allclose(np.frombuffer(weights, "<f4"), expected, rtol=5e-6)
    assert states == bytes(4)


def test_key_heads_are_those_of_the_record() -> None:
    grouped = dot_trace(heads=6, kept=2).blocks[0].record
    assert key_heads(grouped) == 2
    assert key_heads(StackedRecord([Part(0, 0, grouped)], 70, 70)) == 2
    assert key_heads(WeightsRecord(np.ones((3, 1, 1), np.float32))) == 3
