"""Tokens as they may be shown: every character that would hide, break or reorder a line made visible.

The front end, the snapshot and the exported page all get tokens from here, so none of them
ever holds a raw control character.
"""

from __future__ import annotations

import unicodedata

LONGEST = 2_000
"""Characters of one token that are sent; more is cut in the middle."""

_SIGNS = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍"}
# Controls, format characters (bidi overrides, zero-width), lone surrogates, private use, unassigned, separators.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
_JOINER = "\u200d"


def visible(token: str) -> str:
    r"""Write a token so that it can be read: ``" the\n"`` is ``"·the⏎"``, U+202E is ``\u202e``.

    A zero-width joiner stays between two pictographs, where it makes one emoji; a combining
    mark that stands first gets a dotted circle to sit on; '' is ``∅``.
    """
    if not token:
        return "∅"
    if len(token) > LONGEST:
        half = LONGEST // 2
        token = f"{token[:half]}…{token[-half:]}"
    shown = "".join(_show(token, i) for i in range(len(token)))
    return "◌" + shown if unicodedata.combining(token[0]) else shown


def _show(token: str, i: int) -> str:
    character = token[i]
    if character in _SIGNS:
        return _SIGNS[character]
    if character == _JOINER and _pictograph(token[i - 1 : i]) and _pictograph(token[i + 1 : i + 2]):
        return character
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _pictograph(character: str) -> bool:
    """Whether an emoji may be joined here: a symbol, its skin tone (Sk) or its variation selector."""
    return bool(character) and (unicodedata.category(character) in ("So", "Sk") or character == "\ufe0f")


def shorten(text: str, longest: int) -> str:
    """Cut `text` in the middle to at most `longest` characters."""
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"
