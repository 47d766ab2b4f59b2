"""The flow panel: paths on the wire, what may be set and asked, pages and pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.panels import flow as flow_module
from attn_widgets.panels import flows as flows_module
from attn_widgets.panels.flow import FlowPanel
from attn_widgets.panels.flows import Flows
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.mixing import Mixing
from attn_widgets.trace.rollout import Flow, flow
from tests.panel_traces import WORDS, Wire, causal_trace
from tests.test_rollout import of_kinds
from tests.vector_traces import dot_trace


def ask(panel: FlowPanel, **content: Any) -> tuple[dict[str, Any], list[bytes]]:
    reply = Wire(panel).ask({"id": "v-1", "ask": "flow", "moment": 0, "method": "rollout", "heads": "mean", **content})
    assert reply is not None
    return reply


def read(told: dict[str, Any], data: bytes, tokens: int) -> tuple[np.ndarray, list[tuple[np.ndarray, ...]]]:
    """Shares of each column and each layer's edges, from the bytes of one path."""
    columns, edges = len(told["layers"]) + 1, sum(told["counts"])
    shares = np.frombuffer(data, "<f4", columns * tokens).reshape(columns, tokens)
    at = 4 * columns * tokens
    queries, keys = (np.frombuffer(data, "<i4", edges, at + 4 * edges * i) for i in range(2))
    widths = np.frombuffer(data, "<f4", edges, at + 8 * edges)
    ends = np.cumsum(told["counts"])[:-1]
    return shares, list(zip(*(np.split(column, ends) for column in (queries, keys, widths)), strict=True))


def check(told: dict[str, Any], data: bytes, path: Flow) -> None:
    shares, edges = read(told, data, path.shares.shape[1])
    assert tuple(told["layers"]) == path.layers
    np.testing.assert_allclose(shares, path.shares, atol=1e-6)  # a whole matrix and its rows differ in the last digit
    for sent, kept in zip(edges, path.edges, strict=True):
        np.testing.assert_array_equal(np.stack(sent[:2]), np.stack(kept[:2]))
        np.testing.assert_allclose(sent[2], kept.shares, atol=1e-6)


@pytest.mark.parametrize("method", ["raw", "rollout"])
@pytest.mark.parametrize(("heads", "head"), [("mean", 0), ("max", 0), ("head", 2)])
def test_a_path_comes_on_request(method: Any, heads: Any, head: int) -> None:
    trace = dot_trace(layers=3)
    told, buffers = ask(FlowPanel(trace), layer=1, query=7, method=method, heads=heads, head=head)
    check(told, b"".join(buffers), flow(trace, 7, 0, Mixing(method, heads, head)))


