"""A comparison's page from disk in real Chromium: three matrices with the traces' values, one selection, any token."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from attn_widgets.panels.colours import Theme, palette
from attn_widgets.panels.compare import ComparePanel
from attn_widgets.trace import AttentionTrace, Block, WeightsRecord
from tests.browser.cells import READ_PIXEL, Cells
from tests.browser.test_export_page import HOSTILE
from tests.panel_traces import WORDS, causal_trace

Open = Callable[..., Locator]

DOG = ("‹start›", "The", "dog", "near", "the", "boats", "barks")
DOGS = ("‹start›", "The", "dogs", "near", "the", "old", "boat", "bark")


@pytest.fixture
def open_panel(watched: Any, tmp_path: Path) -> Open:
    """Export a panel, open the file, and return the panel on the page."""

    def opened(panel: ComparePanel, scheme: str = "light", width: int = 1000) -> Locator:
        path = panel.to_html(tmp_path / "page.html")
        watched.page.emulate_media(color_scheme=scheme)
        watched.page.set_viewport_size({"width": width, "height": 900})
        watched.page.goto(path.as_uri())
        found = watched.page.locator("section.attn")
        expect(found.locator(".attn-name")).not_to_be_empty()
        return found

    yield opened
    assert watched.errors == []
    assert watched.refused == []


def sheets(panel: Locator) -> list[Cells]:
    """Left, right and difference."""
    return [Cells(panel.locator(".attn-compare-one").nth(i)) for i in range(3)]


def edge(cells: Cells, row: int, column: int) -> list[int]:
    """A pixel on the upper edge of a cell."""
    found: list[int] = cells.canvas.evaluate(
        READ_PIXEL, {"x": cells.at(row, column)["x"], "y": cells.at(row, 0, 0)["y"]}
    )
    return found


def assert_shows(cells: Cells, colours: np.ndarray, values: np.ndarray, places: np.ndarray, low: float) -> None:
    """Every place has the colour of its value, within one of 255 steps of the scale."""
    for row, column in places:
        steps = np.flatnonzero((colours == cells.pixel(row, column)[:3]).all(1))  # neighbours may share a colour
        shown = low + (1 - low) * steps / 255
        assert np.abs(shown - values[row, column]).min(initial=2) <= (1 - low) / 255


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("count", [3, 10])
def test_the_canvases_show_both_weights_and_the_difference(open_panel: Open, scheme: Theme, count: int) -> None:
    left, right = (causal_trace(tokens=WORDS[:count], seed=seed) for seed in (1, 2))
    panel = open_panel(ComparePanel(left, right, layer=1, head=2, query=0), scheme)
    places = np.argwhere(left.visible(1, 2))
    one, other, between = sheets(panel)
    assert_shows(one, palette(scheme), left.weights(1, 2), places, 0)
    assert_shows(other, palette(scheme), right.weights(1, 2), places, 0)
    assert_shows(between, palette(scheme, "diverging"), right.weights(1, 2) - left.weights(1, 2), places, -1)


def test_a_token_without_a_counterpart_is_an_empty_row_and_column(open_panel: Open) -> None:
    left, right = causal_trace(tokens=DOG), causal_trace(tokens=DOGS)
    panel = open_panel(ComparePanel(left, right, names=("one", "many")))
    one, other, between = sheets(panel)
    assert other.pixel(6, 5) not in (one.pixel(6, 5), between.pixel(6, 5))
    assert one.pixel(6, 5) == between.pixel(6, 5) == one.pixel(5, 2)
    expect(panel.locator(".attn-legend").get_by_text("no counterpart", exact=True)).to_be_visible()
    other.hover(6, 5)
    expect(panel.locator(".attn-say")).to_contain_text("‘boats / boat’ at ‘old’: one no counterpart, many 0.")
    expect(panel.locator(".attn-text")).to_contain_text("4 tokens alike, 3 replaced, 1 only in many")


def test_one_selection_runs_through_all_three(open_panel: Open, watched: Any) -> None:
    left, right = causal_trace(seed=1), causal_trace(seed=2)
    panel = open_panel(ComparePanel(left, right, names=("early", "late"), layer=1, head=3))
    said = panel.locator(".attn-say")
    expected = (
        f"‘eat’ at ‘love’: early {left.weights(1, 3)[4, 2]:#.4g}, late {right.weights(1, 3)[4, 2]:#.4g}, difference "
    )
    for cells in sheets(panel):
        cells.hover(4, 2)
        expect(said).to_contain_text(expected)
    before = [edge(cells, 7, 5) for cells in sheets(panel)]
    sheets(panel)[2].click(7, 5)
    sheets(panel)[0].hover(4, 2)
    expect(said).to_contain_text("‘drink’ at ‘pizza’")
    assert all(edge(cells, 7, 5) != was for cells, was in zip(sheets(panel), before, strict=True))
    watched.page.keyboard.press("Escape")
    expect(said).to_contain_text(expected)


def test_keys_step_and_stop_at_the_ends(open_panel: Open, watched: Any) -> None:
    panel = open_panel(ComparePanel(causal_trace(), causal_trace(seed=1)))
    panel.locator(".attn-figure").focus()
    for key, shown in [
        ("ArrowRight", "L0H1"), ("ArrowDown", "L1H1"), ("End", "L1H3"), ("ArrowRight", "L1H3"), ("Home", "L1H0"),
        ("ArrowUp", "L0H0"), ("ArrowLeft", "L0H0"),
    ]:  # fmt: skip
        watched.page.keyboard.press(key)
        expect(panel.locator(".attn-name")).to_have_text(shown)
    watched.page.keyboard.press("Shift+ArrowUp")
    watched.page.keyboard.press("Shift+ArrowUp")
    expect(panel.locator(".attn-say")).to_contain_text("‘beer’ at")
    expect(panel.locator(".attn-off[aria-live]")).to_contain_text("‘beer’ at")


def test_the_largest_differences_lead_to_their_cell(open_panel: Open) -> None:
    left, right = causal_trace(seed=1), causal_trace(seed=2)
    panel = open_panel(ComparePanel(left, right))
    by = [(abs(right.weights(*at) - left.weights(*at)).max(), *at) for at in left.iter_heads()]
    _, layer, head = max(by)
    first = panel.locator(".attn-ranking").nth(1).locator("li:visible button").first
    expect(first).to_contain_text(f"L{layer}H{head}")
    first.click()
    expect(panel.locator(".attn-name")).to_have_text(f"L{layer}H{head}")
    expect(first).to_have_attribute("aria-current", "true")
    expect(panel.locator(".attn-say")).to_contain_text(f"{max(by)[0]:.4g}"[:5])


def test_the_mean_is_compared_too(open_panel: Open) -> None:
    left, right = causal_trace(seed=1), causal_trace(seed=2)
    panel = open_panel(ComparePanel(left, right, query=7, key=5))
    panel.get_by_role("button", name="Mean of heads").click()
    expect(panel.locator(".attn-name")).to_have_text("L0 mean")
    expect(panel.locator(".attn-say")).to_contain_text(f"a {left.mean(0)[7, 5]:#.4g}, b {right.mean(0)[7, 5]:#.4g}")


def test_the_table_holds_both_weights(open_panel: Open) -> None:
    left, right = causal_trace(seed=1), causal_trace(seed=2)
    panel = open_panel(ComparePanel(left, right))
    panel.get_by_role("button", name="View as table").click()
    line = panel.locator("table tbody tr").nth(7).locator("td").all_inner_texts()
    one, other = left.weights(0, 0)[7, 2], right.weights(0, 0)[7, 2]
    assert line[2] == f"{one:#.4g} → {other:#.4g} ({other - one:+#.4g})".replace("-", "−")
    assert line[8:] == ["masked", "masked"]


def test_what_is_no_difference_looks_different(open_panel: Open) -> None:
    states = np.array([[[0, 0, 1, 2, 0, 0]]])
    sides = []
    for weights in ([0.5, 0, 0, 0, np.nan, 0.5], [0.9, 0, 0, 0, 0.5, 0.5]):
        record = WeightsRecord(np.array([[weights]], np.float32), states != 1, states != 2)
        sides.append(AttentionTrace([Block("decoder", 0, ("a",), tuple("abcdef"), record)]))
    panel = open_panel(ComparePanel(*sides))
    left, _, between = sheets(panel)
    drawn = [tuple(between.block(0, column)) for column in range(6)]
    assert len({drawn[i] for i in (0, 1, 2, 3, 4)}) == 5
    assert drawn[1] == drawn[5]
    assert left.block(0, 1) != left.block(0, 5)
    for name in ("masked", "zero, or no difference", "not a number", "not captured"):
        expect(panel.locator(".attn-legend").get_by_text(name, exact=True)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_tokens_and_names_are_text(open_panel: Open, watched: Any, scheme: str) -> None:
    left, right = causal_trace(tokens=HOSTILE), causal_trace(tokens=HOSTILE[::-1])
    panel = open_panel(ComparePanel(left, right, names=(HOSTILE[0], HOSTILE[1]), title=HOSTILE[1]), scheme)
    panel.get_by_role("button", name="View as table").click()
    assert panel.locator("img, a, iframe").count() == 0
    assert "hacked" not in watched.page.title().replace(HOSTILE[1], "")
    expect(panel.locator("table")).to_contain_text("\\u202eright")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 1000


@pytest.mark.parametrize("width", [420, 1000])
def test_512_tokens_fit_the_page_and_say_what_is_reduced(open_panel: Open, watched: Any, width: int) -> None:
    tokens = tuple(f"t{i}" for i in range(512))
    panel = open_panel(
        ComparePanel(causal_trace(1, 1, tokens), causal_trace(1, 1, tokens, seed=3), query=500), width=width
    )
    expect(panel.locator(".attn-say")).to_contain_text("‘t500’ at")
    expect(panel.locator(".attn-legend")).to_contain_text("2×2 cells")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    panel.get_by_role("button", name="View as table").click()
    expect(panel.locator("table tbody tr")).to_have_count(512)


def test_longer_traces_are_pictures_and_say_that_rows_are_left_out(open_panel: Open) -> None:
    tokens = tuple(f"t{i}" for i in range(600))
    panel = open_panel(ComparePanel(causal_trace(1, 1, tokens), causal_trace(1, 1, tokens, seed=3), query=500))
    expect(panel.locator(".attn-note")).to_contain_text("the exact numbers of each row")
    expect(panel.locator(".attn-say")).to_contain_text("its numbers are not in this page")
    colours = palette("light", "diverging").astype(int)
    assert np.abs(colours - sheets(panel)[2].pixel(30, 10)[:3]).sum(1).min() == 0


@pytest.mark.parametrize("weights", [[[1.0]], [[np.nan]], [[0.2, 0.3], [4.0, -1.0]]])
def test_small_and_odd_matrices_are_shown(open_panel: Open, weights: list[list[float]]) -> None:
    matrix = np.array(weights, np.float32)
    panel = open_panel(ComparePanel(matrix, matrix[::-1]))
    expect(panel.locator(".attn-say")).to_contain_text("difference")


def long_pair(count: int = 60) -> list[AttentionTrace]:
    """Many tokens, and of the second text one that the first lacks."""
    tokens = tuple(f"w{i}" for i in range(count))
    return [causal_trace(1, 2, words, seed) for seed, words in ((1, tokens), (2, (*tokens[:30], "more", *tokens[30:])))]


def test_all_three_are_zoomed_together_and_show_their_cells(open_panel: Open, watched: Any) -> None:
    left, right = long_pair()
    panel = open_panel(ComparePanel(left, right, query=45, key=40))
    read = panel.locator(".attn-reading")
    expect(read).not_to_contain_text("Rows ")
    panel.locator(".attn-figure").focus()
    for _ in range(3):
        watched.page.keyboard.press("+")
    expect(read).to_contain_text("Rows 32 to 49, columns 28 to 45 of 61 by 61; 0 shows all.")
    # In places without the word that only the second text has, a token later is the same one.
    one = np.insert(np.insert(left.weights(0, 0), 30, 0, 0), 30, 0, 1)[32:50, 28:46]
    other = right.weights(0, 0)[32:50, 28:46]
    places = np.array([(row, column) for row, column in np.argwhere(one > 0) if column != 2])
    for cells, colours, values, low in [
        (sheets(panel)[0], palette("light"), one, 0),
        (sheets(panel)[1], palette("light"), other, 0),
        (sheets(panel)[2], palette("light", "diverging"), other - one, -1),
    ]:
        assert_shows(cells, colours, values, places[::5], low)
    sheets(panel)[2].click(3, 5)
    expect(panel.locator(".attn-say")).to_contain_text("‘w34’ at ‘w32’")
    watched.page.keyboard.press("0")
    expect(read).not_to_contain_text("Rows ")


def test_wheel_and_drag_move_what_is_in_sight(open_panel: Open, watched: Any) -> None:
    panel = open_panel(ComparePanel(*long_pair(), query=10, key=10))
    read, page = panel.locator(".attn-reading"), watched.page
    sheets(panel)[1].hover(20, 20)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    expect(read).to_contain_text("of 61 by 61")
    before = read.inner_text()
    cells = sheets(panel)[2]
    cells.hover(10, 10)
    page.mouse.down()
    box = cells.canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + cells.x + 7.5 * cells.wide, box["y"] + cells.y + 6.5 * cells.high, steps=4)
    page.mouse.up()
    expect(read).not_to_have_text(before)
    rows = [int(re.findall(r"Rows (\d+)", text)[0]) for text in (before, read.inner_text())]
    columns = [int(re.findall(r"columns (\d+)", text)[0]) for text in (before, read.inner_text())]
    assert (rows[1] - rows[0], columns[1] - columns[0]) == (4, 3)
    page.mouse.move(0, 0)
    expect(panel.locator(".attn-say")).to_contain_text("‘w10’ at ‘w10’")  # a drag is no click
