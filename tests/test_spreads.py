"""What a page is told of a mean over texts: n, the spread of each cell, and of how many texts it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.panels import spreads
from attn_widgets.panels.explorer import Explorer
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


def test_a_picture_of_a_mean_says_of_how_many_texts_it_is(mean: AttentionTrace) -> None:
    assert "The mean of n = 2 texts." in HeadPanel(mean).figure()
    assert "The mean of" not in HeadPanel(causal_trace()).figure()


@pytest.mark.parametrize("kind", [HeadPanel, Explorer])
def test_a_panel_sends_n_and_spreads_with_its_heads(mean: AttentionTrace, kind: type[HeadPanel]) -> None:
    panel = kind(mean)
    assert panel._spec["spread"] == [{"n": 2, "align": "position"}]
    assert panel._spreads == spread_bytes(mean, range(8))
    assert "spread" in panel.answers()
    assert kind(causal_trace())._spec["spread"] == [None]
    assert kind(causal_trace())._spreads == b""


def test_only_moments_that_are_means_have_spreads(mean: AttentionTrace) -> None:
    one = causal_trace(tokens=("a", "b", "c"))
    panel = HeadPanel(mean, moments=[(5, one)])
    assert panel._spec["spread"] == [None, {"n": 2, "align": "position"}]
    assert panel._spreads == spread_bytes(mean, range(8))


def test_many_spreads_stay_in_the_kernel(mean: AttentionTrace, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(spread_bytes(mean, range(8)))
    monkeypatch.setattr(spreads, "MOST", size)
    assert len(HeadPanel(mean)._spreads) == size
    monkeypatch.setattr(spreads, "MOST", size - 1)
    assert HeadPanel(mean)._spreads == b""


@pytest.mark.parametrize("kind", [HeadPanel, Explorer])
def test_a_page_does_without_spreads_before_it_is_too_large(
    mean: AttentionTrace, kind: type[HeadPanel], tmp_path: Path
) -> None:
    panel = kind(mean)
    packed = panel._frames.pack(panel._frames.everything())
    whole, less = (len(panel._written(each, "").encode()) for each in (packed, replace(packed, spreads=b"")))
    assert whole - less >= 4 * len(packed.spreads) // 3
    assert len(panel.to_html(tmp_path / "page.html", budget=whole - 1).read_bytes()) == less
    assert len(panel.to_html(tmp_path / "page.html", budget=whole).read_bytes()) == whole
