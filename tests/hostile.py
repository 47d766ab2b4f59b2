"""Tokens that would run, hide, break or reorder what shows them, with what a person must see instead.

For every panel's tests: give `TOKENS` as a trace's tokens, look for each `shown`, and assert
`is_harmless` on whatever was written. Each payload that could run says so in the page's title.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Hostile(NamedTuple):
    """A token, and how it begins once it is visible."""

    name: str
    token: str
    shown: str


TABLE = (
    Hostile("element", "<img src=x onerror=document.title='hacked'>", "<img·src=x·onerror="),
    Hostile("script", "</script><script>document.title='hacked'</script>", "</script><script>"),
    Hostile("address", "javascript:document.title='hacked'", "javascript:"),
    Hostile("entity", "&lt;b&gt;&#0;", "&lt;b&gt;"),
    Hostile("section", "]]><svg onload=document.title='hacked'>", "]]><svg·onload="),
    Hostile("ansi", "\x1b[31mred\x1b[0m", "\\x1b[31mred"),
    Hostile("nul", "\x00nul", "\\x00nul"),
    Hostile("surrogate", "\ud800lone", "\\ud800lone"),
    Hostile("override", "\u202eright to left", "\\u202eright·to·left"),
    Hostile("zero width", "zero\u200bwidth", "zero\\u200bwidth"),
    Hostile("joined", "👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
    Hostile("mark", "\u0301mark", "◌\u0301mark"),
    Hostile("lines", "a\nb\r\tc", "a⏎b␍⇥c"),
    Hostile("formula", '=HYPERLINK("x",A1)', '=HYPERLINK("x",A1)'),
    Hostile("quotes", 'say "hi", now', 'say·"hi",·now'),
    Hostile("empty", "", "∅"),
    Hostile("long", "x" * 100_000, "xxx"),
)

TOKENS = tuple(hostile.token for hostile in TABLE)

_RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def is_harmless(text: str) -> bool:
    """Whether a text holds no control character, no lone surrogate and nothing that hides or reorders."""
    return _RAW.search(text) is None
