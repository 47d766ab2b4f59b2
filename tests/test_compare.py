"""Two traces compared: places, what is sent and answered, refusals, the picture and the page."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets import __version__
from attn_widgets.errors import ConfigError
from attn_widgets.panels import compare, pairs
from attn_widgets.panels.colours import palette
from attn_widgets.panels.compare import ComparePanel
from attn_widgets.panels.compare_figure import signed_picture
from attn_widgets.trace import MASKED, NOT_CAPTURED, AttentionTrace
from attn_widgets.trace.differences import difference
from tests.panel_traces import WORDS, Wire, causal_trace

DOG = ("‹start›", "The", "dog", "near", "the", "boats", "barks")
DOGS = ("‹start›", "The", "dogs", "near", "the", "old", "boat", "bark")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A panel that counts as too large to be sent whole."""
    monkeypatch.setattr(compare, "WHOLE", 0)
    return Wire(ComparePanel(causal_trace(seed=1), causal_trace(seed=2)))


def exact(data: bytes, rows: int, columns: int) -> list[np.ndarray]:
    """Left weights and states, right weights and states."""
    cells = rows * columns
    return [
        np.frombuffer(data, dtype, cells, at).reshape(rows, columns)
        for dtype, at in (("<f4", 0), ("u1", 4 * cells), ("<f4", 5 * cells), ("u1", 9 * cells))
    ]


def test_a_small_pair_is_sent_whole_with_its_means() -> None:
    left, right = causal_trace(seed=1), causal_trace(seed=2)
    panel = ComparePanel(left, right)
    assert panel._spec["sent"] == [[layer, head] for layer in (0, 1) for head in (0, 1, 2, 3, -1)]
    for number, (layer, head) in enumerate(panel._spec["sent"]):
        one, states, other, _ = exact(panel._pairs[1000 * number : 1000 * (number + 1)], 10, 10)
        np.testing.assert_array_equal(one, left.mean(layer) if head < 0 else left.weights(layer, head))
        np.testing.assert_array_equal(other, right.mean(layer) if head < 0 else right.weights(layer, head))
        np.testing.assert_array_equal(states, left.states(layer, 0))


def test_texts_that_differ_in_words_are_aligned() -> None:
    panel = ComparePanel(causal_trace(tokens=DOG), causal_trace(tokens=DOGS), query="dog", key="dogs")
    (axis,) = panel._spec["axes"]
    assert axis["labels"] == ["‹start›", "The", "dog / dogs", "near", "the", "old", "boats / boat", "barks / bark"]
    assert (axis["replaced"], axis["leftOnly"], axis["rightOnly"]) == ([2, 6, 7], [], [5])
    assert (panel.query, panel.key, panel.locked) == (2, 2, True)
    assert repr(panel) == "ComparePanel(layers=2, heads=4, tokens=8)"


def test_the_same_trace_on_both_sides_shows_no_difference() -> None:
    trace = causal_trace()
    panel = ComparePanel(trace, trace)
    assert panel._spec["largest"] == []
    assert "no difference" in panel.snapshot()