def test_a_small_trace_is_sent_whole_and_a_long_one_not(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = causal_trace(2, 4)
    monkeypatch.setattr(flow_module, "AHEAD", 60)  # seconds, however busy the machine
    panel = FlowPanel(trace)
    sent = panel._spec["flow"]["sent"]
    assert len(sent) == 10 * 2 * 6  # tokens, methods, and mean, maximum and four heads
    for one in sent:
        path = flow(trace, one["query"], 0, Mixing(one["method"], one["heads"], one["head"]))
        check(one, panel._flows[one["at"] :], path)
    monkeypatch.setattr(flow_module, "HEAVY", 100)
    long = FlowPanel(trace)
    assert (long._spec["flow"]["sent"], long._flows) == ([], b"")
    assert "computed when the panel asks for it" in long.snapshot() or "This text is long" in long.snapshot()


def heavy(monkeypatch: pytest.MonkeyPatch, trace: AttentionTrace, stretch: float = 60) -> FlowPanel:
    """A panel whose paths come layer by layer, as those of a long text do."""
    monkeypatch.setattr(flow_module, "HEAVY", 1)
    monkeypatch.setattr(flows_module, "STRETCH", stretch)
    return FlowPanel(trace)


def parts(panel: FlowPanel, **place: Any) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Ask until the path is there, as the page does."""
    done = 0
    while True:
        told, buffers = ask(panel, layer=0, after=done, **place)
        yield told, b"".join(buffers)
        if told["done"] == len(told["all"]):
            return
        done = told["done"]


def test_a_long_path_comes_layer_by_layer_from_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = dot_trace(layers=3)
    whole = flow(trace, 7, 0)
    came = list(parts(heavy(monkeypatch, trace), query=7))
    assert [(told["all"], told["done"], told["layers"]) for told, _ in came] == [
        ([0, 1, 2], done, [3 - done]) for done in (1, 2, 3)
    ]
    for place, (told, data) in zip((2, 1, 0), came, strict=True):
        check(told, data, Flow((place,), whole.shares[place : place + 2], whole.edges[place : place + 1]))


def test_a_layer_may_take_several_requests_and_one_does_no_more_than_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attn_widgets.trace.rollout.TILE", 30)
    trace = dot_trace(layers=3)
    panel = heavy(monkeypatch, trace, stretch=-1)
    counted = []
    mix = Flows._mix
    monkeypatch.setattr(
        Flows, "_mix", lambda self, place, block, rows: counted.append(rows) or mix(self, place, block, rows)
    )
    done, shares = 0, None
    for request in range(40):
        told, buffers = ask(panel, layer=0, query=9, after=done)
        assert len(counted) <= request + 1
        assert told["done"] - done in (0, 1)
        assert len(told["layers"]) == told["done"] - done
        if told["layers"]:
            shares = read(told, b"".join(buffers), 10)[0]
        done = told["done"]
        if done == 3:
            break
    assert request > 5
    assert shares is not None
    np.testing.assert_allclose(shares[0], flow(trace, 9, 0).shares[0], atol=1e-6)


def test_others_are_answered_between_two_layers_and_a_path_goes_on_where_it_was_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = causal_trace(3, 4)
    panel = heavy(monkeypatch, trace)
    first = parts(panel, query=7)
    assert next(first)[0]["done"] == 1
    assert ask(panel, layer=0, query=3)[0]["done"] == 1  # another token, while the first is on its way
    assert "error" in ask(panel, layer=9, query=3)[0]
    assert next(first)[0]["layers"] == [1]
    assert ask(panel, layer=0, query=7)[0]["done"] == 2  # another view: what is known, and no more is computed
    last = next(first)
    check(last[0], last[1], Flow((0,), flow(trace, 7, 0).shares[:2], flow(trace, 7, 0).edges[:1]))
    told, buffers = ask(panel, layer=0, query=7)
    check(told, b"".join(buffers), flow(trace, 7, 0))


def test_a_path_that_was_let_go_of_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = heavy(monkeypatch, causal_trace(3, 4))
    for query in range(10):
        ask(panel, layer=0, query=query)
        ask(panel, layer=0, query=query, after=1)
    assert len(panel._paths._walks) == flows_module.KEPT_WALKS
    told, buffers = ask(panel, layer=0, query=0, after=2)
    assert (told["layers"], told["done"], len(buffers)) == ([0], 3, 4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"query": 10}, "query=10 does not exist; there are 10: 0 to 9"),
        ({"query": None}, "a request needs moment, layer, query"),
        ({"layer": 10**9}, "layer=1000000000 does not exist"),
        ({"method": "<img>"}, "method must be one of rollout, raw; given '<img>'"),
        ({"heads": ["mean"]}, "heads must be one of mean, max, head"),
        ({"heads": "head", "head": 4}, "head=4 does not exist; there are 4: 0 to 3"),
        ({"heads": "head"}, "head must be a whole number"),
        ({"after": -1}, "after must be a number of layers; given '-1'"),
        ({"after": True}, "after must be a number of layers; given 'True'"),
        ({"after": [1]}, "after must be a number of layers; given '[1]'"),
    ],
)
def test_forged_requests_are_answered_with_one_line(change: dict[str, Any], reason: str) -> None:
    told, buffers = ask(FlowPanel(causal_trace()), **{"layer": 0, "query": 0, **change})
    assert reason in told["error"]
    assert "\n" not in told["error"]
    assert buffers == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("method", "roll", "method must be one of rollout, raw; given 'roll'"),
        ("heads", None, "heads must be one of mean, max, head; given 'None'"),
        ("edges", 0, "edges must be a whole number from 1 to 128; given '0'"),
        ("edges", True, "edges must be a whole number from 1 to 128; given 'True'"),
        ("edges", 2.5, "edges must be a whole number from 1 to 128; given '2.5'"),
        ("least", 1.1, "least must be a number from 0 to 1; given '1.1'"),
        ("least", float("nan"), "least must be a number from 0 to 1; given 'nan'"),
        ("query", 10, "query=10 does not exist; there are 10: 0 to 9"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(name: str, value: Any, message: str) -> None:
    panel = FlowPanel(causal_trace())
    with pytest.raises(ConfigError) as refused:
        setattr(panel, name, value)
    assert str(refused.value) == message
    wire = Wire(panel)
    wire.set(**{name: value})
    assert wire.sent[-1][0]["error"] == message


def test_the_page_sets_what_fits() -> None:
    wire = Wire(FlowPanel(causal_trace()))
    wire.set(method="raw", heads="head", head=3, edges=5, least=0.01, query=4, layer=1)
    panel = wire.panel
    assert isinstance(panel, FlowPanel)
    shown = panel.method, panel.heads, panel.head, panel.edges, panel.least, panel.query, panel.layer
    assert shown == ("raw", "head", 3, 5, 0.01, 4, 1)


def test_kinds_are_followed_alone_and_cross_attention_is_refused_in_one_line() -> None:
    trace = of_kinds("encoder", "encoder", "decoder", "cross")
    panel = FlowPanel(trace, layer=0)
    refusals = panel._spec["flow"]["refusals"][0]
    assert [bool(reason) for reason in refusals] == [False, False, False, True]
    assert ask(panel, layer=1, query=1)[0]["layers"] == [0, 1]
    assert ask(panel, layer=2, query=2)[0]["layers"] == [2]
    told, _ = ask(panel, layer=3, query=1)
    assert told["error"] == refusals[3]
    panel.layer = 3
    assert "is cross-attention" in panel.figure()
    assert "is cross-attention" in panel.snapshot()


def test_the_path_on_show_is_kept_first_in_a_page(tmp_path: Path) -> None:
    trace = causal_trace(6, 4, tuple(f"t{i}" for i in range(64)))
    panel = FlowPanel(trace, query=20, method="raw", heads="max")
    page = panel.to_html(tmp_path / "page.html", budget=600_000).read_text()
    assert len(page) <= 600_000
    told = json.loads(re.search(r'id="attn-data">(.*?)</script>', page)[1])["traits"]["_spec"]  # type: ignore[index]
    sent = told["flow"]["sent"]
    assert [(one["query"], one["method"], one["heads"]) for one in sent[:3]] == [
        (20, "raw", "max"), (19, "raw", "max"), (21, "raw", "max"),
    ]  # fmt: skip
    assert told["note"] == f"This page of at most 0.572 MB holds {len(sent)} of {64 * 2 * 6} paths."
    with pytest.raises(ConfigError, match="does not hold one path"):
        panel.to_html(tmp_path / "none.html", budget=70_000)


def test_a_page_of_cross_attention_says_so(tmp_path: Path) -> None:
    page = FlowPanel(of_kinds("encoder", "cross"), layer=1).to_html(tmp_path / "page.html").read_text()
    assert "is cross-attention" in page


def test_a_path_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = FlowPanel(causal_trace(), query=3)
    first = panel._paths.get(panel._place())
    assert panel._paths.get(panel._place()) is first
    assert len(panel._paths._flows) <= 64


def test_a_path_is_the_same_from_whichever_of_its_layers_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = causal_trace(3, 4)
    panel = heavy(monkeypatch, trace)
    for layer, after in ((0, 0), (2, 1), (1, 2)):  # stepped while the path comes
        told, _ = ask(panel, layer=layer, query=7, after=after)
        assert (told["done"], told["layers"]) == (after + 1, [2 - after])
    counted = []
    monkeypatch.setattr(Flows, "_mix", lambda self, *which: counted.append(which))
    for layer in range(3):
        assert ask(panel, layer=layer, query=7)[0]["done"] == 3
    assert not counted


def test_the_picture_names_tokens_layers_and_shares() -> None:
    trace = causal_trace(3, 4)
    panel = FlowPanel(trace, query="drink", title="</svg>", layer=1)
    shares = flow(trace, 7, 0).shares[0]
    most = int(shares.argmax())
    assert f"‘drink’ draws most on ‘{WORDS[most]}’ {shares[most]:.4g} (rollout, mean of heads)" in panel.figure()
    assert all(f">L{layer}<" in panel.figure() for layer in range(3))
    assert "&lt;/svg&gt;" in panel.figure()
    assert panel.snapshot().startswith(f'<figure id="{panel._snapshot}"')
    assert f"<td>{WORDS[most]}</td>" in panel.snapshot()


def test_a_saved_picture_tells_what_is_chained(tmp_path: Path) -> None:
    saved = FlowPanel(causal_trace(3, 4), query=4, heads="head", head=2).save(tmp_path / "path.svg").read_text()
    about = json.loads(re.search(r"<dc:description>(.*?)</dc:description>", saved)[1].replace("&quot;", '"'))  # type: ignore[index]
    assert (about["panel"], about["aggregation"], about["query"]) == ("FlowPanel", "rollout, head 2 of each layer", 4)


@pytest.mark.parametrize("weights", [[[1.0]], [[np.nan]], [[0.2, 0.3], [4.0, -1.0]], [[np.inf, 0.0], [1, 0]]])
def test_odd_weights_have_a_picture(weights: list[list[float]]) -> None:
    assert FlowPanel(np.array(weights)).snapshot()


def test_moments_have_their_own_paths() -> None:
    panel = FlowPanel(causal_trace(), moments=[(5, causal_trace(seed=1))])
    told, buffers = ask(panel, layer=0, query=9)
    check(told, b"".join(buffers), flow(causal_trace(seed=1), 9, 0))
    other: AttentionTrace = panel.trace
    told, buffers = ask(panel, moment=1, layer=0, query=9)
    check(told, b"".join(buffers), flow(other, 9, 0))
