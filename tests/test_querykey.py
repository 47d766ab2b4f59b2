"""The query and key panel: what a weight is made of, against torch; requests, refusals, pages and pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attn_widgets.errors import ConfigError
from attn_widgets.panels import querykey, vectors
from attn_widgets.panels.querykey import QueryKeyPanel
from attn_widgets.trace import (
    MASKED,
    NOT_CAPTURED,
    AdditiveRecord,
    AttentionTrace,
    Block,
    DotProductRecord,
    Part,
    Record,
    StackedRecord,
    causal_range,
)
from tests.panel_traces import WORDS, Wire, causal_trace
from tests.vector_traces import additive_trace, dot_trace, stacked_trace


def ask(panel: QueryKeyPanel, **content: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The answer to "vectors", its buffers as arrays."""
    reply = Wire(panel).ask({"id": "v-1", "ask": "vectors", "moment": 0, **content})
    assert reply is not None
    told, buffers = reply
    if "error" in told:
        return told, []
    return told, [*(np.frombuffer(b, "<f4").copy() for b in buffers[:6]), np.frombuffer(buffers[6], np.uint8)]


@pytest.mark.parametrize("half", [False, True])
def test_a_pair_adds_up_to_what_torch_computes(half: bool) -> None:
    trace = dot_trace(half=half)
    record = trace.blocks[1].record
    assert isinstance(record, DotProductRecord)
    told, (q, k, v, b, scores, weights, states) = ask(QueryKeyPanel(trace), layer=1, head=3, query=7, key=5)
    queries, keys = (torch.from_numpy(x.astype(np.float32)) for x in (record.query[3], record.key[1]))
    exact = queries[7] @ keys.T * record.scale
    assert (told["kind"], told["scale"], told["state"], len(v), len(b)) == ("dot_product", 0.25, 0, 0, 0)
    np.testing.assert_array_equal(q, queries[7])
    np.testing.assert_array_equal(k, keys[5])
    assert abs(float((q * k).sum()) * told["scale"] - float(exact[5])) <= 1e-5
    assert abs(told["score"] - float(exact[5])) <= 1e-5
    np.testing.assert_allclose(scores[:8], exact[:8], atol=1e-5)
    np.testing.assert_allclose(weights[:8], exact[:8].softmax(0), atol=1e-6)
    assert told["weight"] == weights[5]
    np.testing.assert_array_equal(states, [0] * 8 + [MASKED] * 2)
    assert np.isneginf(scores[8:]).all()


def test_an_additive_pair_adds_up_to_what_torch_computes() -> None:
    trace = additive_trace()
    record = trace.blocks[0].record
    assert isinstance(record, AdditiveRecord)
    told, (q, k, v, b, scores, *_) = ask(QueryKeyPanel(trace), layer=0, head=1, query=6, key=2)
    exact = torch.from_numpy(v) @ torch.tanh(torch.from_numpy(q) + torch.from_numpy(k) + torch.from_numpy(b))
    assert told["kind"] == "additive"
    np.testing.assert_array_equal(v, record.v[1])
    assert abs(scores[2] - float(exact)) <= 1e-5
    assert abs(float(vectors.vectors_of(record, 1, 6, 2).terms().sum()) - float(exact)) <= 1e-5  # type: ignore[union-attr]


def test_the_row_is_the_one_of_the_trace() -> None:
    trace = dot_trace()
    for layer, head in trace.iter_heads():
        _, (*_, scores, weights, states) = ask(QueryKeyPanel(trace), layer=layer, head=head, query=4, key=0)
        np.testing.assert_array_equal(weights, trace.weights(layer, head, 4)[0])
        np.testing.assert_array_equal(states, trace.states(layer, head, 4)[0])
        np.testing.assert_array_equal(scores, trace.blocks[layer].record.scores(head, 4)[0])  # type: ignore[index]


def test_without_a_key_it_is_the_strongest() -> None:
    trace = dot_trace()
    told, _ = ask(QueryKeyPanel(trace), layer=0, head=2, query=6)
    assert told["key"] == trace.weights(0, 2, 6)[0].argmax()


def test_weights_alone_say_in_one_line_why_there_is_no_more() -> None:
    told, (q, k, v, b, scores, weights, _) = ask(QueryKeyPanel(causal_trace()), layer=1, head=3, query=7, key=5)
    assert [len(x) for x in (q, k, v, b, scores)] == [0] * 5
    assert (told["scale"], told["score"], told["kind"]) == (None, None, "weights")
    assert told["weight"] == weights[5]
    assert told["reason"].startswith("No vectors: of this layer only weights were kept")
    assert "\n" not in told["reason"]