def test_raw_weights_are_taken_as_they_are() -> None:
    panel = ComparePanel(np.full((3, 2, 2), 0.5), np.full((3, 2, 2), 0.25), tokens=["a", "b"])
    assert panel._spec["largest"][0] == [0, 0, 0, 0, 0.5, 0.25, -0.25]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": "ab"}, "names are two texts, of the left and of the right; given 'ab'"),
        ({"names": ("a", 1)}, "names are two texts"),
        ({"layer": 2}, "layer=2 does not exist; there are 2: 0 to 1"),
        ({"query": "zebra"}, "query='zebra' is on neither side; there are '‹start›', 'I'"),
        ({"query": 10}, "query=10 does not exist"),
        ({"title": 5}, "title must be text"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        ComparePanel(causal_trace(), causal_trace(seed=1), **options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_token_that_stands_at_several_places_is_not_guessed() -> None:
    trace = causal_trace(tokens=("a", "b", "a"))
    with pytest.raises(ConfigError, match="query='a' stands at places 0, 2; give one of them"):
        ComparePanel(trace, trace, query="a")


def test_layers_and_heads_must_agree() -> None:
    with pytest.raises(ConfigError, match="left has 2 decoder layers of 4 heads, right 1 decoder layers of 4 heads"):
        ComparePanel(causal_trace(), causal_trace(1))


def test_heads_of_a_large_pair_come_on_request(large: Wire) -> None:
    panel = large.panel
    assert isinstance(panel, ComparePanel)
    assert (panel._pairs, panel._spec["largest"]) == (b"", None)
    reply = large.ask({"id": "v-1", "ask": "pair", "layer": 1, "head": 3})
    assert reply is not None
    one, _, other, states = exact(b"".join(reply[1]), 10, 10)
    np.testing.assert_array_equal(one, panel.left.weights(1, 3))
    np.testing.assert_array_equal(other, panel.right.weights(1, 3))
    np.testing.assert_array_equal(states, panel.right.states(1, 3))
    reply = large.ask({"id": "v-2", "ask": "pair_row", "layer": 0, "mean": True, "query": 7})
    assert reply is not None
    np.testing.assert_array_equal(exact(b"".join(reply[1]), 1, 10)[2][0], panel.right.mean(0)[7])


def test_the_largest_differences_of_a_layer_come_on_request(large: Wire) -> None:
    reply = large.ask({"id": "v-3", "ask": "largest", "layer": 1})
    assert reply is not None
    panel = large.panel
    assert isinstance(panel, ComparePanel)
    layer, head, query, key, left, right, by = reply[0]["largest"][0]
    assert layer == 1
    assert right - left == pytest.approx(by, abs=1e-5)
    sizes = [np.abs(panel.right.weights(1, h) - panel.left.weights(1, h)).max() for h in range(4)]
    assert abs(by) == pytest.approx(max(sizes), abs=1e-5)
    assert sizes[head] == max(sizes)
    assert panel.left.weights(1, head)[query, key] == pytest.approx(left, abs=1e-5)
    json.dumps(reply[0], allow_nan=False)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"ask": "pair", "layer": 0, "head": 4}, "head=4 does not exist"),
        ({"ask": "pair", "layer": 10**9, "head": 0}, "layer=1000000000 does not exist"),
        ({"ask": "pair", "layer": 0, "mean": "yes"}, "mean must be True or False"),
        ({"ask": "pair_row", "layer": 0, "head": 0, "query": 99}, "query=99 does not exist"),
        ({"ask": "pair_row", "layer": 0, "head": 0}, "a request needs"),
        ({"ask": "largest"}, "layer must be a whole number"),
        ({"ask": "head", "layer": 0}, "a panel cannot be asked 'head'"),
    ],
)
def test_every_request_is_answered_also_with_an_error(large: Wire, request_: dict[str, Any], reason: str) -> None:
    reply = large.ask({"id": "v-4", **request_})
    assert reply is not None
    assert reason in reply[0]["error"]


