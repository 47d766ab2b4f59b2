"""A grid's page from disk in real Chromium: every head's thumbnail or metric, keys, order, found cells, any token."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from attn_widgets.panels.colours import Theme, palette
from attn_widgets.panels.grid import GridPanel
from attn_widgets.trace import AttentionTrace, Block, WeightsRecord
from attn_widgets.trace.head_metrics import METRICS, head_metrics, metric_index
from tests.browser.cells import READ_PIXEL, Cells
from tests.browser.test_export_page import HOSTILE
from tests.panel_traces import WORDS, causal_trace
from tests.test_thumbnails import by_hand, dot_trace

Open = Callable[..., Locator]


@pytest.fixture
def open_panel(watched: Any, tmp_path: Path) -> Open:
    """Export a panel, open the file, and return the panel on the page."""

    def opened(panel: GridPanel, scheme: str = "light", width: int = 1000, **options: Any) -> Locator:
        path = panel.to_html(tmp_path / "page.html", **options)
        watched.page.emulate_media(color_scheme=scheme)
        watched.page.set_viewport_size({"width": width, "height": 900})
        watched.page.goto(path.as_uri())
        found = watched.page.locator("section.attn")
        expect(found.locator(".attn-say")).not_to_be_empty()
        return found

    yield opened
    assert watched.errors == []
    assert watched.refused == []


def thumbnail_pixel(cells: Cells, place: tuple[int, int], size: tuple[int, int], row: int, column: int) -> list[int]:
    """A pixel inside of a cell of a head's thumbnail."""
    side = float(cells.canvas.get_attribute("data-side") or 0)
    corner = cells.at(*place, share=0)
    most = max(size)
    x, y = (side * (at + 0.5) / most for at in (column, row))
    found: list[int] = cells.canvas.evaluate(READ_PIXEL, {"x": corner["x"] + x, "y": corner["y"] + y})
    return found


def assert_step(colours: np.ndarray, pixel: list[int], level: int) -> None:
    """The pixel has the colour of a level, or of its neighbours; neighbours may share a colour."""
    steps = np.flatnonzero((colours == pixel[:3]).all(1))
    assert np.abs(steps - level).min(initial=999) <= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("trace", [causal_trace(2, 8), dot_trace()], ids=["10 tokens", "70 tokens"])
def test_thumbnails_show_the_largest_weights(open_panel: Open, scheme: Theme, trace: AttentionTrace) -> None:
    cells = Cells(open_panel(GridPanel(trace, layer=1, head=1), scheme))
    colours = palette(scheme).astype(int)
    for place in ((0, 0), (1, 2), (1, 3)):
        levels, states = by_hand(trace.blocks[place[0]], place[1])
        for row, column in np.argwhere(states == 0)[::7]:
            pixel = thumbnail_pixel(cells, place, levels.shape, row, column)
            assert_step(colours, pixel, levels[row, column])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_colours_the_heads(open_panel: Open, scheme: Theme, metric: str) -> None:
    trace = dot_trace(tokens=24)
    panel = open_panel(GridPanel(trace, metric=metric, layer=1), scheme)
    values = np.array([head_metrics(block)[metric_index(metric)] for block in trace.blocks])
    end = 1 if METRICS[metric].share else values.max()
    cells = Cells(panel)
    for place in np.ndindex(values.shape):
        pixel = cells.pixel(*place, share=0.12)
        assert_step(palette(scheme).astype(int), pixel, round(float(values[place] / end) * 255))
    cells.hover(1, 2)
    shown = float(panel.locator(".attn-tip").inner_text().split(" · ")[0].split()[-1])
    assert shown == pytest.approx(values[1, 2], rel=1e-6)


def test_find_the_head_colours_each_by_its_weight_on_the_cell(open_panel: Open, watched: Any) -> None:
    trace = causal_trace(2, 8)
    panel = open_panel(GridPanel(trace, metric="found", query=7, key=5))
    said = panel.locator(".attn-say")
    for place in ((0, 1), (1, 3)):
        pixel = Cells(panel).pixel(*place, share=0.12)
        assert_step(palette("light").astype(int), pixel, round(float(trace.weights(*place)[7, 5]) * 255))
    Cells(panel).click(1, 3)
    expect(said).to_contain_text("L1H3: weight of ‘drink’ on ‘pizza’ 1.000")
    watched.page.keyboard.press("Shift+ArrowLeft")
    expect(said).to_contain_text("‘drink’ on ‘eat’")
    watched.page.keyboard.press("Shift+ArrowUp")
    expect(said).to_contain_text(f"‘and’ on ‘eat’ {trace.weights(1, 3)[6, 4]:.3}"[:18])
    panel.get_by_role("combobox", name="Sort").select_option("found")
    best = max(trace.iter_heads(), key=lambda place: trace.weights(*place)[6, 4])
    watched.page.keyboard.press("Tab")
    Cells(panel).click(0, 0)
    expect(said).to_contain_text(f"L{best[0]}H{best[1]}")
    expect(said).to_contain_text("no. 1 of 16 by weight on a cell")
    panel.locator(".attn-figure").press("Escape")
    expect(said).to_contain_text("choose a row and a column")


