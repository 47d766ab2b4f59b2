"""How a panel looks at heads: its traits, what it refuses, and what the page asks of a matrix."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.panels.overviews import SIDE, size_of, step_of
from attn_widgets.panels.tiles import MASKED_CODE, NAN_CODE, TOP
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.blocks import Block
from attn_widgets.trace.dot_product import DotProductRecord
from attn_widgets.trace.records import causal_range
from tests.panel_traces import Wire, both_kinds, causal_trace


def long_trace(tokens: int = 600, layers: int = 2, heads: int = 2) -> AttentionTrace:
    rng = np.random.default_rng(0)
    names = tuple(f"t{i}" for i in range(tokens))
    blocks = []
    for layer in range(layers):
        query, key = (rng.normal(size=(heads, tokens, 8)).astype(np.float16) for _ in range(2))
        blocks.append(
            Block("decoder", layer, names, names, DotProductRecord(query, key, 1.0, *causal_range(tokens, tokens)))
        )
    return AttentionTrace(tuple(blocks))


@pytest.fixture(scope="module")
def trace() -> AttentionTrace:
    return long_trace()


@pytest.fixture
def panel(trace: AttentionTrace) -> Wire:
    return Wire(HeadPanel(trace, layer=1))


def asked(panel: Wire, ask: str, **more: Any) -> tuple[dict[str, Any], list[bytes]]:
    reply = panel.ask({"id": "v-1", "ask": ask, "moment": 0, "heads": [[1, 0]], **more})
    assert reply is not None
    return reply


def test_the_head_on_show_of_a_long_text_comes_as_a_picture(panel: Wire, trace: AttentionTrace) -> None:
    head: Any = panel.panel
    assert head._weights == b""
    assert head._spec["pictures"] == [{"moment": 0, "layer": 1, "head": 0, "size": 300 * 300}]
    codes = np.frombuffer(head._pictures, np.uint8).reshape(300, 300)
    exact = trace.weights(1, 0)[:10, :10]
    seen = exact.reshape(5, 2, 5, 2).max((1, 3))
    lower = np.tril_indices(5)
    np.testing.assert_allclose(codes[:5, :5][lower] / TOP, seen[lower], atol=1 / 255)
    assert (codes[0, 1:] == MASKED_CODE).all()


def test_a_tile_is_that_part_of_the_head(panel: Wire, trace: AttentionTrace) -> None:
    reply, (codes,) = asked(panel, "tile", rows=[100, 200], columns=[50, 90], step=1)
    assert (reply["low"], reply["high"]) == (0, 1)
    exact = trace.weights(1, 0, slice(100, 200), slice(50, 90))
    shown = np.frombuffer(codes, np.uint8).reshape(100, 40)
    assert (shown != NAN_CODE).all()
    np.testing.assert_allclose(np.where(shown > TOP, 0, shown / TOP), exact, atol=1 / 255)


def test_a_row_is_exact_to_the_bit(panel: Wire, trace: AttentionTrace) -> None:
    _, (values, states) = asked(panel, "row", row=321)
    np.testing.assert_array_equal(np.frombuffer(values, "<f4"), trace.weights(1, 0, 321)[0])
    np.testing.assert_array_equal(np.frombuffer(states, np.uint8), trace.states(1, 0, 321)[0])


def test_a_row_comes_with_the_picture_where_it_is_asked_for(panel: Wire, trace: AttentionTrace) -> None:
    _, (codes, values, states) = asked(panel, "tile", step=2, row=321)
    assert len(codes) == 300 * 300
    np.testing.assert_array_equal(np.frombuffer(values, "<f4"), trace.weights(1, 0, 321)[0])
    np.testing.assert_array_equal(np.frombuffer(states, np.uint8), trace.states(1, 0, 321)[0])


def test_the_static_picture_of_a_long_text_is_reduced_and_its_table_exact(trace: AttentionTrace) -> None:
    html = HeadPanel(trace, layer=1).snapshot()
    drawn = base64.b64decode(html.split("base64,", 1)[1].split('"', 1)[0]).decode()
    assert "Each point is the maximum of 3×3 cells." in drawn
    assert "heatmap of 600 rows by 600 columns" in html
    row = trace.weights(1, 0, 63)[0]
    assert f"<td>t63</td><td>t{row.argmax()}</td><td>{row.max():.4g}</td>" in html
    assert html.count("<tr><td>t") == 64
    assert "536 more rows" in html


def test_a_small_matrix_comes_whole_and_means_are_those_of_the_trace() -> None:
    trace = causal_trace()
    wire = Wire(HeadPanel(trace))
    _, (values, _) = asked(wire, "matrix", heads=[[1, head] for head in range(4)])
    np.testing.assert_array_equal(np.frombuffer(values, "<f4").reshape(10, 10), trace.mean(1))


@pytest.mark.parametrize(
    ("ask", "more", "said"),
    [
        ("tile", {"rows": [0, 601], "columns": [0, 1]}, "rows 0 to 601 are not there; there are 600"),
        ("tile", {"rows": [5, 5], "columns": [0, 1]}, "rows 5 to 5 are not there"),
        ("tile", {"rows": "all"}, r"rows must be a pair \(from, to\)"),
        ("tile", {"step": -1}, "step must be a whole number"),
        ("tile", {"step": 2, "row": 600}, "row 600 does not exist; there are 600"),
        ("tile", {"step": 10**30}, "step must be a whole number"),
        ("row", {"row": 600}, "row 600 does not exist; there are 600: 0 to 599"),
        ("row", {"row": None}, "row must be a whole number"),
        ("row", {"row": 1, "heads": [[9, 0]]}, "layer=9 does not exist"),
        ("row", {"row": 1, "heads": [[0, 0]] * 100}, "heads must be a list of at most 4"),
        ("row", {"row": 1, "heads": [7]}, r"a head is a pair \(layer, head\)"),
        ("row", {"row": 1, "heads": []}, "a request needs heads"),
        ("row", {"row": 1, "value": "logits"}, "value must be one of weight, score, log; given 'logits'"),
        ("row", {"row": 1, "threshold": 2}, "threshold must be a number from 0 to 1; given '2'"),
        ("row", {"row": 1, "value": "score", "heads": [[0, 0], [0, 1]]}, "scores are those of one head; given 2"),
        ("matrix", {}, "600 × 600 cells are too many to be sent at once"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(panel: Wire, ask: str, more: dict[str, Any], said: str) -> None:
    reply, buffers = asked(panel, ask, **more)
    with pytest.raises(ConfigError, match=said):
        raise ConfigError(reply["error"])
    assert not buffers
    assert "\n" not in reply["error"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("how", "median"), ("how", [1, 2]), ("over", 3),
        ("pinned", [[0, 99]]), ("pinned", [[0, 0]] * 9), ("selected", [10**9]),
        ("selected", "abc"), ("value", None), ("threshold", float("nan")), ("top", 1.5), ("last", -1), ("words", "yes"),
    ],
)  # fmt: skip
def test_the_page_cannot_set_what_is_not_there(name: str, value: Any) -> None:
    wire = Wire(HeadPanel(causal_trace()))
    before = getattr(wire.panel, name)
    wire.set(**{name: value, "layer": 1})
    assert (getattr(wire.panel, name), wire.panel.layer) == (before, 0)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError):
        setattr(wire.panel, name, value)


def test_the_lens_follows_the_traits() -> None:
    panel = HeadPanel(causal_trace(), mean=True, how="max", over="all", words=True, threshold=0.1)
    assert len(panel.lens.heads) == 8
    assert panel.matrix().shape == (10, 10)
    panel.over, panel.pinned = "pinned", [[1, 1], [0, 2]]
    assert panel.lens.heads == ((1, 1), (0, 2))
    panel.mean = False
    assert panel.lens.heads == ((0, 0),)


def test_a_page_of_a_long_text_keeps_pictures_of_as_many_heads_as_it_holds(
    tmp_path: Path, trace: AttentionTrace
) -> None:
    panel = HeadPanel(trace, layer=1)
    pages = [panel.to_html(tmp_path / f"{budget}.html", budget=budget) for budget in (400_000, 700_000)]
    kept = [re.search(r"Of 4 heads this page keeps (\d), as pictures", page.read_text("utf-8")) for page in pages]
    few, all_ = (int(found[1]) for found in kept if found)
    assert 1 <= few < all_ == 4
    assert [page.stat().st_size <= budget for page, budget in zip(pages, (400_000, 700_000), strict=True)] == [True] * 2
    with pytest.raises(ConfigError, match="does not hold the picture of one head"):
        panel.to_html(tmp_path / "none.html", budget=200_000)


def test_overviews_are_never_larger_than_a_tile() -> None:
    assert [step_of(n, 7) for n in (1, 512, 513, 1024, 4096)] == [1, 1, 2, 2, 8]
    assert size_of(4096, 4096) == SIDE * SIDE


def test_the_static_picture_shows_what_the_lens_shows() -> None:
    panel = HeadPanel(causal_trace(), mean=True, how="max", over="all", top=2, title="two of each row")
    html = panel.snapshot()
    assert "max of all heads as a table" in html
    drawing = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()  # type: ignore[index]
    assert "Of each row the 2 strongest are shown." in drawing


@pytest.mark.parametrize(("value", "said"), [("score", "score"), ("log", "logarithm of the weight")])
def test_the_static_table_names_what_its_numbers_are(value: str, said: str) -> None:
    html = HeadPanel(long_trace(tokens=6), value=value).snapshot()
    assert f"<th>looks most at</th><th>{said}</th>" in html


def test_scores_of_a_mean_leave_the_static_picture_of_the_mean() -> None:
    assert "L0 mean as a table" in HeadPanel(causal_trace(), mean=True, value="score").snapshot()


def test_pinned_heads_of_another_kind_than_the_layer_on_show_are_refused_as_on_the_page(tmp_path: Path) -> None:
    panel = HeadPanel(both_kinds(), mean=True, over="pinned", pinned=[(0, 0), (0, 1)])
    name = panel.matrix_name
    panel.save(tmp_path / "alike.svg")
    other = next(
        b.layer
        for b in panel.trace.blocks
        if b.key_tokens != panel.trace.blocks[0].key_tokens or b.query_tokens != panel.trace.blocks[0].query_tokens
    )
    panel.layer = other
    with pytest.raises(ConfigError, match="heads of layers with other tokens cannot be combined"):
        panel.save(tmp_path / "other.svg")
    assert not (tmp_path / "other.svg").exists()
    assert name not in panel.snapshot()


def test_heads_are_ranked_among_layers_like_the_one_on_show() -> None:
    trace = both_kinds()
    wire = Wire(HeadPanel(trace, layer=4))
    reply = wire.ask({"id": "v-1", "ask": "find", "moment": 0, "layer": 4, "query": 6, "key": 1})
    assert reply is not None
    found = reply[0]["found"]
    assert {layer for layer, _, _ in found} == {4, 5}
    weights = {(layer, head): float(trace.weights(layer, head, 6, 1)[0, 0]) for layer in (4, 5) for head in range(4)}
    assert [(layer, head) for layer, head, _ in found] == sorted(weights, key=lambda at: -weights[at])


@pytest.mark.parametrize("moments", [None, [1], [[0]], -1, [("a", 3)]])
def test_moments_that_are_none_are_refused_in_one_line(moments: Any) -> None:
    with pytest.raises(ConfigError, match=r"moments must be pairs \(step, AttentionTrace\)"):
        HeadPanel(causal_trace(), moments=moments)


def test_a_number_of_ten_thousand_digits_is_refused_in_one_line() -> None:
    panel = HeadPanel(causal_trace())
    with pytest.raises(ConfigError, match="given one too large"):
        panel.top = 10**10_000
