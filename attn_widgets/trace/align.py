"""Two texts beside each other: which token of one stands for which of the other, and traces laid out by that.

A *place* is a row or column that both sides share. A token without a counterpart has a place
of its own, where the other side knows nothing (`NOT_CAPTURED`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from attn_widgets.errors import AttnError
from attn_widgets.trace.aligned import NOWHERE, AlignedRecord
from attn_widgets.trace.blocks import Block
from attn_widgets.trace.trace import AttentionTrace

_EXACT = 1 << 20
"""Pairs of tokens up to which frequent tokens are looked at like others; beyond it would take seconds."""

_ALIKE = 1 << 14
"""Pairs of tokens up to which those written alike are looked for."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Alignment:
    """The places of two token lists.

    Attributes
    ----------
    left_tokens, right_tokens
        What was aligned.
    pairs
        For each place the position on the left and on the right; `NOWHERE` where a side lacks it.
    """

    left_tokens: tuple[str, ...]
    right_tokens: tuple[str, ...]
    pairs: tuple[Pair, ...]

    @property
    def left_only(self) -> list[int]:
        """Places that the right side lacks."""
        return [place for place, (_, right) in enumerate(self.pairs) if right == NOWHERE]

    @property
    def right_only(self) -> list[int]:
        """Places that the left side lacks."""
        return [place for place, (left, _) in enumerate(self.pairs) if left == NOWHERE]

    @property
    def replaced(self) -> list[int]:
        """Places where another token stands on the right."""
        return [
            place
            for place, (left, right) in enumerate(self.pairs)
            if NOWHERE not in (left, right) and self.left_tokens[left] != self.right_tokens[right]
        ]

    def labels(self, show: Callable[[str], str] = str) -> tuple[str, ...]:
        """Name the places: a token, or ``dog / dogs`` where it was replaced."""
        return tuple(self._label(left, right, show) for left, right in self.pairs)

    def _label(self, left: int, right: int, show: Callable[[str], str]) -> str:
        texts = [self.left_tokens[left]] if left != NOWHERE else []
        if right != NOWHERE and self.right_tokens[right] not in texts:
            texts.append(self.right_tokens[right])
        return " / ".join(map(show, texts))


def align(left: Sequence[str], right: Sequence[str]) -> Alignment:
    """Pair the tokens of two texts, in order.

    Equal tokens are paired (the longest runs first, `difflib`). Between them, as many others as
    on the other side are paired as replaced; of unequal numbers those that are written alike
    (``boats``, ``boat``). The rest has no counterpart.
    """
    one, other = tuple(left), tuple(right)
    start, end = _shared(one, other)
    middle, others = one[start : len(one) - end], other[start : len(other) - end]
    pairs: list[Pair] = [(i, i) for i in range(start)]
    matcher = SequenceMatcher(None, middle, others, autojunk=len(middle) * len(others) > _EXACT)
    for how, i, to_i, j, to_j in matcher.get_opcodes():
        rows, columns = range(start + i, start + to_i), range(start + j, start + to_j)
        if how == "equal" or len(rows) == len(columns):
            pairs += zip(rows, columns, strict=True)
        else:
            pairs += _pair_alike(one, other, rows, columns)
    pairs += [(len(one) - back, len(other) - back) for back in range(end, 0, -1)]
    return Alignment(one, other, tuple(pairs))


def _pair_alike(left: tuple[str, ...], right: tuple[str, ...], rows: range, columns: range) -> list[Pair]:
    """Pair tokens that share at least half of their letters, in order, as many letters as can be (Needleman–Wunsch)."""
    best = np.zeros((len(rows) + 1, len(columns) + 1))
    alike = np.zeros((len(rows), len(columns)))
    small = alike.size <= _ALIKE
    for i in reversed(range(len(rows) if small else 0)):
        for j in reversed(range(len(columns))):
            alike[i, j] = _likeness(left[rows[i]], right[columns[j]])
            best[i, j] = max(best[i + 1, j], best[i, j + 1], best[i + 1, j + 1] + alike[i, j])
    pairs: list[Pair] = []
    i = j = 0
    while i < len(rows) or j < len(columns):
        inside = i < len(rows) and j < len(columns)
        if inside and alike[i, j] > 0 and best[i, j] == best[i + 1, j + 1] + alike[i, j]:
            pairs.append((rows[i], columns[j]))
            i, j = i + 1, j + 1
        elif j == len(columns) or (i < len(rows) and best[i, j] == best[i + 1, j]):
            pairs.append((rows[i], NOWHERE))
            i += 1
        else:
            pairs.append((NOWHERE, columns[j]))
            j += 1
    return pairs


