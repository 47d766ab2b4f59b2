"""The exported page from disk in real Chromium: it draws what the trace holds, steps, links, and survives any token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from attn_widgets.panels.colours import palette
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.trace import AttentionTrace, Block, WeightsRecord
from tests.browser.cells import Cells
from tests.panel_traces import WORDS, causal_trace
from tests.test_heads import ablation

Open = Callable[..., Locator]

HOSTILE = (
    "<img src=x onerror=document.title='hacked'>",
    "</script><script>document.title='hacked'</script>",
    "javascript:document.title='hacked'",
    "\x00\x1b[31m",
    "\ud800",
    "\u202eright to left",
    "zero\u200bwidth",
    "👩\u200d👩\u200d👧",
    "\u0301",
    "a\nb",
    "x" * 100_000,
)


@pytest.fixture
def open_panel(watched: Any, tmp_path: Path) -> Open:
    """Export a panel, open the file, and return the panel on the page."""

    def opened(panel: HeadPanel, scheme: str = "light", width: int = 1000) -> Locator:
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


def weights_panel(weights: Sequence[Any], states: Sequence[Any] | None = None) -> HeadPanel:
    """One head of these weights; states 1 masked, 2 not captured."""
    matrix = np.array(weights, np.float32)[None]
    marks = np.zeros(matrix.shape, int) if states is None else np.array(states)[None]
    count = matrix.shape[-1]
    tokens = tuple("abcdefghijklm"[:count])
    record = WeightsRecord(matrix, marks != 1, marks != 2)
    return HeadPanel(AttentionTrace([Block("decoder", 0, tokens[: matrix.shape[1]], tokens, record)]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("count", [3, 10])
def test_the_canvas_shows_the_weights(open_panel: Open, scheme: str, count: int) -> None:
    trace = causal_trace(tokens=WORDS[:count])
    cells = Cells(open_panel(HeadPanel(trace, layer=1, head=2, query=0), scheme))
    weights, visible = trace.weights(1, 2), trace.visible(1, 2)
    colours = palette("dark" if scheme == "dark" else "light").astype(int)
    for row, column in np.argwhere(visible):
        distance = np.abs(colours - cells.pixel(row, column)[:3]).sum(1)
        assert distance.min() == 0
        assert abs(int(distance.argmin()) / 255 - weights[row, column]) <= 1 / 255


def test_masked_zero_nan_and_not_captured_are_drawn_differently(open_panel: Open) -> None:
    weights = [[0.5, 0, 0, 0, np.nan, np.inf, 1e-9], [1, 0, 0, 0, 0, 0, 0]]
    states = [[0, 0, 1, 2, 0, 0, 0], [0] * 7]
    panel = open_panel(weights_panel(weights, states))
    cells = Cells(panel)
    drawn = [tuple(cells.block(0, column)) for column in range(7)]
    assert drawn[4] == drawn[5]
    assert len({drawn[i] for i in (0, 1, 2, 3, 4, 6)}) == 6
    for name in ("masked", "zero", "not a number", "not captured"):
        expect(panel.locator(".attn-legend").get_by_text(name, exact=True)).to_be_visible()


def test_keys_step_and_stop_at_the_ends(open_panel: Open, watched: Any) -> None:
    panel = open_panel(HeadPanel(causal_trace()))
    name = panel.locator(".attn-name")
    panel.locator(".attn-figure").focus()
    for key, shown in [
        ("ArrowRight", "L0H1"), ("ArrowDown", "L1H1"), ("End", "L1H3"), ("ArrowRight", "L1H3"), ("Home", "L1H0"),
        ("ArrowUp", "L0H0"), ("ArrowLeft", "L0H0"),
    ]:  # fmt: skip
        watched.page.keyboard.press(key)
        expect(name).to_have_text(shown)


def test_hover_shows_a_row_click_locks_it_escape_lets_go(open_panel: Open, watched: Any) -> None:
    trace = causal_trace()
    panel = open_panel(HeadPanel(trace, layer=1, head=3))
    cells, said = Cells(panel), panel.locator(".attn-say")
    cells.hover(4, 2)
    expect(said).to_contain_text(f"‘eat’ looks at ‘love’ {trace.weights(1, 3)[4, 2]:.4g}"[:24])
    cells.click(7, 5)
    expect(said).to_contain_text("‘drink’ looks at ‘pizza’ 1.000")
    cells.hover(4, 2)
    expect(panel.get_by_role("heading", name="‘drink’ looks at", exact=True)).to_be_visible()
    watched.page.keyboard.press("Escape")
    expect(panel.get_by_role("heading", name="‘eat’ looks at", exact=True)).to_be_visible()


def test_numbers_of_a_row_are_exact_and_sum_up(open_panel: Open) -> None:
    trace = causal_trace()
    panel = open_panel(HeadPanel(trace, query=3))
    row = trace.weights(0, 0)[3, :4]
    numbers = panel.locator(".attn-ranking").first.locator("li:visible .attn-entry-number").all_inner_texts()
    assert [float(number) for number in numbers] == [float(f"{w:.4g}") for w in sorted(row, reverse=True)]
    expect(panel.get_by_text("row sum 1.000 · 6 masked")).to_be_visible()


def test_a_cell_ranks_all_heads_and_a_head_steps_there(open_panel: Open) -> None:
    trace = causal_trace()
    panel = open_panel(HeadPanel(trace))
    Cells(panel).click(7, 5)
    ranking = panel.locator(".attn-ranking").nth(1)
    expect(ranking).to_contain_text("All heads, ‘drink’ at ‘pizza’")
    names = ranking.locator("li:visible .attn-entry-name").all_inner_texts()
    assert names == [found.name for found in trace.find("drink", "pizza")]
    ranking.get_by_role("button", name="L1H3").click()
    expect(panel.locator(".attn-name")).to_have_text("L1H3")


def test_the_mean_is_the_one_that_python_takes(open_panel: Open) -> None:
    trace = causal_trace()
    panel = open_panel(HeadPanel(trace, layer=1, query=7, key=5))
    panel.get_by_role("button", name="Mean of heads").click()
    expect(panel.locator(".attn-name")).to_have_text("L1 mean")
    expect(panel.locator(".attn-say")).to_contain_text(f"‘pizza’ {trace.mean(1)[7, 5]:.4g}")


def test_a_head_switched_off_shows_both_predictions(open_panel: Open) -> None:
    panel = open_panel(HeadPanel(causal_trace(), ablate=ablation))
    panel.get_by_role("button", name="Switch off L0H0").click()
    expect(panel.locator(".attn-say")).to_contain_text("without L0H0: ‘‹end›’ 1.00 → ‘L0H0’ 0.50 (‘‹end›’ keeps 0.25)")
    panel.locator(".attn-figure").press("ArrowRight")
    expect(panel.locator(".attn-say")).to_contain_text("→ ‘L0H1’")


def test_time_steps_through_the_moments(open_panel: Open) -> None:
    moments = [(1, causal_trace(seed=1)), (500, causal_trace(seed=2))]
    panel = open_panel(HeadPanel(causal_trace(), moments=moments, query=3))
    first = panel.locator(".attn-say").inner_text()
    panel.get_by_role("button", name="previous Step").click()
    expect(panel.locator(".attn-time output")).to_have_text("500")
    expect(panel.locator(".attn-say")).not_to_have_text(first)


def test_play_goes_through_all_heads(open_panel: Open) -> None:
    panel = open_panel(HeadPanel(causal_trace(2, 2)))
    panel.get_by_role("button", name="Play").click()
    for name in ("L0H1", "L1H0", "L1H1", "L0H0"):
        expect(panel.locator(".attn-name")).to_have_text(name)
    panel.get_by_role("button", name="Pause").click()


def test_the_table_holds_every_number(open_panel: Open) -> None:
    trace = causal_trace()
    panel = open_panel(HeadPanel(trace, layer=1, head=3))
    panel.get_by_role("button", name="View as table").click()
    lines = panel.locator("table tbody tr")
    expect(lines).to_have_count(10)
    cells = lines.nth(7).locator("td").all_inner_texts()
    assert [float(cell) for cell in cells[:8]] == [float(f"{w:.4g}") for w in trace.weights(1, 3)[7, :8]]
    assert cells[8:] == ["masked", "masked", "beer 0.80"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_tokens_are_text(open_panel: Open, watched: Any, scheme: str) -> None:
    panel = open_panel(HeadPanel(causal_trace(tokens=HOSTILE), title=HOSTILE[1], query=10), scheme)
    panel.get_by_role("button", name="View as table").click()
    expect(panel.locator("table tbody tr")).to_have_count(len(HOSTILE))
    assert panel.locator("img, a, iframe").count() == 0
    assert "hacked" not in watched.page.title().replace(HOSTILE[1], "")
    expect(panel.locator("table")).to_contain_text("\\u202eright")
    expect(panel.locator("table")).to_contain_text("zero\\u200bwidth")
    box = panel.bounding_box()
    assert box is not None
    assert box["width"] <= 1000


@pytest.mark.parametrize("width", [420, 1000])
def test_512_tokens_fit_the_page(open_panel: Open, watched: Any, width: int) -> None:
    trace = causal_trace(1, 1, tuple(f"t{i}" for i in range(512)))
    panel = open_panel(HeadPanel(trace, query=500), width=width)
    Cells(panel).click(400, 100)
    expect(panel.locator(".attn-say")).to_contain_text("looks at")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    panel.get_by_role("button", name="View as table").click()
    expect(panel.locator("table tbody tr")).to_have_count(512)


@pytest.mark.parametrize("weights", [[[1.0]], [[np.nan]], [[0.2, 0.3], [4.0, -1.0]]])
def test_small_and_odd_matrices_are_shown(open_panel: Open, weights: list[list[float]]) -> None:
    panel = open_panel(weights_panel(weights))
    expect(panel.locator(".attn-say")).to_contain_text("looks at")


def test_no_request_leaves_the_page(open_panel: Open, watched: Any) -> None:
    open_panel(HeadPanel(causal_trace()))
    blocked = watched.page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'blocked')")
    assert blocked == "blocked"
    assert any("Content Security Policy" in error for error in watched.errors)
    watched.errors.clear()