def test_a_large_head_is_sent_as_pictures_and_its_rows_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "EXACT", 4)
    monkeypatch.setattr(pairs.step_of, "__defaults__", (4,))
    monkeypatch.setattr(pairs.drawn, "__defaults__", (4,))
    left, right = causal_trace(seed=1), causal_trace(seed=2)
    panel = ComparePanel(left, right)
    assert panel._spec["blocks"][0]["step"] == 3
    codes = np.frombuffer(panel._pairs[:48], np.uint8).reshape(3, 4, 4)
    for row in range(4):
        for column in range(4):
            cells = np.s_[3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            if column > row:
                assert codes[:, row, column].tolist() == [254] * 3
                continue
            assert abs(codes[0, row, column] / 250 - left.weights(0, 0)[cells].max()) <= 1 / 500
            by = (right.weights(0, 0) - left.weights(0, 0))[cells].ravel()
            largest = by[np.abs(by).argmax()]
            assert abs(codes[2, row, column] / 125 - 1 - largest) <= 1 / 250


def test_a_band_of_rows_at_a_time_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = ComparePanel(causal_trace(seed=1), causal_trace(seed=2))._pair
    whole = pairs.drawn(pair, 1, 2, 5)
    monkeypatch.setattr(pairs.tiles, "ROWS_AT_ONCE", 40)
    banded = pairs.drawn(pair, 1, 2, 5)
    for one, other in zip(whole[:3], banded[:3], strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.states, other.states)


def test_the_picture_of_a_difference_has_its_colours() -> None:
    values = np.array([[-1, 0, 0.5, np.nan, 0, 0]], np.float32)
    states = np.array([[0, 0, 0, 0, MASKED, NOT_CAPTURED]], np.uint8)
    pixels = np.asarray(signed_picture(values, states))[0]
    scale = palette("light", "diverging")
    assert [tuple(p[:3]) for p in pixels[:3]] == [tuple(scale[i]) for i in (0, 128, 191)]
    assert len({tuple(p) for p in pixels}) == 6
    assert pixels[4, 3] == 0


def test_the_snapshot_names_both_and_escapes() -> None:
    panel = ComparePanel(causal_trace(tokens=DOG), causal_trace(tokens=DOGS), names=("<b>", "</script>"), title="<i>")
    html = panel.snapshot()
    assert f'id="{panel._snapshot}"' in html
    assert "<b>" not in html
    assert "</script>" not in html
    figure = panel.figure()
    assert "&lt;/script&gt; − &lt;b&gt;" in figure
    assert "no counterpart" in figure
    assert "no counterpart" not in ComparePanel(causal_trace(), causal_trace(seed=1)).figure()


def test_the_mean_is_drawn_where_it_is_on_show() -> None:
    assert "L1 mean" in ComparePanel(causal_trace(), causal_trace(seed=1), layer=1, mean=True).figure()


def test_a_page_says_what_it_does_without(tmp_path: Path) -> None:
    panel = ComparePanel(causal_trace(), causal_trace(seed=1), layer=1)
    whole = panel.to_html(tmp_path / "whole.html").read_text("utf-8")
    assert "Left out" not in whole
    size = len(whole.encode())
    path = panel.to_html(tmp_path / "small.html", budget=size - 4000)
    small = path.read_text("utf-8")
    assert len(small.encode()) <= size - 4000
    assert "of 8 heads." in small
    with pytest.raises(ConfigError, match="does not hold one head"):
        panel.to_html(tmp_path / "none.html", budget=1000)
    assert not (tmp_path / "none.html").exists()


def test_cross_attention_aligns_rows_and_columns_apart() -> None:
    random = np.random.default_rng(0)
    left = AttentionTrace.from_arrays(
        random.random((2, 3, 4)), tokens=list("abc"), key_tokens=list("wxyz"), kind="cross"
    )
    right = AttentionTrace.from_arrays(
        random.random((2, 4, 4)), tokens=list("abcd"), key_tokens=list("wxqz"), kind="cross"
    )
    panel = ComparePanel(left, right)
    (block,) = panel._spec["blocks"]
    rows, columns = panel._spec["axes"][block["rows"]], panel._spec["axes"][block["columns"]]
    assert (rows["labels"], columns["labels"]) == (["a", "b", "c", "d"], ["w", "x", "y / q", "z"])
    between = pairs.drawn(panel._pair, 0, 1).difference
    np.testing.assert_array_equal(between.values[:3], right.weights(0, 1)[:3] - left.weights(0, 1))
    assert (between.states[3] == NOT_CAPTURED).all()


def test_the_page_may_set_what_exists_alone() -> None:
    wire = Wire(ComparePanel(causal_trace(), causal_trace(seed=1)))
    wire.set(layer=1, head=3, query=7, key=5, locked=True)
    assert isinstance(wire.panel, ComparePanel)
    assert (wire.panel.layer, wire.panel.head, wire.panel.query, wire.panel.key) == (1, 3, 7, 5)
    wire.set(layer=10**9)
    assert wire.panel.layer == 1
    assert wire.states[-1]["layer"] == 1


def test_differences_are_the_same_everywhere() -> None:
    left, right = causal_trace(tokens=WORDS[:6], seed=1), causal_trace(tokens=WORDS[:6], seed=2)
    pair = ComparePanel(left, right)._pair
    found = difference(left.weights(0, 1), right.weights(0, 1), left.states(0, 1), right.states(0, 1))
    np.testing.assert_array_equal(pairs.drawn(pair, 0, 1).difference.values, found.values)


def test_a_saved_comparison_says_where_both_sides_come_from(tmp_path: Path) -> None:
    sides = [
        AttentionTrace(causal_trace(seed=seed).blocks, None, {"model": f"hash{seed}", "step": seed, "text": text})
        for seed, text in ((1, "the dog"), (2, "the dogs"))
    ]
    panel = ComparePanel(*sides, names=("early", "late"), layer=1, head=2, title="two steps")
    root = ET.parse(panel.save(tmp_path / "fig.svg")).getroot()
    about = json.loads(root.findtext(".//{http://purl.org/dc/elements/1.1/}description") or "")
    assert about == {
        "panel": "ComparePanel", "title": "two steps", "version": f"attn_widgets {__version__}",
        "layer": 1, "head": 2, "aggregation": "one head",
        "left": "early", "left.model": "hash1", "left.step": 1, "left.text": "the dog",
        "right": "late", "right.model": "hash2", "right.step": 2, "right.text": "the dogs",
    }  # fmt: skip
    panel.mean = True
    assert "head" not in panel.provenance()
