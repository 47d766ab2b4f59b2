"""Finding the head: all heads ranked by the weight of one query on one key."""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Sequence
from typing import NamedTuple

from attn_widgets.errors import AttnError
from attn_widgets.trace.blocks import Block
from attn_widgets.trace.names import head_name
from attn_widgets.trace.records import NOT_CAPTURED


class HeadWeight(NamedTuple):
    """A head and the weight it puts on the key that was asked for."""

    layer: int
    head: int
    weight: float

    @property
    def name(self) -> str:
        """``L1H3``."""
        return head_name(self.layer, self.head)


def find_heads(blocks: Sequence[Block], query: int | str, key: int | str) -> list[HeadWeight]:
    """All heads by falling weight of `query` on `key`; equals by layer and head, NaN last.

    A head that did not capture the cell is left out. Only layers with the axes of the first
    one are ranked. One row of each head is computed.
    """
    first = blocks[0]
    row, column = position(first.query_tokens, query, "query"), position(first.key_tokens, key, "key")
    found: list[HeadWeight] = []
    for block in blocks:
        if (block.query_tokens, block.key_tokens) != (first.query_tokens, first.key_tokens):
            continue
        for head in range(block.record.heads):
            if block.record.states(head, row, column)[0, 0] != NOT_CAPTURED:
                found.append(HeadWeight(block.layer, head, float(block.record.weights(head, row, column)[0, 0])))
    return sorted(found, key=lambda h: (math.isnan(h.weight), -h.weight if h.weight == h.weight else 0.0, h[:2]))


def position(tokens: Sequence[str], wanted: int | str, axis: str) -> int:
    """Where a token stands; `wanted` is its position or its text.

    Raises
    ------
    AttnError
        If it is neither, the position does not exist, or the text stands at none or at several.
    """
    if not isinstance(wanted, str):
        if not hasattr(wanted, "__index__"):
            raise AttnError(f"{axis} must be a token or its position; given {reprlib.repr(wanted)}")
        if not -len(tokens) <= wanted < len(tokens):
            raise AttnError(f"{axis}={wanted} does not exist; there are {len(tokens)} tokens: 0 to {len(tokens) - 1}")
        return int(wanted) % len(tokens)
    found = [i for i, token in enumerate(tokens) if token == wanted]
    found = found or [i for i, token in enumerate(tokens) if token.strip() == wanted.strip()]
    if len(found) == 1:
        return found[0]
    if found:
        raise AttnError(f"{axis}={wanted!r} stands at positions {', '.join(map(str, found))}; give one of them")
    near = difflib.get_close_matches(wanted, tokens, n=5, cutoff=0.5) or list(dict.fromkeys(tokens))[:8]
    raise AttnError(f"{axis}={wanted!r} is not among the tokens; there are {', '.join(map(repr, near))}")
