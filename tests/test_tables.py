"""Tables of texts: aligned, and as HTML that keeps no text for markup."""

from __future__ import annotations

from attn_widgets.tables import as_html, as_text

TABLE = [["model", "right"], ["GRU dot", "0.9"], ["<b> & co", "–"]]
LEFT = 'style="text-align:left"'


def test_columns_are_aligned_and_lines_end_with_their_text() -> None:
    assert as_text(TABLE) == "model     right\nGRU dot   0.9\n<b> & co  –"
    assert as_text([["one", ""], ["", "two"]]) == "one\n     two"


def test_html_has_heads_in_the_first_row() -> None:
    assert as_html(TABLE[:2]) == (
        f"<table><thead><tr><th {LEFT}>model</th><th {LEFT}>right</th></tr></thead>"
        f"<tbody><tr><td {LEFT}>GRU dot</td><td {LEFT}>0.9</td></tr></tbody></table>"
    )
    page = as_html(TABLE, caption="1 < 2")
    assert page.startswith("<table><caption>1 &lt; 2</caption><thead>")
    assert f"<td {LEFT}>&lt;b&gt; &amp; co</td>" in page


def test_html_has_heads_in_the_first_column() -> None:
    page = as_html([("run", "one"), ("corpus", "<two>")], heads="column")
    assert page == (
        f"<table><tbody><tr><th {LEFT}>run</th><td {LEFT}>one</td></tr>"
        f"<tr><th {LEFT}>corpus</th><td {LEFT}>&lt;two&gt;</td></tr></tbody></table>"
    )