def test_a_masked_cell_is_hatched_and_named(open_panel: Open) -> None:
    panel = open_panel(GridPanel(causal_trace(), metric="found", query=2, key=5))
    expect(panel.locator(".attn-say")).to_contain_text("on ‘pizza’ masked")
    expect(panel.locator(".attn-state:visible")).to_have_text(["masked"])


def test_arrow_keys_move_over_the_heads_and_stop_at_the_ends(open_panel: Open, watched: Any) -> None:
    panel = open_panel(GridPanel(causal_trace(3, 4)))
    panel.locator(".attn-figure").focus()
    for key, shown in [
        ("ArrowRight", "L0H1"), ("ArrowDown", "L1H1"), ("End", "L1H3"), ("ArrowRight", "L1H3"), ("Home", "L1H0"),
        ("PageDown", "L2H0"), ("ArrowDown", "L2H0"), ("PageUp", "L0H0"), ("ArrowLeft", "L0H0"),
    ]:  # fmt: skip
        watched.page.keyboard.press(key)
        expect(panel.locator(".attn-say")).to_contain_text(f"{shown}:")
    expect(panel.locator("[role=status].attn-off")).to_contain_text("L0H0:")


def test_heads_are_sorted_and_keys_follow_the_order(open_panel: Open, watched: Any) -> None:
    trace = causal_trace(3, 4)
    order = sorted(trace.iter_heads(), key=lambda place: -head_metrics(trace.blocks[place[0]])[0, place[1]])
    panel = open_panel(GridPanel(trace, order="entropy", layer=order[0][0], head=order[0][1]))
    panel.locator(".attn-figure").focus()
    for layer, head in order[1:4]:
        watched.page.keyboard.press("ArrowRight")
        expect(panel.locator(".attn-say")).to_contain_text(f"L{layer}H{head}:")
    expect(panel.locator(".attn-say")).to_contain_text("no. 4 of 12 by entropy")


def test_the_table_holds_every_metric_of_every_head(open_panel: Open) -> None:
    trace = dot_trace(tokens=24)
    panel = open_panel(GridPanel(trace))
    panel.get_by_role("button", name="View as table").click()
    expect(panel.locator("table tbody tr")).to_have_count(8)
    line = panel.locator("table tbody tr").nth(5).locator("td").all_inner_texts()
    np.testing.assert_allclose([float(text) for text in line], head_metrics(trace.blocks[1])[:, 1], rtol=1e-3)


def test_all_heads_are_saved_also_those_out_of_view(open_panel: Open, watched: Any, tmp_path: Path) -> None:
    panel = open_panel(GridPanel(causal_trace(40, 12, WORDS[:4]), metric="sink", title="I love"))
    with watched.page.expect_download() as saved:
        panel.get_by_role("button", name="Save SVG").click()
    path = tmp_path / "saved.svg"
    saved.value.save_as(path)
    drawing = ET.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    texts = [node.text for node in drawing.iter(f"{space}text")]
    assert {"L0", "L39", "H11"} <= set(texts)
    assert len(list(drawing.iter(f"{space}image"))) == 40
    described = next(drawing.iter("{http://purl.org/dc/elements/1.1/}description")).text
    assert json.loads(described or "{}")["metric"] == "sink"
    expect(panel.locator(".attn-tools-said")).to_contain_text("saved All-heads-sink.svg")


def test_a_projector_s_grid_is_hit_where_it_is_seen(open_panel: Open) -> None:
    panel = open_panel(GridPanel(causal_trace(2, 4)))
    panel.get_by_role("button", name="Projector").click()
    expect(panel.get_by_role("button", name="Projector")).to_have_attribute("aria-pressed", "true")
    cells = Cells(panel)
    box = cells.canvas.bounding_box()
    assert box is not None
    zoom = box["width"] / cells.canvas.evaluate("canvas => canvas.offsetWidth")
    place = {name: value * zoom for name, value in cells.at(1, 2).items()}
    cells.canvas.click(position=place)
    expect(panel.locator(".attn-say")).to_contain_text("L1H2:")


def test_grouped_heads_are_bracketed(open_panel: Open) -> None:
    panel = open_panel(GridPanel(dot_trace(heads=8, kept=2)))
    cells = Cells(panel)
    left, right = cells.at(0, 0, 0)["x"] + 2, cells.at(0, 4, 0)["x"] + 2
    gap = cells.at(0, 4, 0)["x"] - 2  # between two groups
    drawn = [cells.canvas.evaluate(READ_PIXEL, {"x": x, "y": cells.y - 6})[3] > 0 for x in (left, right, gap)]
    assert drawn == [True, True, False]
    cells.hover(1, 6)
    expect(panel.locator(".attn-tip")).to_contain_text("key/value head 1")