def test_a_masked_pair_keeps_its_vectors() -> None:
    told, (q, k, *_, scores, weights, states) = ask(QueryKeyPanel(dot_trace()), layer=0, head=0, query=2, key=9)
    assert (told["score"], told["weight"], told["state"]) == (None, 0, MASKED)
    assert (len(q), len(k)) == (16, 16)
    assert (scores[9], weights[9], states[9]) == (-np.inf, 0, MASKED)


def test_a_moved_window_has_no_vector_of_a_key_that_had_left() -> None:
    panel = QueryKeyPanel(stacked_trace())
    told, (q, k, *_) = ask(panel, layer=0, head=0, query=5, key=1)
    assert (len(q), len(k), told["state"]) == (16, 0, MASKED)
    assert told["reason"].startswith("No key vector")
    inside, (_, k, *_) = ask(panel, layer=0, head=0, query=5, key=4)
    assert "reason" not in inside
    assert len(k) == 16
    nothing, _ = ask(panel, layer=0, head=0, query=8, key=4)
    assert (nothing["state"], nothing["reason"]) == (NOT_CAPTURED, "Nothing of this row was captured.")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"query": 10}, "query=10 does not exist; there are 10: 0 to 9"),
        ({"query": None}, "a request needs moment, layer, head, query"),
        ({"key": -1}, "key=-1 does not exist"),
        ({"key": "pizza"}, "key must be a whole number"),
        ({"layer": 10**9}, "layer=1000000000 does not exist"),
        ({"head": 4}, "head=4 does not exist"),
        ({"moment": 1}, "moment=1 does not exist"),
    ],
)
def test_forged_requests_are_answered_with_one_line(change: dict[str, Any], reason: str) -> None:
    told, _ = ask(QueryKeyPanel(dot_trace()), **{"layer": 0, "head": 0, "query": 0, "key": 0, **change})
    assert reason in told["error"]
    assert "\n" not in told["error"]


def test_numbers_that_are_none_are_null_and_stay_in_the_bytes() -> None:
    trace = dot_trace()
    record = trace.blocks[0].record
    assert isinstance(record, DotProductRecord)
    record.key[0, 3] = np.nan
    told, (*_, scores, weights, _) = ask(QueryKeyPanel(trace), layer=0, head=0, query=5, key=3)
    assert (told["score"], told["weight"]) == (None, None)
    assert np.isnan(scores[3])
    assert np.isnan(weights[:6]).all()
    json.dumps(told, allow_nan=False)


