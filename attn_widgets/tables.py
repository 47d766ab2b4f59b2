"""Small tables of texts: aligned for a terminal, and as HTML for a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Literal

LEFT = 'style="text-align:left"'

Table = Sequence[Sequence[str]]
"""Rows of cells, all of one length."""


def as_text(table: Table) -> str:
    """Align the columns of a table."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in table)


def as_html(table: Table, *, caption: str = "", heads: Literal["row", "column"] = "row") -> str:
    """Write a table without colours of its own, so that it reads in light and dark; all cells stand left.

    Parameters
    ----------
    table
        The cells, as plain text.
    caption
        Stands above; '' for none.
    heads
        Whether the first row or the first column says what the others are.
    """
    over = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    if heads == "column":
        rows = (_cells("th", row[:1]) + _cells("td", row[1:]) for row in table)
        return f"<table>{over}<tbody>{_rows(rows)}</tbody></table>"
    head, *body = table
    lines = _rows(_cells("td", row) for row in body)
    return f"<table>{over}<thead>{_rows([_cells('th', head)])}</thead><tbody>{lines}</tbody></table>"


def _cells(tag: str, cells: Sequence[str]) -> str:
    return "".join(f"<{tag} {LEFT}>{html.escape(cell)}</{tag}>" for cell in cells)


def _rows(rows: Iterable[str]) -> str:
    return "".join(f"<tr>{row}</tr>" for row in rows)
