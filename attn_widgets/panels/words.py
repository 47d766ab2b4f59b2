"""Which tokens begin a word, and which stand for no text at all; told from how tokenizers write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"‹[^‹›]{1,40}›|\[[A-Z][A-Z0-9_]{0,39}\]|</?[a-z_0-9]{1,40}>|<\|[^|]{1,40}\|>")
"""``‹start›`` (ours), ``[CLS]`` (BERT), ``<s>`` and ``</s>`` (SentencePiece), ``<|endoftext|>`` (GPT-2)."""

_SPACES = (" ", "Ġ", "▁", "·")
"""How a byte-level BPE, GPT-2's, SentencePiece and our own panels write the space that begins a word."""

_BREAKS = ("\n", "Ċ", "⏎", "\t")


def special_tokens(tokens: Sequence[str]) -> list[int]:
    """Positions of tokens that stand for no text: start, end, padding, mask and the like."""
    return [i for i, token in enumerate(tokens) if len(token) <= 44 and _SPECIAL.fullmatch(token)]


def word_starts(tokens: Sequence[str]) -> list[int]:
    """Positions at which words begin; every position where tokens are words already.

    WordPiece marks what continues a word (``##ing``), byte-level BPE and SentencePiece what
    begins one (a space, ``Ġ``, ``▁``). Marks and special tokens stand alone.
    """
    if any(len(token) > 2 and token.startswith("##") for token in tokens):
        return [i for i, token in enumerate(tokens) if i == 0 or not token.startswith("##")]
    if not any(len(token) > 1 and token.startswith(_SPACES) for token in tokens):
        return list(range(len(tokens)))
    special = set(special_tokens(tokens))
    return [i for i in range(len(tokens)) if i == 0 or not _continues(tokens[i - 1], tokens[i], {i - 1, i} & special)]


def _continues(before: str, token: str, special: set[int]) -> bool:
    """Whether a token goes on with the word before it."""
    if special or token.startswith((*_SPACES, *_BREAKS)) or before.endswith(_BREAKS):
        return False
    return any(c.isalnum() for c in token) and any(c.isalnum() for c in before)
