"""Answers of a real kernel that come late, out of order, with an error or to nobody: the page shows where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.late_panels import LONG
from tests.browser.live import execute, notebook, until_printed
from tests.browser.notebooks import run_new_cell
from tests.panel_traces import causal_trace

FIRST = "from tests.browser.late_panels import Switch, make"
REMEMBER = """(node) => {
    window.said = [];
    const observer = new MutationObserver(() => window.said.push(node.textContent));
    observer.observe(node, {childList: true, characterData: true});
}"""


@pytest.fixture(scope="module")
def notebook_page(lab: Any, browser: Any, watch: Any) -> Iterator[Any]:
    with notebook(lab, browser, watch, "late", FIRST) as watched:
        yield watched


@pytest.fixture
def page(notebook_page: Any) -> Iterator[Page]:
    """The notebook's page; after each test its kernel has answered every request once, and nothing went wrong."""
    yield notebook_page.page
    until_printed(notebook_page.page, "print(post.settled)", "True")
    assert notebook_page.errors == []
    assert notebook_page.refused == []


def show(page: Page, made: str) -> Locator:
    source = f"panel, post = make({made})\npanel"
    panel = run_new_cell(page, source).locator("section.attn").first
    panel.scroll_into_view_if_needed()
    expect(panel.locator(".attn-say")).to_contain_text("looks at")
    return panel


def switch_off(panel: Locator, name: str) -> None:
    panel.get_by_role("button", name=f"Switch off {name}").click()


def step(panel: Locator, key: str, to: str) -> None:
    panel.locator(".attn-figure").press(key)
    expect(panel.locator(".attn-name")).to_have_text(to)


def said_since(panel: Locator) -> list[str]:
    found: list[str] = panel.page.evaluate("window.said")
    return found


def remember(panel: Locator) -> None:
    """Remember everything that the panel says from now on."""
    panel.locator(".attn-say").evaluate(REMEMBER)


def test_an_answer_to_where_the_panel_stood_is_not_shown(page: Page) -> None:
    panel = show(page, "Switch(slow=['L0H0'])")
    said = panel.locator(".attn-say")
    switch_off(panel, "L0H0")
    remember(panel)
    step(panel, "ArrowRight", "L0H1")
    expect(said).not_to_contain_text("without")  # the kernel is busy with the first
    expect(said).to_contain_text("without L0H1: ", timeout=10_000)
    assert not [words for words in said_since(panel) if "without L0H0" in words]
    step(panel, "ArrowLeft", "L0H0")  # it came and was kept
    expect(said).to_contain_text("without L0H0: ")


def test_an_answer_after_it_was_switched_on_again_is_not_shown(page: Page) -> None:
    panel = show(page, "Switch(slow=['L0H0'])")
    switch_off(panel, "L0H0")
    remember(panel)
    switch_off(panel, "L0H0")
    button = panel.get_by_role("button", name="Switch off L0H0")
    expect(button).to_have_attribute("aria-pressed", "false")
    until_printed(page, "print(len(post.answered), panel.ablated)", "1 False")
    panel.locator(".attn-figure").press("Shift+ArrowUp")
    panel.locator(".attn-figure").press("Shift+ArrowUp")
    expect(panel.locator(".attn-say")).not_to_contain_text("‘.’")
    until_printed(page, "print(panel.query)", "8")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert not [words for words in said_since(panel) if "without" in words]


def test_a_late_error_is_not_put_down_to_another_head(page: Page) -> None:
    panel = show(page, "Switch(slow=['L0H0'], failing=['L0H0'])")
    switch_off(panel, "L0H0")
    step(panel, "ArrowRight", "L0H1")
    expect(panel.locator(".attn-say")).to_contain_text("without L0H1: ", timeout=10_000)
    expect(panel.locator(".attn-error")).to_be_hidden()


def test_an_error_is_told_and_the_next_request_is_answered(page: Page) -> None:
    panel = show(page, "Switch(failing=['L0H0'])")
    switch_off(panel, "L0H0")
    expect(panel.locator(".attn-error")).to_have_text("RuntimeError: L0H0 cannot be switched off")
    expect(panel.locator(".attn-say")).not_to_contain_text("without")
    step(panel, "ArrowRight", "L0H1")
    expect(panel.locator(".attn-say")).to_contain_text("without L0H1: ")
    expect(panel.locator(".attn-error")).to_be_hidden()


