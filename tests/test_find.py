"""Finding the head: all heads ranked by one weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attn_widgets.errors import AttnError
from attn_widgets.trace import (
    AttentionTrace,
    DotProductRecord,
    WeightsRecord,
)
from tests.small_traces import RANDOM, dot_record, one_block, only_line


def test_find_ranks_all_heads() -> None:
    tokens = ["I", "love", "to", "eat", "pizza", "and", "drink", "beer"]
    weights = RANDOM.random((3, 4, 8, 8)).astype(np.float32)
    trace = AttentionTrace.from_arrays(weights, tokens=tokens)
    found = trace.find(query="drink", key="pizza")
    order = torch.tensor(weights[:, :, 6, 4]).flatten().argsort(descending=True).tolist()
    assert [(h.layer, h.head) for h in found] == [divmod(i, 4) for i in order]
    assert found[0].weight == weights[found[0].layer, found[0].head, 6, 4]
    assert found[0].name == f"L{found[0].layer}H{found[0].head}"
    assert trace.find(6, 4) == trace.find(-2, "pizza") == found


def test_equal_weights_go_by_layer_and_head_and_nan_goes_last() -> None:
    weights = np.zeros((2, 3, 1, 1), np.float32)
    weights[:, :, 0, 0] = [[0.5, np.nan, -0.5], [0.75, 0.5, 0]]
    found = AttentionTrace.from_arrays(weights).find(0, 0)
    assert [h.name for h in found] == ["L1H0", "L0H0", "L1H1", "L1H2", "L0H2", "L0H1"]


def test_find_leaves_out_heads_that_did_not_capture_the_cell() -> None:
    known = np.array([[[True]], [[False]]])
    trace = AttentionTrace([one_block(WeightsRecord(np.ones((2, 1, 1), np.float32), None, known))])
    assert [h.name for h in trace.find(0, 0)] == ["L0H0"]


def test_find_computes_one_row_of_each_head(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = AttentionTrace([one_block(dot_record()), one_block(dot_record(), layer=1)])
    asked: list[tuple[Any, ...]] = []
    weights = DotProductRecord.weights
    monkeypatch.setattr(DotProductRecord, "weights", lambda self, *a: (asked.append(a), weights(self, *a))[1])
    assert len(trace.find(3, 1)) == 8
    assert asked == 2 * [(head, 3, 1) for head in range(4)]


@pytest.mark.parametrize(
    ("query", "key", "message"),
    [
        ("the", 0, "query='the' stands at positions 0, 4; give one of them"),
        ("cat", "hat", "key='hat' is not among the tokens; there are 'sat', 'mat', 'cat'"),
        ("xylophone", 0, "query='xylophone' is not among the tokens; there are 'the', 'cat', 'sat', ' on', 'mat'"),
        (6, 0, "query=6 does not exist; there are 6 tokens: 0 to 5"),
        (0, -7, "key=-7 does not exist"),
    ],
)
def test_find_says_what_it_cannot_place(query: int | str, key: int | str, message: str) -> None:
    trace = AttentionTrace.from_arrays(np.eye(6), tokens=["the", "cat", "sat", " on", "the", "mat"])
    with pytest.raises(AttnError) as error:
        trace.find(query, key)
    assert message in only_line(error)


def test_find_forgives_the_space_of_a_piece() -> None:
    trace = AttentionTrace.from_arrays(np.eye(3), tokens=["the", " on", "on"])
    assert trace.find("on", " on")[0].weight == trace.weights(0, 0)[2, 1]  # an exact match goes first
    assert trace.find("on", "the ")[0].weight == trace.weights(0, 0)[2, 0]
