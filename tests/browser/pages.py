"""Exported panels, opened from disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from attn_widgets.panels.stepping import SteppingPanel

Open = Callable[..., Locator]
"""The fixture `open_panel`: takes a panel, "light" or "dark", and a width."""


def open_exported(page: Page, panel: SteppingPanel, file: Path, scheme: str = "light", width: int = 1000) -> Locator:
    """Export a panel, open the file, and return the panel on the page once it is drawn."""
    panel.to_html(file)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(file.as_uri())
    found = page.locator("section.attn")
    expect(found.locator(".attn-name")).not_to_be_empty()
    return found
