"""The exported flow panel from disk in real Chromium: its cells are the shares, it steps, marks and follows tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from attn_widgets.panels.colours import palette
from attn_widgets.panels.flow import FlowPanel
from attn_widgets.trace.mixing import Mixing
from attn_widgets.trace.rollout import flow
from tests.browser.cells import READ_PIXEL, Cells
from tests.browser.pages import Open
from tests.browser.test_export_page import HOSTILE
from tests.panel_traces import WORDS, causal_trace
from tests.test_rollout import of_kinds

NODE = 14
"""Width of a column of tokens."""


def node(cells: Cells, token: int, column: int, share: float = 0.3) -> dict[str, float]:
    """A point in a token's cell of a column."""
    return {"x": cells.x + column * cells.wide + share * NODE, "y": cells.y + (token + share) * cells.high}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("count", "width"), [(3, 1000), (10, 1000), (10, 500), (40, 1000)])
def test_the_cells_show_the_shares(open_panel: Open, scheme: str, count: int, width: int) -> None:
    trace = causal_trace(3, 4, tuple(f"t{i}" for i in range(count)))
    cells = Cells(open_panel(FlowPanel(trace, query=count - 1), scheme, width))
    shares = flow(trace, count - 1, 0).shares
    colours = palette(scheme).astype(int)  # type: ignore[arg-type]
    for column, token in np.ndindex(3, count):
        pixel = cells.canvas.evaluate(READ_PIXEL, node(cells, token, column))
        distance = np.abs(colours - pixel[:3]).sum(1)
        assert distance.min() == 0
        levels = np.flatnonzero(distance == 0)  # neighbours may round to the same colour
        assert np.abs(levels / 255 - shares[column, token]).min() <= 1 / 255


def test_keys_step_layers_tokens_and_marks(open_panel: Open, watched: Any) -> None:
    panel = open_panel(FlowPanel(causal_trace(3, 4)))
    name, said = panel.locator(".attn-name"), panel.locator(".attn-say")
    panel.locator(".attn-figure").focus()
    for key, shown in [
        ("ArrowRight", "L1"),
        ("ArrowDown", "L2"),
        ("ArrowDown", "L2"),
        ("ArrowUp", "L1"),
        ("Home", "L0"),
        ("End", "L2"),
    ]:
        watched.page.keyboard.press(key)
        expect(name).to_have_text(shown)
    watched.page.keyboard.press("Shift+ArrowUp")
    expect(said).to_contain_text("‘beer’ draws on")
    watched.page.keyboard.press("Shift+ArrowRight")
    first = said.inner_text()
    watched.page.keyboard.press("Shift+ArrowLeft")
    expect(said).not_to_have_text(first)
    watched.page.keyboard.press("Escape")
    expect(said).to_contain_text("‘.’ draws on")


def test_with_one_head_the_arrows_step_heads(open_panel: Open, watched: Any) -> None:
    trace = causal_trace(3, 4)
    panel = open_panel(FlowPanel(trace, layer=1, query=7))
    panel.get_by_role("button", name="One head").click()
    panel.locator(".attn-figure").focus()
    watched.page.keyboard.press("ArrowRight")
    expect(panel.locator(".attn-name")).to_have_text("L1H1")
    shares = flow(trace, 7, 0, Mixing("rollout", "head", 1)).shares[1]
    expect(panel.locator(".attn-say")).to_have_text(
        f"‘drink’ draws on ‘{WORDS[int(shares.argmax())]}’ {shares.max():#.4g} at the input of L1"
    )


@pytest.mark.parametrize(("method", "heads"), [("Raw", "Mean of heads"), ("Raw", "Maximum"), ("Rollout", "Maximum")])
def test_methods_are_those_of_python(open_panel: Open, method: str, heads: str) -> None:
    trace = causal_trace(3, 4)
    panel = open_panel(FlowPanel(trace, query=7))
    panel.get_by_role("button", name=method, exact=True).click()
    panel.get_by_role("button", name=heads, exact=True).click()
    way = Mixing(method.lower(), "mean" if heads.startswith("Mean") else "max")  # type: ignore[arg-type]
    shares = flow(trace, 7, 0, way).shares[0]
    numbers = panel.locator(".attn-ranking li:visible .attn-entry-number").all_inner_texts()
    assert [float(number) for number in numbers] == pytest.approx(sorted(shares[shares > 0], reverse=True), rel=1e-3)
    expect(panel.get_by_text("sum 1.000")).to_be_visible()