def test_a_small_trace_is_sent_whole_and_a_large_one_not(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = QueryKeyPanel(dot_trace())
    assert len(panel._spec["vectors"]["heads"]) == 8
    # Two key heads of four query heads, their keys sent once; ranges once a layer.
    assert len(panel._vectors) == 2 * (4 * (4 + 2) * 10 * 16 + 2 * 4 * 10)
    monkeypatch.setattr(querykey, "WHOLE", 1000)
    large = QueryKeyPanel(dot_trace())
    assert (large._spec["vectors"]["heads"], large._vectors) == ([], b"")


@pytest.mark.parametrize(
    "record",
    [
        record
        for make in (dot_trace, additive_trace, stacked_trace, causal_trace)
        for record in [make().blocks[0].record]
    ],
)
def test_packed_heads_hold_what_the_record_does(record: Record) -> None:
    trace = AttentionTrace([Block("decoder", 0, WORDS[: record.queries], WORDS[: record.keys], record)])
    panel = QueryKeyPanel(trace)
    data = panel._vectors
    for told, head in zip(panel._spec["vectors"]["heads"], range(record.heads), strict=True):
        for part, (row, key, held) in zip(told["parts"], vectors.parts_of(record), strict=True):
            assert (part["row"], part["key"]) == (row, key)
            if isinstance(held, DotProductRecord | AdditiveRecord):
                q = np.frombuffer(data, "<f4", held.queries * part["dim"], part["q"]).reshape(held.queries, -1)
                np.testing.assert_array_equal(q, held.query[head])
                k = np.frombuffer(data, "<f4", held.keys * part["dim"], part["k"]).reshape(held.keys, -1)
                np.testing.assert_array_equal(k, held.key[vectors.group(held, head)])
                np.testing.assert_array_equal(np.frombuffer(data, "<i4", held.queries, part["stop"]), held.stop)
            else:
                cells = held.queries * held.keys
                weights = np.frombuffer(data, "<f4", cells, part["weights"]).reshape(held.queries, held.keys)
                np.testing.assert_array_equal(weights, held.weights(head))


def test_the_page_keeps_the_chosen_head_first(tmp_path: Path) -> None:
    trace = dot_trace(tokens=tuple(f"t{i}" for i in range(300)), dim=64)
    panel = QueryKeyPanel(trace, layer=1, head=2)
    whole = panel.to_html(tmp_path / "whole.html").read_text()
    assert "Left out" not in whole
    budget = len(whole) - 900_000
    small = panel.to_html(tmp_path / "small.html", budget=budget).read_text()
    assert len(small) <= budget
    told = json.loads(re.search(r'id="attn-data">(.*?)</script>', small)[1])  # type: ignore[index]
    kept = [(h["layer"], h["head"]) for h in told["traits"]["_spec"]["vectors"]["heads"]]
    assert kept[0] == (1, 2)
    assert {layer for layer, _ in kept[:4]} == {1}
    assert told["traits"]["_spec"]["note"] == (
        f"Left out to keep this page under {budget / (1 << 20):.3g} MB: {8 - len(kept)} of 8 heads."
    )
    with pytest.raises(ConfigError, match="does not hold one head"):
        panel.to_html(tmp_path / "none.html", budget=70_000)


def test_the_vectors_of_4096_keys_fit_a_page(tmp_path: Path) -> None:
    tokens = tuple(f"t{i}" for i in range(4096))
    panel = QueryKeyPanel(dot_trace(tokens=tokens, dim=64, heads=2, layers=1), query=4000)
    assert panel._vectors == b""
    _, (*_, scores, weights, _) = ask(panel, layer=0, head=0, query=4000, key=17)
    assert (len(scores), len(weights)) == (4096, 4096)
    assert panel.to_html(tmp_path / "page.html").stat().st_size < 8 << 20


def test_sorting_is_a_trait_that_the_page_may_set() -> None:
    wire = Wire(QueryKeyPanel(dot_trace()))
    wire.set(by_weight=True, query=4, key=2)
    panel = wire.panel
    assert isinstance(panel, QueryKeyPanel)
    assert (panel.by_weight, panel.query, panel.key) == (True, 4, 2)
    with pytest.raises(ConfigError, match="by_weight must be True or False; given 'yes'"):
        panel.by_weight = "yes"


def test_the_picture_tells_the_way_in_numbers() -> None:
    trace = dot_trace()
    panel = QueryKeyPanel(trace, layer=1, head=3, query="drink", key="pizza", title="a </svg> title")
    shown = panel.figure()
    weight = trace.weights(1, 3)[7, 5]
    assert f"→ weight {weight:.4g}" in shown
    total = float((trace.blocks[1].record.query[3, 7] * trace.blocks[1].record.key[1, 5]).sum())  # type: ignore[attr-defined]
    assert f"Σ {total:.4g} × scale 0.25 = score {total / 4:.4g}" in shown
    assert "a &lt;/svg&gt; title" in shown
    assert panel.snapshot().startswith(f'<figure id="{panel._snapshot}"')
    assert "<td>pizza</td>" in panel.snapshot()


def test_a_saved_picture_tells_the_pair_also_beside_a_mean(tmp_path: Path) -> None:
    panel = QueryKeyPanel(dot_trace(), layer=1, head=3, query=7, key=5, mean=True)
    saved = panel.save(tmp_path / "pair.svg").read_text()
    about = json.loads(re.search(r"<dc:description>(.*?)</dc:description>", saved)[1].replace("&quot;", '"'))  # type: ignore[index]
    told = [about[name] for name in ("layer", "head", "query", "key", "aggregation")]
    assert told == [1, 3, 7, 5, "one head"]


@pytest.mark.parametrize("trace", [additive_trace(), stacked_trace(), causal_trace()])
@pytest.mark.parametrize("query", [0, 8])
def test_every_record_has_a_picture(trace: AttentionTrace, query: int) -> None:
    for key in (0, 8):
        assert QueryKeyPanel(trace, query=query, key=key, by_weight=True).snapshot()


@pytest.mark.parametrize("weights", [[[1.0]], [[np.nan]], [[0.2, 0.3], [4.0, -1.0]], [[np.inf, 0.0]]])
def test_odd_weights_have_a_picture(weights: list[list[float]]) -> None:
    panel = QueryKeyPanel(np.array(weights))
    assert "score not kept" in panel.figure()


def test_a_row_that_sees_nothing_has_a_picture() -> None:
    record = dot_trace(layers=1).blocks[0].record
    assert isinstance(record, DotProductRecord)
    blind = DotProductRecord(record.query, record.key, 0.25, record.start, np.zeros_like(record.stop))
    panel = QueryKeyPanel(AttentionTrace([Block("decoder", 0, WORDS, WORDS, blind)]))
    assert "masked: −∞ → weight 0" in panel.figure()


def test_parts_of_stacked_parts_are_found() -> None:
    inner = dot_trace(layers=1).blocks[0].record
    nested = StackedRecord([Part(1, 2, StackedRecord([Part(3, 4, inner)], 20, 20))], 30, 30)
    assert [(part.first_row, part.first_key) for part in vectors.parts_of(nested)] == [(4, 6)]
    assert causal_range(1, 1)[1] == [1]
