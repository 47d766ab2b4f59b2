"""A mean of several texts on an exported page: of how many it is, and how far they lie apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from attn_widgets.panels.explorer import Explorer
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.trace import Traces
from tests.browser.cells import Cells
from tests.panel_traces import causal_trace


@pytest.mark.parametrize("kind", [HeadPanel, Explorer])
def test_n_and_spread_stand_in_the_words_and_the_tip(watched: Any, tmp_path: Path, kind: type[HeadPanel]) -> None:
    texts = (("a", "b", "c", "d"), ("a", "x", "y"), ("z", "b"))
    mean = Traces([causal_trace(tokens=tokens, seed=seed) for seed, tokens in enumerate(texts)]).mean()
    watched.page.goto(kind(mean, layer=1, head=2).to_html(tmp_path / "page.html").as_uri())
    panel = watched.page.locator("section.attn").first
    cells = Cells(panel)
    spread = mean.spread(1, 2)
    assert spread is not None
    for row, column, of in ((1, 0, "n = 3 texts"), (2, 1, "2 of 3 texts")):
        cells.hover(row, column)
        for words in (panel.locator(".attn-say"), panel.locator(".attn-tip")):
            expect(words).to_contain_text(f"mean of {of}, sd ")
            shown = float((words.text_content() or "").split("sd ")[1].split()[0])
            np.testing.assert_allclose(shown, spread[row, column], rtol=1e-3)
    cells.hover(3, 1)  # one text alone has this row
    expect(panel.locator(".attn-tip")).to_contain_text("mean of 1 of 3 texts")
    expect(panel.locator(".attn-say")).not_to_contain_text("sd")
    assert watched.errors == []
    assert watched.refused == []
