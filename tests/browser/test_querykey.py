"""The exported query and key panel from disk in real Chromium: its numbers add up, its colours are the trace's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, expect

from attn_widgets.panels.colours import palette
from attn_widgets.panels.querykey import QueryKeyPanel
from attn_widgets.trace import AttentionTrace, Block, DotProductRecord
from tests.browser.cells import READ_PIXEL, Cells
from tests.browser.pages import Open
from tests.browser.test_export_page import HOSTILE
from tests.panel_traces import WORDS, causal_trace
from tests.vector_traces import additive_trace, dot_trace, stacked_trace

EDGE = 0.1
"""Share of a cell at which its colour is read: its number stands in the middle."""


class Bars(Cells):
    """The cells of the row beneath the vectors."""

    def __init__(self, panel: Locator) -> None:
        self.canvas = panel.locator("canvas").nth(1)
        self.x, self.y, self.wide, self.high = map(float, (self.canvas.get_attribute("data-cells") or "").split())


def step(panel: Locator, name: str) -> float:
    """The exact number of a step, as its title tells it."""
    return float(panel.locator(f"li[data-step^='{name}']").get_attribute("title") or "nan")


def read(cells: Cells, lane: int, column: int, colours: np.ndarray) -> float:
    """The value, 0 to 1, whose colour a cell has."""
    place = {"x": cells.x + (column + EDGE) * cells.wide, "y": cells.y + lane * cells.high + 4}
    pixel = cells.canvas.evaluate(READ_PIXEL, place)
    distance = np.abs(colours.astype(int) - pixel[:3]).sum(1)
    assert distance.min() == 0
    return int(distance.argmin()) / 255


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("dim", "width"), [(8, 1000), (16, 1000), (64, 1200)])
def test_the_canvas_shows_the_vectors_and_the_row(open_panel: Open, scheme: str, dim: int, width: int) -> None:
    trace = dot_trace(dim=dim)
    panel = open_panel(QueryKeyPanel(trace, layer=1, head=3, query=7, key=5), scheme, width)
    record = trace.blocks[1].record
    assert isinstance(record, DotProductRecord)
    q, k = record.query[3, 7], record.key[1, 5]
    signed, plain = palette(scheme, "diverging"), palette(scheme)  # type: ignore[arg-type]
    cells = Cells(panel)
    for lane, vector in enumerate((q, k, q * k)):
        for i, value in enumerate(vector / np.abs(vector).max()):
            assert abs(read(cells, lane, i, signed) - (value + 1) / 2) <= 1 / 255
    bars, scores, weights = Bars(panel), record.scores(3, 7)[0, :8], record.weights(3, 7)[0, :8]
    for key in range(8):
        assert abs(read(bars, 0, key, signed) - (scores[key] / np.abs(scores).max() + 1) / 2) <= 1 / 255
        assert abs(read(bars, 1, key, plain) - weights[key]) <= 1 / 255


@pytest.mark.parametrize("place", [(0, 0, 9, 3), (1, 3, 7, 5), (1, 2, 0, 0)])
def test_the_numbers_add_up_to_what_torch_computes(open_panel: Open, place: tuple[int, int, int, int]) -> None:
    layer, head, query, key = place
    trace = dot_trace()
    record = trace.blocks[layer].record
    assert isinstance(record, DotProductRecord)
    q, k = torch.from_numpy(record.query[head, query]), torch.from_numpy(record.key[head // 2])
    panel = open_panel(QueryKeyPanel(trace, layer=layer, head=head, query=query, key=key))
    assert abs(step(panel, "sum") - float(q @ k[key])) <= 1e-5
    assert abs(step(panel, "sum") * step(panel, "scale") - step(panel, "score")) <= 1e-5
    assert abs(step(panel, "score") - float(q @ k[key]) * 0.25) <= 1e-5
    exact = (k[: query + 1] @ q * 0.25).softmax(0)[key]
    assert abs(step(panel, "weight") - float(exact)) <= 1e-6
    expect(panel.locator("li[data-step='weight'] b")).to_have_text(f"{trace.weights(layer, head)[query, key]:#.4g}")


def test_additive_scores_add_up_too(open_panel: Open) -> None:
    trace = additive_trace()
    panel = open_panel(QueryKeyPanel(trace, head=1, query=6, key=2))
    score = trace.scores(0, 1)[6, 2]  # type: ignore[index]
    assert abs(step(panel, "sum") - score) <= 1e-5
    assert abs(step(panel, "weight") - trace.weights(0, 1)[6, 2]) <= 1e-6
    expect(panel.locator("li[data-step='scale']")).to_have_count(0)


def test_keys_step_heads_layers_rows_and_keys(open_panel: Open, watched: Any) -> None:
    trace = dot_trace()
    panel = open_panel(QueryKeyPanel(trace, query=7, key=5))
    name, said = panel.locator(".attn-name"), panel.locator(".attn-say")
    panel.locator(".attn-figure").focus()
    for key, shown in [
        ("ArrowRight", "L0H1"),
        ("ArrowDown", "L1H1"),
        ("End", "L1H3"),
        ("Home", "L1H0"),
        ("ArrowUp", "L0H0"),
    ]:
        watched.page.keyboard.press(key)
        expect(name).to_have_text(shown)
    for key, shown in [
        ("Shift+ArrowRight", "‘drink’ looks at ‘and’"), ("Shift+ArrowLeft", "‘drink’ looks at ‘pizza’"),
        ("Shift+ArrowUp", "‘and’ looks at ‘pizza’"), ("Shift+ArrowDown", "‘drink’ looks at ‘pizza’"),
        ("PageUp", "‘‹start›’ cannot see ‘pizza’ (masked)"), ("PageDown", "‘.’ looks at ‘pizza’"),
    ]:  # fmt: skip
        watched.page.keyboard.press(key)
        expect(said).to_contain_text(shown)
    watched.page.keyboard.press("Escape")
    strongest = WORDS[int(trace.weights(0, 0)[9].argmax())]
    expect(said).to_contain_text(f"‘.’ looks at ‘{strongest}’")


def test_a_click_chooses_a_key_and_sorting_keeps_it(open_panel: Open, watched: Any) -> None:
    trace = dot_trace()
    panel = open_panel(QueryKeyPanel(trace, layer=1, head=3, query=7, key=5))
    said = panel.locator(".attn-say")
    Bars(panel).click(0, 2)
    expect(said).to_have_text(f"‘drink’ looks at ‘love’ {trace.weights(1, 3)[7, 2]:#.4g}")
    panel.get_by_role("button", name="Sort by weight").click()
    expect(said).to_contain_text("‘love’")
    order = np.argsort(-trace.weights(1, 3)[7, :8])
    Bars(panel).click(0, 0)
    expect(said).to_contain_text(f"‘{WORDS[order[0]]}’")
    watched.page.keyboard.press("Shift+ArrowRight")
    expect(said).to_contain_text(f"‘{WORDS[order[1]]}’")


def test_hovering_tells_exact_numbers(open_panel: Open) -> None:
    trace = dot_trace()
    record = trace.blocks[0].record
    assert isinstance(record, DotProductRecord)
    panel = open_panel(QueryKeyPanel(trace, query=7, key=5))
    Cells(panel).hover(0, 3)
    q, k = float(record.query[0, 7, 3]), float(record.key[0, 5, 3])
    expect(panel.locator(".attn-tip")).to_have_text(
        f"dimension 3: {q:#.4g} × {k:#.4g} = {q * k:#.4g}".replace("-", "−")
    )
    Bars(panel).hover(0, 9)
    expect(panel.locator(".attn-tip")).to_have_text("‘.’: masked")


@pytest.mark.parametrize(
    ("trace", "query", "key", "reason"),
    [
        (causal_trace(), 7, 5, "No vectors: of this layer only weights were kept"),
        (stacked_trace(), 5, 1, "No key vector: this token had left the model's window"),
        (stacked_trace(), 8, 1, "Nothing of this row was captured."),
    ],
)
def test_what_is_missing_is_said(open_panel: Open, trace: AttentionTrace, query: int, key: int, reason: str) -> None:
    panel = open_panel(QueryKeyPanel(trace, query=query, key=key))
    expect(panel.locator(".attn-figure .attn-note")).to_contain_text(reason)


def test_the_table_holds_every_number(open_panel: Open) -> None:
    trace = dot_trace()
    panel = open_panel(QueryKeyPanel(trace, layer=1, head=3, query=7, key=5))
    panel.get_by_role("button", name="View as table").click()
    tables = panel.locator("table")
    expect(tables.nth(0).locator("tbody tr")).to_have_count(16)
    cells = tables.nth(1).locator("tbody tr").nth(5).locator("td").all_inner_texts()
    assert cells == ["5", f"{trace.scores(1, 3)[7, 5]:#.4g}", f"{trace.weights(1, 3)[7, 5]:#.4g}"]  # type: ignore[index]
    assert tables.nth(1).locator("tbody tr").nth(9).locator("td").all_inner_texts() == ["9", "−∞", "masked"]


def test_the_table_has_the_order_on_show(open_panel: Open) -> None:
    panel = open_panel(QueryKeyPanel(dot_trace(), layer=1, head=3, query=7, key=5))
    panel.get_by_role("button", name="View as table").click()
    keys = panel.locator("table").nth(1).locator("tbody td:nth-of-type(1)")
    assert keys.all_inner_texts()[:8] == [str(key) for key in range(8)]
    panel.get_by_role("button", name="Sort by weight").click()
    weights = dot_trace().blocks[1].record.weights(3, 7)[0]
    expect(keys.first).to_have_text(str(int(weights.argmax())))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_tokens_are_text(open_panel: Open, watched: Any, scheme: str) -> None:
    panel = open_panel(QueryKeyPanel(dot_trace(tokens=HOSTILE), title=HOSTILE[1], query=10, key=0), scheme)
    panel.get_by_role("button", name="View as table").click()
    assert panel.locator("img, a, iframe").count() == 0
    assert "hacked" not in watched.page.title().replace(HOSTILE[1], "")
    expect(panel.locator("table").nth(1)).to_contain_text("\\u202eright")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 1000


@pytest.mark.parametrize("width", [420, 1000])
def test_4096_keys_fit_the_page(open_panel: Open, watched: Any, width: int) -> None:
    tokens = tuple(f"t{i}" for i in range(4096))
    panel = open_panel(QueryKeyPanel(dot_trace(tokens=tokens, layers=1, heads=2, dim=64), query=4000), width=width)
    expect(panel.locator(".attn-say")).to_contain_text("‘t4000’ looks at")
    Bars(panel).click(0, 20)
    expect(panel.locator(".attn-say")).to_contain_text("looks at")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("weights", [[[1.0]], [[np.nan]], [[0.2, 0.3], [4.0, -1.0]], [[np.inf, 0.0]]])
def test_small_and_odd_rows_are_shown(open_panel: Open, weights: list[list[float]]) -> None:
    panel = open_panel(QueryKeyPanel(np.array(weights)))
    expect(panel.locator(".attn-say")).to_contain_text("looks at")


def test_nan_and_a_row_that_sees_nothing_are_named(open_panel: Open) -> None:
    record = dot_trace(layers=1).blocks[0].record
    assert isinstance(record, DotProductRecord)
    record.key[0, 2, 1] = np.nan
    stop = np.where(np.arange(10) == 4, 0, record.stop)
    odd = DotProductRecord(record.query, record.key, 0.25, record.start, stop)
    trace = AttentionTrace([Block("decoder", 0, WORDS, WORDS, odd)])
    panel = open_panel(QueryKeyPanel(trace, query=5, key=2))
    expect(panel.locator("li[data-step='weight'] b")).to_have_text("NaN")
    panel.get_by_role("button", name="previous Row").click()
    expect(panel.locator(".attn-say")).to_have_text("‘eat’ sees nothing")
