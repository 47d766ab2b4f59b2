"""Copying, saving and enlarging what the flow panel, the comparison, and query and key show: their exported pages."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from attn_widgets.panels.base import Panel
from attn_widgets.panels.compare import ComparePanel
from attn_widgets.panels.flow import FlowPanel
from attn_widgets.panels.querykey import QueryKeyPanel
from attn_widgets.trace.rollout import flow
from tests.browser.cells import Cells
from tests.browser.test_tools import DESCRIPTION, copied, saved, texts
from tests.panel_traces import WORDS, causal_trace
from tests.vector_traces import dot_trace


@pytest.fixture
def open_panel(watched: Any, tmp_path: Path) -> Any:
    """Export a panel, open the file, and return the panel on the page."""

    def opened(panel: Panel) -> Locator:
        watched.page.set_viewport_size({"width": 1000, "height": 900})
        watched.page.goto(panel.to_html(tmp_path / "page.html").as_uri())  # type: ignore[attr-defined]
        found: Locator = watched.page.locator("section.attn")
        expect(found.locator("canvas[data-cells]:visible").first).to_be_visible()
        return found

    yield opened
    assert watched.errors == []
    assert watched.refused == []


def rows_of(panel: Locator, watched: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(copied(panel, watched), newline="")))


def both(panel: Locator, watched: Any, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Save as SVG and as PNG, which is three times as fine; give the words and the description."""
    root = ET.parse(saved(panel, watched, "Save SVG", folder)).getroot()
    image = Image.open(saved(panel, watched, "Save PNG", folder))
    assert image.size == (3 * int(root.attrib["width"]), 3 * int(root.attrib["height"]))
    assert len(set(map(tuple, np.asarray(image.convert("RGB"))[::7, ::7].reshape(-1, 3).tolist()))) > 20
    about: dict[str, Any] = json.loads(root.findtext(DESCRIPTION) or "")
    assert json.loads(image.info["Description"]) == about
    return texts(root), about


def enlarge(panel: Locator) -> float:
    button = panel.get_by_role("button", name="Projector")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    canvas = panel.locator("canvas[data-cells]:visible").first
    expect(canvas).to_be_visible()
    panel.page.wait_for_timeout(200)  # it is drawn anew
    box = canvas.bounding_box()
    assert box is not None
    return float(box["width"] / canvas.evaluate("canvas => canvas.offsetWidth"))


def zoomed(cells: Cells, zoom: float, row: int, column: int) -> Any:
    return {name: value * zoom for name, value in cells.at(row, column).items()}


def test_a_path_is_copied_saved_and_enlarged(open_panel: Any, watched: Any, tmp_path: Path) -> None:
    trace = causal_trace()
    panel = open_panel(FlowPanel(trace, title="I love to eat pizza", query=7))
    rows = rows_of(panel, watched)
    assert rows[0] == ["token", "the input of L0", "the input of L1", "the output of L1"]
    assert [row[0] for row in rows[1:]] == list(WORDS)
    shares = np.array([row[1:] for row in rows[1:]], np.float32)
    np.testing.assert_allclose(shares.T, flow(trace, 7, 0).shares, atol=1e-6)
    words, about = both(panel, watched, tmp_path)
    assert {"I love to eat pizza", "input", "output", "drink", "not captured"} <= set(words)
    assert about["query"] == 7
    assert about["method"] == "rollout"
    zoom = enlarge(panel)
    assert zoom == pytest.approx(1.6, rel=0.01)
    cells = Cells(panel)
    place = {"x": (cells.x + 5) * zoom, "y": zoomed(cells, zoom, 5, 0)["y"]}
    cells.canvas.hover(position=place)
    expect(panel.locator(".attn-tip")).to_contain_text("‘pizza’ at the input of L0: share")


def test_a_comparison_is_copied_saved_and_enlarged(open_panel: Any, watched: Any, tmp_path: Path) -> None:
    left, right = causal_trace(), causal_trace(seed=1)
    panel = open_panel(ComparePanel(left, right, names=("small", "large"), layer=1, head=2))
    rows = rows_of(panel, watched)
    assert rows[0] == ["query", "key", "small", "large", "difference"]
    assert [row[:2] for row in rows[1:]] == [[query, key] for query in WORDS for key in WORDS]
    one, other = left.weights(1, 2), right.weights(1, 2)
    for place, (row, column) in enumerate(np.ndindex(10, 10), 1):
        if column > row:
            assert rows[place][2:] == ["masked", "masked", ""]
        else:
            shown = np.array(rows[place][2:], np.float32)
            np.testing.assert_array_equal(shown[:2], [one[row, column], other[row, column]])
            assert shown[2] == other[row, column] - one[row, column]
    words, about = both(panel, watched, tmp_path)
    assert {"small", "large", "large − small", "−1", "+1", "pizza", "masked"} <= set(words)
    assert about["right"] == "large"
    assert about["left.text"] == about["right.text"] == " ".join(WORDS)
    zoom = enlarge(panel)
    assert zoom == pytest.approx(1.6, rel=0.01)
    for i in range(3):
        cells = Cells(panel.locator(".attn-compare-one").nth(i))
        cells.canvas.hover(position=zoomed(cells, zoom, 7, 5))
        expect(panel.locator(".attn-tip")).to_contain_text("drink → pizza: small ")


def test_query_and_key_are_copied_saved_and_enlarged(open_panel: Any, watched: Any, tmp_path: Path) -> None:
    trace = dot_trace()
    panel = open_panel(QueryKeyPanel(trace, title="scores", query=3, key=1))
    rows = rows_of(panel, watched)
    assert rows[0] == ["key", "score", "weight"]
    block = trace.blocks[0]
    assert [row[0] for row in rows[1:]] == list(block.key_tokens)
    weights, seen = trace.weights(0, 0)[3], trace.visible(0, 0)[3]
    for key, (score, weight) in enumerate(row[1:] for row in rows[1:]):
        if not seen[key]:
            assert [score, weight] == ["masked", "masked"]
        else:
            assert float(weight) == pytest.approx(weights[key], abs=1e-6)
    words, about = both(panel, watched, tmp_path)
    assert {"query", "key", "product", "running sum", "scale", "weight", "softmax"} <= set(words)
    assert (about["query"], about["key"]) == (3, 1)
    zoom = enlarge(panel)
    assert zoom == pytest.approx(1.6, rel=0.01)
    cells = Cells(panel)
    cells.canvas.hover(position=zoomed(cells, zoom, 0, 2))
    expect(panel.locator(".attn-tip")).to_contain_text("dimension 2: ")