def test_what_is_no_weight_is_drawn_differently_and_named(open_panel: Open) -> None:
    weights = np.array([[[0.5, 0.25], [0, 0]], [[np.nan, 1], [0, 0]]], np.float32)
    mask = np.array([[True, True], [True, False]])[None].repeat(2, 0)
    known = np.array([[True, True], [True, True]])[None].repeat(2, 0)
    known[0, 0, 1] = False
    record = WeightsRecord(weights, mask, known)
    panel = open_panel(GridPanel(AttentionTrace([Block("decoder", 0, ("a", "b"), ("a", "b"), record)])))
    cells = Cells(panel)
    places = ((0, (0, 0)), (0, (0, 1)), (1, (0, 0)))
    drawn = [tuple(thumbnail_pixel(cells, (0, head), (2, 2), *at)) for head, at in places]
    assert len({*drawn, tuple(palette("light")[0])}) == 4
    named = panel.locator(".attn-state:visible").all_inner_texts()
    assert named == ["masked", "zero", "not a number", "not captured"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_tokens_are_text(open_panel: Open, watched: Any, scheme: str) -> None:
    trace = causal_trace(tokens=HOSTILE)
    panel = open_panel(GridPanel(trace, title=HOSTILE[1], metric="found", query=10, key=0), scheme)
    panel.get_by_role("button", name="View as table").click()
    assert panel.locator("img, a, iframe").count() == 0
    assert "hacked" not in watched.page.title().replace(HOSTILE[1], "")
    box = panel.bounding_box()
    assert box is not None
    assert box["width"] <= 1000


COUNT = """() => {
    window.spent = { canvases: 0, puts: 0 };
    const make = document.createElement.bind(document);
    document.createElement = (name, ...more) => {
        window.spent.canvases += name === 'canvas';
        return make(name, ...more);
    };
    const { prototype } = CanvasRenderingContext2D;
    const put = prototype.putImageData;
    prototype.putImageData = function (...given) {
        window.spent.puts += 1;
        return put.apply(this, given);
    };
}"""


def test_sorting_many_heads_makes_no_canvas_anew(open_panel: Open, watched: Any) -> None:
    """A canvas for each row cost most of the 80 ms that 48 × 64 heads took to sort."""
    trace = causal_trace(48, 64, WORDS[:4])
    panel = open_panel(GridPanel(trace))
    watched.page.evaluate(COUNT)
    panel.get_by_role("combobox", name="Sort").select_option("entropy")
    expect(panel.locator(".attn-say")).to_contain_text("of 3072 by entropy")
    spent = watched.page.evaluate("window.spent")
    assert spent["canvases"] <= 2
    assert 1 <= spent["puts"] <= 2
    entropy = [head_metrics(block)[0] for block in trace.blocks]
    best = max(trace.iter_heads(), key=lambda place: entropy[place[0]][place[1]])
    levels, states = by_hand(trace.blocks[best[0]], best[1])
    for row, column in np.argwhere(states == 0):
        pixel = thumbnail_pixel(Cells(panel), (0, 0), levels.shape, row, column)
        assert_step(palette("light").astype(int), pixel, levels[row, column])


@pytest.mark.parametrize("width", [420, 1000])
def test_many_heads_fit_the_page(open_panel: Open, watched: Any, width: int) -> None:
    trace = causal_trace(48, 64, WORDS[:4])
    panel = open_panel(GridPanel(trace, layer=47, head=63), width=width)
    expect(panel.locator(".attn-say")).to_contain_text("L47H63")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    cells = Cells(panel)
    assert cells.y + 48 * cells.high <= 900  # the last row was scrolled to
    cells.click(40, 2)
    expect(panel.locator(".attn-say")).to_contain_text("L40H2:")


ODD = [[[1.0]], [[np.nan]], [[0.2, 0.3], [4.0, -1.0]], np.zeros((3, 1)), np.zeros((1, 9))]


@pytest.mark.parametrize("weights", ODD)
def test_small_and_odd_matrices_are_shown(open_panel: Open, weights: Any) -> None:
    panel = open_panel(GridPanel(np.array(weights, np.float32)))
    for metric in ("entropy", "induction", "found"):
        panel.get_by_role("combobox", name="Colour").select_option(metric)
    expect(panel.locator(".attn-say")).to_contain_text("choose a row")


def test_what_was_left_out_is_said_and_drawn_as_not_here(open_panel: Open) -> None:
    panel = GridPanel(dot_trace(layers=4))
    fixed = len(panel._written([[]], [[]], "")) + 400
    page = open_panel(panel, budget=fixed + panel._overview.nbytes(0, 0) * 3)
    expect(page.locator(".attn-note")).to_contain_text("2 of 4 layers")
    expect(page.locator(".attn-state:visible")).to_have_text(["masked", "not here"])
    Cells(page).click(3, 1)
    expect(page.locator(".attn-say")).to_have_text("L3H1: not here")
