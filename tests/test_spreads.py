"""What a page is told of a mean over texts: n, the spread of each cell, and of how many texts it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.panels.spreads import SpreadAnswers, spread_bytes, spread_spec
from attn_widgets.trace import AttentionTrace, Traces
from tests.panel_traces import causal_trace


@pytest.fixture
def mean() -> AttentionTrace:
    texts = [("a", "b", "c"), ("a", "x")]
    return Traces([causal_trace(tokens=tokens, seed=seed) for seed, tokens in enumerate(texts)]).mean()


def test_a_mean_says_of_how_many_texts_it_is(mean: AttentionTrace) -> None:
    assert spread_spec(mean) == {"n": 2, "align": "position"}
    assert spread_spec(causal_trace()) is None


def test_spreads_go_with_the_heads_that_are_sent(mean: AttentionTrace) -> None:
    data = spread_bytes(mean, [1, 6])
    for at, (layer, head) in enumerate([(0, 1), (1, 2)]):
        spread = np.frombuffer(data, "<f4", 9, 72 * at).reshape(3, 3)
        np.testing.assert_array_equal(spread, mean.spread(layer, head))
        counts = np.frombuffer(data, "<u4", 9, 72 * at + 36).reshape(3, 3)
        assert counts.tolist() == [[2, 2, 1], [2, 2, 1], [1, 1, 1]]
    assert spread_bytes(causal_trace(), [0]) == b""


def test_a_row_is_answered_and_one_text_has_none(mean: AttentionTrace) -> None:
    def ask(trace: AttentionTrace, **content: Any) -> list[bytes]:
        panel = HeadPanel(trace)
        answer = SpreadAnswers([trace], panel._asked).answers()["spread"]
        return answer({"moment": 0, "layer": 1, "head": 3, "query": 1, **content})[1]

    spread, counts = ask(mean)
    np.testing.assert_array_equal(np.frombuffer(spread, "<f4")[None], mean.spread(1, 3, 1))
    assert np.frombuffer(counts, "<u4").tolist() == [2, 2, 1]
    with pytest.raises(ConfigError, match="query=3 does not exist"):
        ask(mean, query=3)
    with pytest.raises(ConfigError, match="this trace is of one text"):
        ask(causal_trace())
