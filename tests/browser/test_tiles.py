"""Every pixel of a matrix that comes in tiles, at several zoom levels, beside the trace's weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.live import execute, notebook
from tests.browser.notebooks import run_new_cell
from tests.browser.pixels import LEFT_OUT, MASKED, compare, shown, sparse_weights

FIRST = """
import numpy as np
from attn_widgets import AttentionTrace, HeadPanel
from tests.browser.pixels import sparse_weights
def show(tokens, heads=2):
    global panel
    weights = sparse_weights(heads, tokens)
    mask = np.tril(np.ones((tokens, tokens), bool))
    trace = AttentionTrace.from_arrays(weights, tokens=tuple(f"t{i}" for i in range(tokens)), mask=mask)
    panel = HeadPanel(trace)
    return panel
"""


@pytest.fixture(scope="module")
def opened(lab: Any, browser: Any, watch: Any) -> Iterator[Any]:
    with notebook(lab, browser, watch, "tiles", FIRST, width=1000) as watched:
        yield watched


def show(opened: Any, tokens: int, heads: int = 2) -> Locator:
    panel = run_new_cell(opened.page, f"show({tokens}, {heads})").locator("section.attn").first
    panel.scroll_into_view_if_needed()
    expect(panel.locator(".attn-name")).to_have_text("L0H0")
    return panel


def weights_of(tokens: int, heads: int = 2) -> np.ndarray:
    return sparse_weights(heads, tokens)[0, 0]


def shares(weights: np.ndarray, value: str = "weight", threshold: float = 0.0) -> np.ndarray:
    """Where each cell stands on the colour scale."""
    seen = weights
    if value == "log":
        with np.errstate(divide="ignore"):
            seen = 1 - np.log(weights) / np.log(1e-4)
    seen = np.where(weights < threshold, LEFT_OUT, np.clip(seen, 0, 1))
    return np.where(np.tri(len(weights), dtype=bool), seen, MASKED)


def press(panel: Locator, key: str) -> None:
    """Press a key that changes what is in sight, and wait until it has."""
    words = panel.locator(".attn-reading")
    before = words.inner_text()
    panel.locator(".attn-figure").press(key)
    expect(words).not_to_have_text(before)


EXACT = re.compile(r"‘t(\d+)’ looks at ‘t(\d+)’ (\d[\d.e-]*)$")


class Pointer:
    """The mouse over a matrix, at cells of the whole of it."""

    def __init__(self, panel: Locator) -> None:
        canvas = panel.locator("canvas").first
        expect(canvas).to_have_attribute("data-cells", re.compile(r"\d"))
        self._x, self._y, self._wide, self._high = map(float, (canvas.get_attribute("data-cells") or "").split())
        box = canvas.bounding_box()
        assert box
        self._box, self._mouse = box, panel.page.mouse

    def move(self, row: int, column: int) -> None:
        left, top = self._box["x"] + self._x, self._box["y"] + self._y
        self._mouse.move(left + (column + 0.5) * self._wide, top + (row + 0.5) * self._high)

    def leave(self) -> None:
        self._mouse.move(self._box["x"] + 5, self._box["y"] + 5)


@pytest.mark.parametrize(("tokens", "steps"), [(750, {2, 1}), (2100, {8, 4, 2, 1})])
@pytest.mark.parametrize("how", ["weight", "threshold", "log"])
def test_pixels_are_the_maxima_at_every_zoom(opened: Any, tokens: int, steps: set[int], how: str) -> None:
    panel = show(opened, tokens)
    expected = shares(weights_of(tokens))
    if how != "weight":
        whole = shown(panel, tokens)
        execute(opened.page, "panel.value = 'log'" if how == "log" else "panel.threshold = 0.6")
        expected = shares(weights_of(tokens), how, 0.6 if how == "threshold" else 0.0)
        says = "natural logarithms" if how == "log" else "under 0.6 are left out"
        expect(panel.locator(".attn-reading")).to_contain_text(says)
        assert shown(panel, tokens) == whole
    seen = [compare(panel, expected)]
    while seen[-1].step > 1:
        press(panel, "+")
        seen.append(compare(panel, expected))
        assert seen[-1].rows == round(seen[-2].rows / 1.5)
    press(panel, "-")
    seen.append(compare(panel, expected))
    if seen[-1] != seen[0]:
        press(panel, "0")
    assert compare(panel, expected) == seen[0]
    assert {part.step for part in seen} == steps


def test_the_wheel_zooms_about_the_pointer(opened: Any) -> None:
    tokens = 2100
    panel, weights = show(opened, tokens), weights_of(tokens)
    at, whole = Pointer(panel), compare(panel, shares(weights))
    said, words = panel.locator(".attn-say"), panel.locator(".attn-reading")
    seen = []
    for turn in (-100, -100, -100, -100, -100, 100, 100):
        at.move(1500, 600)
        before = words.inner_text()
        opened.page.keyboard.down("Control")
        opened.page.mouse.wheel(0, turn)
        opened.page.keyboard.up("Control")
        expect(words).not_to_have_text(before)
        expect(said).to_have_text(EXACT)
        row, column, weight = EXACT.search(said.inner_text()).groups()  # type: ignore[union-attr]
        assert abs(int(row) - 1500) <= 8
        assert abs(int(column) - 600) <= 8
        assert float(weight) == float(f"{weights[int(row), int(column)]:.4g}")
        at.leave()  # the row under the pointer is framed
        seen.append(compare(panel, shares(weights)))
    assert whole.rows > seen[0].rows > seen[4].rows < seen[6].rows
    assert {part.step for part in [whole, *seen]} == {8, 4, 2}


def test_the_tip_says_the_number_once_it_comes(opened: Any) -> None:
    """The pointer rests on a row that the kernel is still asked for."""
    panel, weights = show(opened, 750), weights_of(750)
    compare(panel, shares(weights))
    Pointer(panel).move(600, 300)
    expect(panel.locator(".attn-say")).to_have_text(EXACT)
    tip = panel.locator(".attn-tip")
    expect(tip).to_have_text(re.compile(r"^t\d+ → t\d+\s+[\d.e-]+$"))
    row, column, weight = re.findall(r"[\d.e-]+", tip.inner_text().replace("t", ""))
    assert float(weight) == float(f"{weights[int(row), int(column)]:.4g}")


def test_a_head_that_was_sent_whole_is_reduced_like_any_other(opened: Any) -> None:
    """Its cells are narrower than a pixel: none may be skipped without a word."""
    panel = show(opened, 700, heads=1)
    expect(panel.locator(".attn-reading")).to_contain_text("maximum of 2×2 cells")
    assert compare(panel, shares(weights_of(700, heads=1))).step == 2


def test_nothing_went_wrong(opened: Any) -> None:
    assert opened.errors == []
    assert opened.refused == []