def test_the_view_is_gone_before_the_answer_comes(page: Page) -> None:
    panel = show(page, "Switch(slow=['L0H0'])")
    output = page.locator(".jp-Notebook .jp-CodeCell").last
    switch_off(panel, "L0H0")
    page.evaluate("window.jupyterapp.commands.execute('notebook:clear-cell-output')")
    expect(output.locator("section.attn")).to_have_count(0)
    until_printed(page, "print(panel.ablated, len(post.answered))", "True 1")
    again = run_new_cell(page, "panel").locator("section.attn").first
    expect(again.locator(".attn-say")).to_contain_text("without L0H0: ")
    step(again, "ArrowRight", "L0H1")
    expect(again.locator(".attn-say")).to_contain_text("without L0H1: ")


def test_the_cell_is_run_again_before_the_answer_comes(page: Page) -> None:
    panel = show(page, "Switch(slow=['L0H0'])")
    cell = page.locator(".jp-Notebook .jp-CodeCell").last
    switch_off(panel, "L0H0")
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.inner_text()
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell') && undefined")
    expect(prompt).not_to_have_text(before)
    expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=15_000)
    new = cell.locator("section.attn").first
    expect(new.locator(".attn-say")).to_contain_text("looks at")
    assert execute(page, "print(panel.ablated, len(post.asked))") == "False 0"
    expect(new.locator(".attn-say")).not_to_contain_text("without")
    step(new, "ArrowRight", "L0H1")
    switch_off(new, "L0H1")
    expect(new.locator(".attn-say")).to_contain_text("without L0H1: ")


def test_the_panel_is_closed_before_the_answer_comes(page: Page) -> None:
    panel = show(page, "Switch(slow=['L0H0'])")
    execute(page, "import threading\nthreading.Timer(1.5, panel.close).start()")
    switch_off(panel, "L0H0")
    until_printed(page, "print(panel.comm, len(post.answered))", "None 1")
    expect(panel).to_have_count(0)
    again = run_new_cell(page, "panel").locator("section.attn").first
    expect(again.locator(".attn-say")).to_contain_text("looks at")
    expect(again.locator(".attn-say")).not_to_contain_text("without")  # it was closed before it was told
    switch_off(again, "L0H0")
    expect(again.locator(".attn-say")).to_contain_text("without L0H0: ")


def test_of_answers_out_of_order_the_one_on_show_is_shown(page: Page) -> None:
    panel = show(page, "long=True")
    trace = causal_trace(tokens=LONG)
    execute(page, "post.holding = 'head'")
    step(panel, "End", "L0H3")
    step(panel, "ArrowDown", "L1H3")
    expect(panel.locator(".attn-say")).to_have_text("waiting for the kernel…")
    until_printed(page, "print(len(post.held))", "2")
    remember(panel)
    execute(page, "post.release()")
    weights = trace.weights(1, 3)[299]
    best = int(weights.argmax())
    expect(panel.locator(".attn-say")).to_contain_text(f"‘t299’ looks at ‘t{best}’ {weights[best]:.4g}")
    assert len({words for words in said_since(panel) if "looks" in words}) == 1, "another head was shown meanwhile"


def test_of_rankings_out_of_order_the_one_on_show_is_shown(page: Page) -> None:
    panel = show(page, "long=True")
    execute(page, "post.holding = 'find'")
    execute(page, "panel.query, panel.key = 290, 10")
    expect(panel.locator(".attn-say")).to_contain_text("‘t10’")
    execute(page, "panel.key = 200")
    expect(panel.locator(".attn-say")).to_contain_text("‘t200’")
    until_printed(page, "print(len(post.held))", "2")
    execute(page, "post.release()")
    ranking = panel.locator(".attn-ranking").nth(1)
    expect(ranking).to_contain_text("All heads, ‘t290’ at ‘t200’")
    found = causal_trace(tokens=LONG).find(290, 200)
    expect(ranking.locator("li:visible .attn-entry-name")).to_have_text([head.name for head in found])