def _likeness(left: str, right: str) -> float:
    """Share of letters at the start that two tokens have in common; 0 below a half."""
    one, other = left.strip()[:40].casefold(), right.strip()[:40].casefold()
    common = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    share = common / max(len(one), len(other), 1)
    return share if share >= 0.5 else 0.0


def _shared(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[int, int]:
    """How many tokens both begin with, and how many of the rest both end with."""
    least = min(len(left), len(right))
    start = next((i for i in range(least) if left[i] != right[i]), least)
    end = next((i for i in range(least - start) if left[-1 - i] != right[-1 - i]), least - start)
    return start, end


class Aligned(NamedTuple):
    """Two traces with the same places.

    Attributes
    ----------
    left, right
        Traces whose rows and columns are places; they have no predictions.
    rows, columns
        For each layer how its query and its key tokens were aligned.
    """

    left: AttentionTrace
    right: AttentionTrace
    rows: tuple[Alignment, ...]
    columns: tuple[Alignment, ...]


def align_traces(left: AttentionTrace, right: AttentionTrace) -> Aligned:
    """Lay two traces out on the same places.

    Raises
    ------
    AttnError
        If their layers, heads or kinds of attention are not the same.
    """
    shapes = [[(b.kind, b.record.heads) for b in trace.blocks] for trace in (left, right)]
    if shapes[0] != shapes[1]:
        raise AttnError(
            f"left has {_heads_of(left)}, right {_heads_of(right)}; traces of the same layers and heads can be compared"
        )
    known: dict[tuple[tuple[str, ...], tuple[str, ...]], Alignment] = {}

    def paired(one: tuple[str, ...], other: tuple[str, ...]) -> Alignment:
        if (one, other) not in known:
            known[one, other] = align(one, other)
        return known[one, other]

    both = list(zip(left.blocks, right.blocks, strict=True))
    rows = tuple(paired(a.query_tokens, b.query_tokens) for a, b in both)
    columns = tuple(paired(a.key_tokens, b.key_tokens) for a, b in both)
    sides = [_laid_out(trace, rows, columns, side) for side, trace in enumerate((left, right))]
    return Aligned(sides[0], sides[1], rows, columns)


def _heads_of(trace: AttentionTrace) -> str:
    kinds = list(dict.fromkeys(block.kind for block in trace.blocks))
    heads = trace.heads if isinstance(trace.heads, int) else ", ".join(map(str, trace.heads))
    return f"{trace.layers} {'/'.join(kinds)} layers of {heads} heads"


def _laid_out(
    trace: AttentionTrace, rows: Sequence[Alignment], columns: Sequence[Alignment], side: int
) -> AttentionTrace:
    """One side on the places; a record that has them already is taken as it is."""
    blocks = []
    for block, along, across in zip(trace.blocks, rows, columns, strict=True):
        record = block.record
        rows_at, columns_at = _side(along, side), _side(across, side)
        if not (_has_all(rows_at) and _has_all(columns_at)):
            record = AlignedRecord(record, rows_at, columns_at)
        blocks.append(Block(block.kind, block.layer, along.labels(), across.labels(), record))
    return AttentionTrace(blocks, None, trace.meta)


def _has_all(places: Int[np.ndarray, " place"]) -> bool:
    """Whether a side has every place: then its positions are the places."""
    return NOWHERE not in places


def _side(alignment: Alignment, side: int) -> Int[np.ndarray, " place"]:
    return np.array([pair[side] for pair in alignment.pairs], np.int64)
