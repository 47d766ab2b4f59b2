"""The grid panel from Python and from the page: what is sent, what is answered, what is refused, what is written."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from PIL import Image

from attn_widgets.errors import ConfigError
from attn_widgets.panels import grid, svg
from attn_widgets.panels.colours import palette
from attn_widgets.panels.grid import GridPanel
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.trace import AttentionTrace, WeightsRecord
from attn_widgets.trace.head_metrics import METRICS, head_metrics, metric_index
from tests.panel_traces import WORDS, Wire, both_kinds, causal_trace
from tests.test_thumbnails import by_hand, dot_trace


def page_data(path: Path) -> dict[str, Any]:
    found = re.search(r'id="attn-data">(.*?)</script>', path.read_text("utf-8"), re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_a_small_trace_is_sent_whole() -> None:
    panel = GridPanel(causal_trace(moments := 2, 4), moments=[(5, causal_trace(2, 4, seed=1))])
    spec = panel._spec["grid"]
    assert spec["sent"] == [[(0, 1), (1, 1)]] * moments
    assert spec["layers"][1][0] == {"rows": 10, "columns": 10, "factor": 1, "groups": 4}
    sent = np.frombuffer(panel._thumbnails, np.uint8).reshape(2, 2, 5, 10, 10)
    metrics = np.frombuffer(panel._metrics, "<f8").reshape(2, 2, len(METRICS), 4)
    for layer, head in panel.trace.iter_heads():
        levels, states = by_hand(panel.trace.blocks[layer], head)
        np.testing.assert_array_equal(sent[1, layer, head], levels)
        np.testing.assert_array_equal(sent[1, layer, 4], states)
    np.testing.assert_array_equal(metrics[1, 1], head_metrics(panel.trace.blocks[1]))
    weights = np.frombuffer(panel._weights, "<f4").reshape(2, 2, 4, 10, 10)
    np.testing.assert_array_equal(weights[1, 1, 3], panel.trace.weights(1, 3))


def test_of_a_larger_one_a_layer_comes_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "WHOLE", 0)
    wire = Wire(GridPanel(dot_trace()))
    panel = wire.panel
    assert isinstance(panel, GridPanel)
    assert (panel._thumbnails, panel._metrics, panel._weights) == (b"", b"", b"")
    reply = wire.ask({"id": "v-1", "ask": "thumbnails", "moment": 0, "layer": 1})
    assert reply is not None
    content, (pictures, metrics) = reply
    assert content == {"id": "v-1", "first": 0, "heads": 4, "planes": 1}
    cells = np.frombuffer(pictures, np.uint8).reshape(5, 24, 24)
    np.testing.assert_allclose(cells[2], by_hand(panel.trace.blocks[1], 2)[0], atol=1)
    values = np.frombuffer(metrics, "<f8").reshape(len(METRICS), 4)
    np.testing.assert_array_equal(values, head_metrics(panel.trace.blocks[1]))


def test_a_cell_is_found_on_request() -> None:
    wire = Wire(GridPanel(causal_trace()))
    reply = wire.ask({"id": "v", "ask": "found", "moment": 0, "layer": 1, "query": 7, "key": 5})
    assert reply is not None
    weights = np.frombuffer(reply[1][0], "<f4")
    np.testing.assert_array_equal(weights, [causal_trace().weights(1, head)[7, 5] for head in range(4)])


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"ask": "thumbnails", "moment": 0, "layer": 9}, "layer=9 does not exist"),
        ({"ask": "thumbnails", "moment": 0, "layer": 0, "first": 4}, "head=4 does not exist"),
        ({"ask": "thumbnails", "moment": 0, "layer": 0, "first": None}, "head must be a whole number"),
        ({"ask": "thumbnails", "layer": 0}, "moment must be a whole number"),
        ({"ask": "thumbnails", "moment": 0, "layer": "<b>"}, "layer must be a whole number"),
        ({"ask": "found", "moment": 0, "layer": 0, "query": 99, "key": 0}, "query=99 does not exist"),
        ({"ask": "found", "moment": 0, "layer": 0, "query": 1}, "a request needs"),
        ({"ask": "head", "moment": 0}, "cannot be asked 'head'; it answers thumbnails, found"),
    ],
)
def test_every_request_is_answered_also_with_an_error(request_: dict[str, Any], reason: str) -> None:
    reply = Wire(GridPanel(causal_trace())).ask({"id": "v", **request_})
    assert reply is not None
    assert reason in reply[0]["error"]
    assert "\n" not in reply[0]["error"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("metric", "sharpness", "metric must be one of weights, entropy, distance, previous_token, induction, sink"),
        ("metric", 3, "found; given '3'"),
        ("metric", None, "found; given 'None'"),
        ("order", "weights", "order must be one of layer, entropy"),
        ("order", ["layer"], "order must be one of layer"),
        ("layer", 2, "layer=2 does not exist"),
    ],
)
def test_what_does_not_exist_is_refused_in_one_line(name: str, value: Any, message: str) -> None:
    panel = GridPanel(causal_trace(), metric="sink", order="entropy")
    with pytest.raises(ConfigError) as refused:
        setattr(panel, name, value)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (panel.metric, panel.order, panel.layer) == ("sink", "entropy", 0)


def test_forged_state_is_refused_whole() -> None:
    wire = Wire(GridPanel(causal_trace()))
    wire.set(layer=1, metric="<img src=x>")
    wire.set(head=1, _thumbnails=b"")
    panel = wire.panel
    assert isinstance(panel, GridPanel)
    assert (panel.layer, panel.head, panel.metric) == (0, 0, "weights")
    wire.set(layer=1, head=2, metric="found", order="found", query=7, key=5)
    assert (panel.layer, panel.head, panel.metric, panel.order, panel.query) == (1, 2, "found", "found", 7)


def test_a_head_panel_follows() -> None:
    one, other = GridPanel(causal_trace()), HeadPanel(causal_trace())
    for name in ("layer", "head", "query", "key"):
        traitlets.link((one, name), (other, name))
    wire = Wire(one)
    wire.set(layer=1, head=3)
    assert (other.layer, other.head) == (1, 3)
    other.query = 4
    assert one.query == 4


def test_grouped_heads_are_told() -> None:
    assert GridPanel(dot_trace())._spec["grid"]["layers"][0][0]["groups"] == 2


@pytest.mark.parametrize("metric", grid.COLOURS)
def test_the_snapshot_is_one_picture_and_a_table_of_every_metric(metric: str) -> None:
    panel = GridPanel(causal_trace(), metric=metric, query=7, key=5, title="<script>x")
    html = panel.snapshot()
    assert html.startswith(f'<figure id="{panel._snapshot}"')
    assert "<script>" not in html
    svg = base64.b64decode(re.findall(r"svg\+xml;base64,([^\"]+)", html)[0]).decode()
    assert "&lt;script&gt;x" in svg
    cells = re.findall(r"<tr><td>L1H3</td>(.*?)</tr>", html)[0]
    expected = [f"{value:.4g}" for value in head_metrics(panel.trace.blocks[1])[:, 3] if not np.isnan(value)]
    assert [cell for cell in re.findall(r"<td>(.*?)</td>", cells) if cell != "–"] == expected
    if metric == "found":
        assert "weight of ‘drink’ on ‘pizza’" in svg
        assert f">{panel.trace.weights(1, 3)[7, 5]:.2f}<" in svg


def test_a_snapshot_waits_for_nothing_and_a_figure_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "WHOLE", 0)
    panel = GridPanel(dot_trace())
    html = panel.snapshot()
    assert panel._overview.ready() == [[]]
    svg = base64.b64decode(re.findall(r"svg\+xml;base64,([^\"]+)", html)[0]).decode()
    assert "2 of 2 layers not computed yet" in svg
    whole = panel.figure()
    assert "not computed" not in whole
    assert "maximum of 3×3 weights" in whole
    assert panel._overview.ready() == [[0, 1]]


def test_a_figure_of_many_heads_says_what_its_points_stand_for() -> None:
    figure = GridPanel(dot_trace(layers=1, heads=64)).figure()  # 24 cells of 3×3 weights on less than 12 pixels
    assert "Each point is the maximum of 6×6 weights" in figure


def test_saved_figures_say_what_colours_and_sorts_the_heads() -> None:
    about = GridPanel(causal_trace(), metric="sink", order="entropy").provenance()
    assert (about["metric"], about["order"]) == ("sink", "entropy")


def labels(figure: str, pattern: str) -> list[tuple[float, float, str]]:
    """Texts of a figure that match, with their places."""
    found = re.findall(rf'<text x="([\d.]+)" y="([\d.]+)"[^>]*>({pattern})</text>', figure)
    return [(float(x), float(y), text) for x, y, text in found]


@pytest.mark.parametrize("metric", ["weights", "entropy"])
def test_a_figure_has_the_order_on_show(metric: str) -> None:
    trace = causal_trace(2, 8)
    values = np.array([head_metrics(block)[metric_index("sink")] for block in trace.blocks])
    order = sorted(trace.iter_heads(), key=lambda place: -values[place])
    panel = GridPanel(trace, metric=metric, order="sink", layer=order[2][0], head=order[2][1])
    figure = panel.figure()
    names = sorted(labels(figure, r"L\d+H\d+"), key=lambda label: (label[1], label[0]))
    assert [text for *_, text in names] == [f"L{layer}H{head}" for layer, head in order]
    assert "The largest first" in figure
    frame = re.findall(rf'<rect x="([\d.]+)" y="([\d.]+)" [^>]*stroke="{svg.ACCENT}"', figure)
    assert 0 < names[2][0] - float(frame[0][0]) < 40
    table = re.findall(r"<td>(L\d+H\d+)</td>", panel.snapshot())
    assert table == [text for *_, text in names]


def test_sorted_thumbnails_are_those_of_their_heads() -> None:
    """Heads of layers with other tokens stand in one row, each with the thumbnail that it has in its own layer."""
    panel = GridPanel(both_kinds(), order="entropy")
    images = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
        for data in re.findall(r"data:image/png;base64,([^\"]+)", panel.figure())
    ]
    order = sorted(panel.trace.iter_heads(), key=lambda place: -head_metrics(panel.trace.blocks[place[0]])[0, place[1]])
    image, left = images.pop(0), 0
    for place in order:
        levels, states = by_hand(panel.trace.blocks[place[0]], place[1])
        if left >= image.shape[1]:
            image, left = images.pop(0), 0
        shown = image[:, left : left + levels.shape[1]].astype(int)
        left += max(levels.shape) + 1
        assert shown.shape[:2] == levels.shape
        read = np.abs(shown[..., None, :3] - palette("light").astype(int)).sum(-1).argmin(-1)
        assert np.abs(read - levels)[states == 0].max() <= 1


def test_heads_that_were_not_computed_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "WHOLE", 0)
    panel = GridPanel(dot_trace(layers=3), order="entropy")
    panel._overview.layer(0, 1)
    svg_ = base64.b64decode(re.findall(r"svg\+xml;base64,([^\"]+)", panel.snapshot())[0]).decode()
    names = [text for *_, text in sorted(labels(svg_, r"L\d+H\d+"), key=lambda label: (label[1], label[0]))]
    assert {name[:2] for name in names[:4]} == {"L1"}
    assert names[4:] == [f"L{layer}H{head}" for layer in (0, 2) for head in range(4)]


def test_a_figure_brackets_heads_that_share_keys() -> None:
    figure = GridPanel(dot_trace(heads=8, kept=2)).figure()
    names = labels(figure, r"KV\d+")
    assert [text for *_, text in names] == ["KV0", "KV1"]
    heads = {text: x for x, _, text in labels(figure, r"H\d+")}
    for (x, *_), (first, last) in zip(names, [("H0", "H3"), ("H4", "H7")], strict=True):
        assert x == pytest.approx((heads[first] + heads[last]) / 2, abs=0.6)
    assert not labels(GridPanel(dot_trace(heads=8, kept=8)).figure(), r"KV\d+")
    assert not labels(GridPanel(dot_trace(heads=8, kept=2), order="sink").figure(), r"KV\d+")


def test_layers_with_other_groups_are_marked_under_each_row() -> None:
    shared, own = dot_trace(1, heads=4, kept=2).blocks[0], dot_trace(1, heads=4, kept=4).blocks[0]
    figure = GridPanel(AttentionTrace([shared, replace(own, layer=1)])).figure()
    marks = re.findall(r'<path d="([^"]+)" stroke="[^"]+" stroke-width="1.5"/>', figure)
    assert [mark.count("M") for mark in marks] == [2]
    assert not labels(figure, r"KV\d+")


@pytest.mark.parametrize("weights", [[[[[1.0]]]], [[[[np.nan]]]], [[[[4.0, -1.0], [np.inf, 0.0]]]]])
def test_odd_traces_have_a_figure(weights: Any) -> None:
    for metric in grid.COLOURS:
        panel = GridPanel(np.array(weights, np.float32), metric=metric, query=0, key=0)
        assert panel.figure().startswith("<svg")
        assert "<table>" in panel.snapshot()


def test_a_fully_masked_head_is_masked() -> None:
    nothing = np.zeros((1, 2, 4, 4), np.float32)
    trace = AttentionTrace.from_arrays(nothing, tokens=WORDS[:4], mask=np.zeros((4, 4), bool))
    panel = GridPanel(trace)
    assert set(panel._thumbnails) == {0, 1}
    assert np.isnan(np.frombuffer(panel._metrics, "<f8")).all()


def test_the_page_holds_everything_within_its_budget(tmp_path: Path) -> None:
    panel = GridPanel(dot_trace(), metric="entropy", moments=[(3, dot_trace(seed=1))])
    data = page_data(panel.to_html(tmp_path / "page.html"))
    assert data["traits"]["metric"] == "entropy"
    assert data["traits"]["_spec"]["live"] is False
    assert data["traits"]["_spec"]["note"] == ""
    assert data["traits"]["_spec"]["grid"]["sent"] == [[[0, 1], [1, 1]]] * 2
    assert len(base64.b64decode(data["buffers"]["_weights"])) == 4 * 2 * 8 * 70 * 70


def test_a_small_budget_says_what_was_left_out(tmp_path: Path) -> None:
    panel = GridPanel(dot_trace(layers=6), layer=4, moments=[(3, dot_trace(layers=6, seed=1))])
    fixed = len(panel._written([[], []], [[], []], "")) + grid.NOTE_BYTES
    budget = fixed + (3 * panel._overview.nbytes(1, 0)) * 4 // 3 + 10
    path = panel.to_html(tmp_path / "page.html", budget=budget)
    assert path.stat().st_size <= budget
    spec = page_data(path)["traits"]["_spec"]
    assert spec["grid"]["sent"] == [[], [[0, 1], [1, 1], [4, 1]]]
    assert "3 of 6 layers, 1 of 1 moments, the weights that find-the-head needs" in spec["note"]
    with pytest.raises(ConfigError, match="does not hold one layer"):
        panel.to_html(path, budget=fixed)


def test_heads_with_masks_of_their_own_send_a_plane_each() -> None:
    mask = np.stack([np.tri(4, dtype=bool), np.ones((4, 4), bool)])
    block = causal_trace(1, 2, WORDS[:4]).blocks[0]
    record = WeightsRecord(np.full((2, 4, 4), 0.25, np.float32), mask)
    trace = AttentionTrace([type(block)("decoder", 0, block.query_tokens, block.key_tokens, record)])
    assert GridPanel(trace)._spec["grid"]["sent"] == [[(0, 2)]]
