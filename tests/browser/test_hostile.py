"""Tokens that would run, hide or reorder, in all that a head panel writes, as real Chromium shows it: only text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from attn_widgets.panels.heads import HeadPanel
from attn_widgets.panels.tokens import shorten, visible
from tests.hostile import TABLE, TOKENS, is_harmless
from tests.panel_traces import causal_trace

LISTS = """node => {
    const found = [];
    const walk = parent => {
        for (const child of parent.children) {
            found.push(child.localName);
            if (child.shadowRoot) walk(child.shadowRoot);
            walk(child);
        }
    };
    walk(node);
    return found;
}"""
READABLE = """node => {
    const words = [];
    const walk = parent => {
        for (const child of parent.childNodes) {
            if (child.nodeType === 3) words.push(child.textContent);
            if (child.shadowRoot) walk(child.shadowRoot);
            if (!['SCRIPT', 'STYLE', 'script', 'style'].includes(child.nodeName)) walk(child);
        }
    };
    walk(node);
    return words.join(' ');
}"""


@pytest.fixture
def quiet(watched: Any) -> Iterator[Any]:
    """A page on which nothing may run, fail or load."""
    ran: list[str] = []
    watched.page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    watched.page.on(
        "framenavigated", lambda frame: ran.append(frame.url) if frame.url.startswith("javascript") else None
    )
    yield watched
    assert ran == []
    assert watched.errors == []
    assert watched.refused == []


def hostile_panel() -> HeadPanel:
    return HeadPanel(causal_trace(tokens=TOKENS), title=TOKENS[1], query=3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_exported_page_shows_them_as_text(quiet: Any, tmp_path: Path, scheme: str) -> None:
    page = quiet.page
    page.emulate_media(color_scheme=scheme)
    page.goto(hostile_panel().to_html(tmp_path / "page.html").as_uri())
    page.get_by_role("button", name="View as table").click()
    lines = page.locator("table tbody tr")
    expect(lines).to_have_count(len(TOKENS))
    names = [visible(token) for token in TOKENS]
    assert lines.locator("th").evaluate_all("nodes => nodes.map(node => node.title)") == names
    counts = page.locator("table tr").evaluate_all("rows => rows.map(row => row.children.length)")
    assert len(set(counts)) == 1
    found = set(page.locator("body").evaluate(LISTS))
    assert not found & {"img", "a", "iframe", "object", "embed", "svg", "form", "link"}
    text = page.locator("body").evaluate(READABLE)
    assert is_harmless(text)
    for hostile in TABLE:
        assert hostile.shown[:8] in text, hostile.name
    assert page.title() == TOKENS[1]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_stepping_through_them_runs_nothing(quiet: Any, tmp_path: Path) -> None:
    page = quiet.page
    page.goto(hostile_panel().to_html(tmp_path / "page.html").as_uri())
    page.locator(".attn-figure").focus()
    for _ in range(len(TOKENS)):
        page.keyboard.press("Shift+ArrowDown")
        assert is_harmless(page.locator(".attn-say").inner_text())
    expect(page.locator(".attn-say")).to_contain_text("xxx")
    assert "hacked" not in page.title().removeprefix(TOKENS[1])


def test_the_snapshot_in_a_page_without_any_policy_runs_nothing(quiet: Any, tmp_path: Path) -> None:
    page = quiet.page
    html = hostile_panel().snapshot()
    assert is_harmless(html)
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8><title>safe</title>{html}", "utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("summary").click()
    cells = page.locator("tbody tr td:first-child").all_inner_texts()
    assert cells == [shorten(visible(token), 40) for token in TOKENS]
    assert page.locator("img").count() == 1
    assert page.locator("img").evaluate("node => node.naturalWidth") > 300
    assert page.title() == "safe"


def test_the_saved_svg_opened_as_a_document_runs_nothing(quiet: Any, tmp_path: Path) -> None:
    page = quiet.page
    page.goto(hostile_panel().save(tmp_path / "fig.svg").as_uri())
    found = set(page.locator("svg").evaluate(LISTS))
    assert not found & {"script", "foreignObject", "img", "a", "iframe", "use", "animate"}
    shown = page.locator("text").all_text_contents()
    assert is_harmless(" ".join(shown))
    for hostile in TABLE:
        assert shorten(visible(hostile.token), 12) in shown, hostile.name
    page.wait_for_timeout(200)
    assert page.evaluate("document.title") == f"HeadPanel L0H0 {TOKENS[1]}"