def test_a_click_follows_marks_and_steps(open_panel: Open) -> None:
    panel = open_panel(FlowPanel(causal_trace(3, 4)))
    cells, said = Cells(panel), panel.locator(".attn-say")
    cells.canvas.click(position=node(cells, 7, 3))
    expect(said).to_contain_text("‘drink’ draws on")
    cells.canvas.click(position=node(cells, 2, 1))
    expect(said).to_contain_text("‘drink’ draws on ‘love’")
    expect(panel.locator(".attn-name")).to_have_text("L1")
    panel.locator(".attn-ranking button").first.click()
    expect(panel.locator(".attn-ranking button").first).to_have_attribute("aria-current", "true")


def test_hovering_names_token_layer_and_share(open_panel: Open) -> None:
    trace = causal_trace(3, 4)
    panel = open_panel(FlowPanel(trace, query=9))
    path, cells = flow(trace, 9, 0), Cells(panel)
    cells.canvas.hover(position=node(cells, 4, 1))
    tip = panel.locator(".attn-tip")
    expect(tip).to_have_text(f"‘eat’ at the input of L1: share {path.shares[1, 4]:#.4g}")
    # The line of the token to itself is straight.
    own = path.edges[2].shares[(path.edges[2].queries == 9) & (path.edges[2].keys == 9)][0]
    middle = {"x": cells.x + 2.5 * cells.wide + NODE / 2, "y": cells.y + 9.5 * cells.high}
    cells.canvas.hover(position=middle)
    expect(tip).to_have_text(f"L2: ‘.’ → ‘.’, share {own:#.4g}")


def test_fewer_lines_leave_ink_out(open_panel: Open) -> None:
    panel = open_panel(FlowPanel(causal_trace(3, 4), edges=2))
    count = """canvas => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((_, i) => i % 4 === 3 && data[i] > 0).length;
    }"""
    few = panel.locator("canvas").first.evaluate(count)
    for _ in range(6):
        panel.get_by_role("button", name="next Lines").click()
    expect(panel.locator("output", has_text="8").first).to_be_visible()
    assert panel.locator("canvas").first.evaluate(count) > few


def test_cross_attention_is_refused_in_one_line_and_the_encoder_followed(open_panel: Open) -> None:
    panel = open_panel(FlowPanel(of_kinds("encoder", "decoder", "cross"), layer=1))
    expect(panel.locator(".attn-say")).to_contain_text("draws on")
    panel.get_by_role("button", name="next Layer").click()
    expect(panel.locator(".attn-figure .attn-note")).to_contain_text("layer 2 is cross-attention")
    expect(panel.locator("canvas")).to_be_hidden()
    panel.get_by_role("button", name="previous Layer").click()
    expect(panel.locator("canvas")).to_be_visible()


def test_play_goes_down_the_layers(open_panel: Open) -> None:
    panel = open_panel(FlowPanel(causal_trace(3, 2), layer=2))
    panel.get_by_role("button", name="Play").click()
    for name in ("L1", "L0", "L2"):
        expect(panel.locator(".attn-name")).to_have_text(name)
    panel.get_by_role("button", name="Pause").click()


def test_the_table_holds_every_share(open_panel: Open) -> None:
    trace = causal_trace(3, 4)
    panel = open_panel(FlowPanel(trace, query=7))
    panel.get_by_role("button", name="View as table").click()
    lines = panel.locator("table tbody tr")
    expect(lines).to_have_count(10)
    shares = flow(trace, 7, 0).shares[:, 5]
    cells = lines.nth(5).locator("td").all_inner_texts()
    assert [float(cell) for cell in cells] == pytest.approx(shares, rel=1e-3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_tokens_are_text(open_panel: Open, watched: Any, scheme: str) -> None:
    panel = open_panel(FlowPanel(causal_trace(tokens=HOSTILE), title=HOSTILE[1], query=10), scheme)
    panel.get_by_role("button", name="View as table").click()
    assert panel.locator("img, a, iframe").count() == 0
    assert "hacked" not in watched.page.title().replace(HOSTILE[1], "")
    expect(panel.locator("table")).to_contain_text("\\u202eright")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 1000


@pytest.mark.parametrize("width", [420, 1000])
def test_512_tokens_fit_the_page(open_panel: Open, watched: Any, width: int) -> None:
    trace = causal_trace(2, 2, tuple(f"t{i}" for i in range(512)))
    panel = open_panel(FlowPanel(trace, query=500), width=width)
    expect(panel.locator(".attn-say")).to_contain_text("‘t500’ draws on")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    expect(panel.locator("canvas")).to_be_visible()
    expect(panel.locator(".attn-note", has_text="paths")).to_contain_text("This page of at most 8 MB holds")


@pytest.mark.parametrize("weights", [[[1.0]], [[np.nan]], [[0.2, 0.3], [4.0, -1.0]], [[np.inf, 0.0], [1, 0]]])
def test_small_and_odd_matrices_are_shown(open_panel: Open, weights: list[list[float]]) -> None:
    panel = open_panel(FlowPanel(np.array(weights)))
    expect(panel.locator(".attn-say")).to_contain_text("draws on")
