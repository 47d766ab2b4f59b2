"""4,096 tokens in real JupyterLab: drawn, stepped, read and zoomed exactly; and all heads, a layer at a time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from attn_widgets.trace import AttentionTrace
from tests.browser.live import execute, notebook, until_printed
from tests.browser.long_traces import long_trace
from tests.browser.notebooks import run_new_cell
from tests.browser.pixels import MASKED, compare, shown

TOKENS, LAYERS, HEADS = 4096, 6, 2
FIRST = f"""
from attn_widgets import AttentionTrace, Explorer, HeadPanel
from tests.browser.late_panels import Post
from tests.browser.long_traces import long_trace
trace = long_trace({TOKENS}, {LAYERS}, {HEADS})
"""
COUNT = re.compile(r"^(?:layer (\d)|stopped, (\d)) of 6")
REMEMBER = """(node) => {
    window.counts = [node.textContent];
    const observer = new MutationObserver(() => window.counts.push(node.textContent));
    observer.observe(node, {childList: true, characterData: true});
}"""
QUICK = 6.0
"""Seconds for a step while thumbnails are computed: the piece under way, then the head; about one if it is quiet."""


@pytest.fixture(scope="module")
def opened(lab: Any, browser: Any, watch: Any) -> Iterator[Any]:
    with notebook(lab, browser, watch, "long", FIRST) as watched:
        yield watched


@pytest.fixture(scope="module")
def trace() -> AttentionTrace:
    return long_trace(TOKENS, LAYERS, HEADS)


@pytest.fixture(scope="module")
def panel(opened: Any) -> Locator:
    output = run_new_cell(opened.page, "panel = HeadPanel(AttentionTrace(trace.blocks[:2]))\npanel")
    found = output.locator("section.attn").first
    found.scroll_into_view_if_needed()
    expect(found.locator(".attn-say")).to_contain_text("looks at", timeout=20_000)
    return found


def shares(trace: AttentionTrace, layer: int, head: int) -> np.ndarray:
    """Where the weights of a head stand on the scale of logarithms, on which they are spread."""
    with np.errstate(divide="ignore"):
        seen = 1 - np.log(trace.weights(layer, head)) / np.log(1e-4)
    return np.where(np.tri(TOKENS, dtype=bool), np.clip(seen, 0, 1), MASKED)


def test_it_is_drawn_and_says_that_it_is_reduced(panel: Locator) -> None:
    part = shown(panel, TOKENS)
    assert (part.rows, part.columns) == (TOKENS, TOKENS)
    assert part.step in (4, 8)
    expect(panel.locator(".attn-reading")).to_contain_text(f"the maximum of {part.step}×{part.step} cells")


def test_keys_step_through_the_heads_and_a_row_is_exact(panel: Locator, opened: Any, trace: AttentionTrace) -> None:
    execute(opened.page, "panel.query = 3000")
    for key, name, at in (("ArrowRight", "L0H1", (0, 1)), ("ArrowDown", "L1H1", (1, 1)), ("Home", "L1H0", (1, 0))):
        panel.locator(".attn-figure").press(key)
        expect(panel.locator(".attn-name")).to_have_text(name)
        row = trace.weights(*at, 3000)[0]
        best = np.argsort(-row, kind="stable")[:5]
        words = panel.locator(".attn-say")
        expect(words).to_contain_text(f"‘t3000’ looks at ‘t{best[0]}’ {row[best[0]]:.4g}", timeout=15_000)
        ranking = panel.locator(".attn-ranking").first.locator("li:visible")
        shown_keys = ranking.locator(".attn-entry-name").all_inner_texts()[:5]
        numbers = ranking.locator(".attn-entry-number").all_inner_texts()[:5]
        assert shown_keys == [f"t{key}" for key in best]
        assert [float(number) for number in numbers] == [float(f"{row[key]:.4g}") for key in best]
        expect(panel.get_by_text("row sum 1.000 · 1095 masked")).to_be_visible()


def test_zooming_fetches_exact_tiles(panel: Locator, opened: Any, trace: AttentionTrace) -> None:
    execute(opened.page, "panel.layer, panel.head, panel.query, panel.locked, panel.value = 1, 0, None, False, 'log'")
    expect(panel.locator(".attn-reading")).to_contain_text("natural logarithms")
    expected = shares(trace, 1, 0)
    seen = [compare(panel, expected)]
    while seen[-1].step > 1:
        words = panel.locator(".attn-reading")
        before = words.inner_text()
        panel.locator(".attn-figure").press("+")
        expect(words).not_to_have_text(before)
        if shown(panel, TOKENS).step != seen[-1].step:
            seen.append(compare(panel, expected))
    assert [part.step for part in seen[-3:]] == [4, 2, 1]
    panel.locator(".attn-figure").press("ArrowRight")
    expect(panel.locator(".attn-name")).to_have_text("L1H1")
    assert compare(panel, shares(trace, 1, 1)) == seen[-1]


@pytest.fixture(scope="module")
def explorer(opened: Any) -> Locator:
    return run_new_cell(opened.page, "explorer = Explorer(trace)\nexplorer").locator(".attn-explorer")


def test_thumbnails_come_a_layer_at_a_time_and_a_step_is_not_kept_waiting(explorer: Locator, opened: Any) -> None:
    head = explorer.locator("section.attn").first
    head.scroll_into_view_if_needed()
    expect(head.locator(".attn-say")).to_contain_text("looks at", timeout=20_000)
    count = explorer.locator(".attn-grid-count")
    expect(count).to_have_text(COUNT)
    count.evaluate(REMEMBER)
    first = layers_done(count.inner_text())
    for key, name in (("End", "L0H1"), ("ArrowDown", "L1H1")):
        begun = time.monotonic()
        head.locator(".attn-figure").press(key)
        expect(head.locator(".attn-name")).to_have_text(name)
        expect(head.locator(".attn-say")).to_contain_text("looks at", timeout=20_000)
        shown(head, TOKENS)
        assert time.monotonic() - begun < QUICK
    assert layers_done(count.inner_text()) < LAYERS - 1, "the steps came while there was more to compute"
    expect(explorer.locator(".attn-grid-progress")).to_be_hidden(timeout=60_000)
    seen = [layers_done(words) for words in opened.page.evaluate("window.counts")]
    assert seen == sorted(seen)
    assert set(seen) == set(range(first, LAYERS))


def layers_done(words: str) -> int:
    found = COUNT.match(words)
    assert found, words
    return int(found[1]) - 1 if found[1] else int(found[2])


def test_thumbnails_can_be_stopped_and_go_on(opened: Any) -> None:
    again = run_new_cell(opened.page, "again = Explorer(trace)\npost = Post(again)\nagain").locator(".attn-explorer")
    count, progress = again.locator(".attn-grid-count"), again.locator(".attn-grid-progress")
    again.locator("section.attn").nth(1).scroll_into_view_if_needed()
    expect(count).to_have_text(re.compile("^layer [23] of 6"), timeout=20_000)
    again.get_by_role("button", name="Stop").click()
    expect(count).to_have_text(re.compile("^stopped, [123] of 6 layers"))
    until_printed(opened.page, "print(post.settled)", "True")  # what was under way has come
    state = "print(len(again._overview.ready()[0]), len(post.asked), post.settled)"
    before = execute(opened.page, state)
    done = int(before.split()[0])
    expect(count).to_have_text(f"stopped, {done} of 6 layers")
    assert done < LAYERS
    assert before.endswith("True"), "more was asked for"
    assert [execute(opened.page, state) for _ in range(5)] == [before] * 5
    again.get_by_role("button", name="Continue").click()
    expect(progress).to_be_hidden(timeout=60_000)
    until_printed(opened.page, "print(len(again._overview.ready()[0]), post.settled)", "6 True")


def test_nothing_went_wrong(opened: Any) -> None:
    assert opened.errors == []
    assert opened.refused == []
