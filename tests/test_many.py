"""Traces of many texts: their mean by position and by label, with n and spread, against sums written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets.errors import AttnError
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE, AttentionTrace, Block, Traces, WeightsRecord
from tests.pair_traces import pair_trace
from tests.panel_traces import causal_trace
from tests.small_traces import only_line

TEXTS = [("The", "dog", "barks"), ("The", "cat", "sees", "it"), ("The", "old", "dog", "barks", "now")]


def three() -> Traces:
    return Traces([causal_trace(tokens=tokens, seed=seed) for seed, tokens in enumerate(TEXTS)])


def test_it_is_a_sequence_of_traces() -> None:
    traces = three()
    assert len(traces) == 3
    assert [trace.tokens for trace in traces] == TEXTS
    assert traces[-1].tokens == TEXTS[2]
    assert isinstance(traces[:2], Traces)
    assert repr(traces) == "Traces(3 texts, layers=2, heads=4)"
    with pytest.raises(IndexError, match="trace 3 does not exist; there are 3: 0 to 2"):
        traces[3]


def test_a_mean_by_position_counts_what_is_there() -> None:
    traces = three()
    mean = traces.mean()
    assert mean.tokens == ("The", "‹1›", "‹2›", "‹3›", "now")
    assert mean.meta == {"n": 3, "align": "position"}
    for layer, head in mean.iter_heads():
        for row, column in np.ndindex(5, 5):
            cells = [float(t.weights(layer, head)[row, column]) for t in traces if max(row, column) < len(t.tokens)]
            n, spread = mean.counts(layer, head, row, column), mean.spread(layer, head, row, column)
            assert n is not None
            assert spread is not None
            assert n[0, 0] == len(cells)
            np.testing.assert_allclose(mean.weights(layer, head)[row, column], np.mean(cells), atol=1e-7)
            expected = np.std(cells, ddof=1) if len(cells) > 1 else np.nan
            np.testing.assert_allclose(spread[0, 0], expected, atol=1e-6)


def test_masked_and_missing_stay_apart() -> None:
    mean = three().mean()
    states = mean.states(0, 0)
    assert (states[np.triu_indices(5, 1)] == MASKED).all()
    assert (states[np.tril_indices(5)] == VALUE).all()
    known = np.array([[[True, False], [True, False]]])
    record = WeightsRecord(np.ones((1, 2, 2), np.float32), None, known)
    trace = AttentionTrace([Block("encoder", 0, ("a", "b"), ("a", "b"), record)])
    assert Traces([trace, trace]).mean().states(0, 0).tolist() == [[VALUE, NOT_CAPTURED]] * 2


def test_a_mean_by_label_joins_tokens_of_other_positions() -> None:
    traces = three()
    labels = [
        ["article", "subject", "verb"],
        ["article", "subject", "verb", None],
        ["article", None, "subject", "verb", "x"],
    ]
    mean = traces.mean(align=labels)
    assert mean.tokens == mean.key_tokens == ("article", "subject", "verb", "x")
    assert mean.meta["align"] == "labels"
    cells = [traces[0].weights(1, 2)[2, 1], traces[1].weights(1, 2)[2, 1], traces[2].weights(1, 2)[3, 2]]
    np.testing.assert_allclose(mean.weights(1, 2)[2, 1], np.mean(cells), atol=1e-7)
    counts = mean.counts(1, 2)
    assert counts is not None
    assert counts.tolist() == [[3, 3, 3, 1], [3, 3, 3, 1], [3, 3, 3, 1], [1, 1, 1, 1]]


def test_tokens_that_share_a_label_are_averaged_within_their_text_first() -> None:
    one = AttentionTrace.from_arrays(np.array([[0.0, 1.0], [0.5, 0.5]]))
    other = AttentionTrace.from_arrays(np.array([[1.0]]))
    mean = Traces([one, other]).mean(align=[["a", "a"], ["a"]])
    assert mean.weights(0, 0).tolist() == [[0.75]]
    counts = mean.counts(0, 0)
    assert counts is not None
    assert counts.tolist() == [[2]]


def test_one_text_is_its_own_mean_without_a_spread() -> None:
    trace = causal_trace()
    mean = Traces([trace]).mean()
    np.testing.assert_array_equal(mean.weights(1, 3), trace.weights(1, 3))
    np.testing.assert_array_equal(mean.states(1, 3), trace.states(1, 3))
    spread = mean.spread(1, 3)
    assert spread is not None
    assert np.isnan(spread).all()
    assert trace.spread(1, 3) is None
    assert trace.counts(1, 3) is None


def test_what_is_no_number_stays_one_in_its_cell_alone() -> None:
    odd = np.array([[np.nan, 1.0], [np.inf, 0.5]], np.float32)
    mean = Traces([AttentionTrace.from_arrays(odd), AttentionTrace.from_arrays(np.ones((2, 2)))]).mean()
    weights = mean.weights(0, 0)
    assert np.isnan(weights[0, 0])
    assert not np.isfinite(weights[1, 0])
    assert weights[:, 1].tolist() == [1.0, 0.75]


def test_encoder_decoders_are_averaged_by_position() -> None:
    traces = Traces([pair_trace(seed=0), pair_trace(seed=1)])
    mean = traces.mean()
    assert [block.kind for block in mean.blocks] == [block.kind for block in traces[0].blocks]
    expected = (traces[0].weights(3, 1).astype(float) + traces[1].weights(3, 1)) / 2
    np.testing.assert_allclose(mean.weights(3, 1), expected, atol=1e-7)


def test_what_all_texts_share_is_kept_in_the_meta() -> None:
    traces = [AttentionTrace(causal_trace().blocks, None, {"model": "abc", "text": text}) for text in "xy"]
    assert Traces(traces).mean().meta == {"model": "abc", "n": 2, "align": "position"}


def test_a_mean_is_saved_with_its_spread(tmp_path: Path) -> None:
    mean = three().mean()
    mean.save(tmp_path / "mean.safetensors")
    read = AttentionTrace.load(tmp_path / "mean.safetensors")
    assert read.meta == mean.meta
    for name in ("weights", "states", "spread", "counts"):
        np.testing.assert_array_equal(getattr(read, name)(1, 2), getattr(mean, name)(1, 2))


def test_traces_are_saved_in_a_folder_of_their_own(tmp_path: Path) -> None:
    three().save(tmp_path / "texts")
    read = Traces.load(tmp_path / "texts")
    assert [trace.tokens for trace in read] == TEXTS
    np.testing.assert_array_equal(read[2].weights(1, 1), three()[2].weights(1, 1))
    with pytest.raises(AttnError, match="is there already; give a new folder"):
        three().save(tmp_path / "texts")
    (tmp_path / "texts" / "00001.safetensors").unlink()
    with pytest.raises(AttnError, match=r"lacks 00001\.safetensors"):
        Traces.load(tmp_path / "texts")
    with pytest.raises(AttnError, match="holds no traces"):
        Traces.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("align", "message"),
    [
        ("word", "align is 'position' or a list of labels for each text; given 'word'"),
        ([["a"] * 3], "1 lists of labels for 3 texts; give one for each"),
        ([["a"] * 3, ["a"] * 3, ["a"] * 5], "text 1 has 4 tokens"),
        (["abc", "abcd", "abcde"], "text 0 has 3 tokens, given 'abc'; give a label for each"),
        ([[None] * 3, [None] * 4, [None] * 5], "every label is None; label at least one token"),
        ([[1] * 3, ["a"] * 4, ["a"] * 5], "a label is a text, or None to leave a token out; given 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused_in_one_line(align: Any, message: str) -> None:
    with pytest.raises(AttnError) as refused:
        three().mean(align)
    assert message in only_line(refused)


def test_labels_need_rows_that_are_among_the_keys() -> None:
    with pytest.raises(AttnError, match="layer 0 reads other tokens than its rows are; only positions fit"):
        Traces([AttentionTrace([Block("cross", 0, *_tokens(), pair_trace().blocks[3].record)])]).mean([list("abcde")])


def _tokens() -> tuple[tuple[str, ...], tuple[str, ...]]:
    return pair_trace().blocks[3].query_tokens, pair_trace().blocks[3].key_tokens


def test_traces_of_other_models_are_refused_in_one_line() -> None:
    with pytest.raises(AttnError, match="trace 1 has other layers or heads than trace 0; give traces of one model"):
        Traces([causal_trace(), causal_trace(heads=2)])
    with pytest.raises(AttnError, match="there are no traces; give at least one"):
        Traces([])
    with pytest.raises(AttnError, match="trace 0 is 'x'; give AttentionTraces"):
        Traces(["x"])
