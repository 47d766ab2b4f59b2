"""A lens: what is made of heads before they are shown; combined, merged to words, without special tokens, filtered.

Large matrices are read through it tile by tile in the kernel; of small ones the page has the
weights and does the same itself (``js/src/lens.ts``; both are tested against one file).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int, UInt8

from attn_widgets.errors import ConfigError
from attn_widgets.panels.words import special_tokens, word_starts
from attn_widgets.trace import NOT_CAPTURED, VALUE, AttentionTrace, Block

How = Literal["mean", "max"]
Value = Literal["weight", "score", "log"]
Cells = tuple[Float32[np.ndarray, "query key"], UInt8[np.ndarray, "query key"]]

OTHER_TOKENS = "heads of layers with other tokens cannot be combined; choose layers of one kind"

HIDDEN = 3
"""State of a cell under the threshold or beyond the strongest of its row."""


@dataclass(frozen=True)
class Lens:
    """How heads become one matrix.

    Attributes
    ----------
    heads
        ``(layer, head)`` of those combined; they must have the same tokens.
    how
        Of several heads the mean, or the maximum. A head that did not capture a cell does not count there; a
        masked one counts as 0.
    value
        Weights, the scores before the softmax (of one head), or the natural logarithm of the weights.
    words
        Whether sub-words are merged: the sum over the keys of a word, the mean over its queries.
    hide_special
        Whether special tokens (``‹start›``, ``[CLS]``, ``<s>``) have neither row nor column.
    threshold
        Weights below it are hidden.
    top
        Only so many of a row's strongest are shown; 0 shows all.
    """

    heads: tuple[tuple[int, int], ...]
    how: How = "mean"
    value: Value = "weight"
    words: bool = False
    hide_special: bool = False
    threshold: float = 0.0
    top: int = 0

    def __post_init__(self) -> None:
        if not self.heads:
            raise ConfigError("a lens needs at least one head; give pairs of layer and head")
        if self.value == "score" and len(self.heads) > 1:
            raise ConfigError(f"scores are those of one head; given {len(self.heads)}; choose one, or show weights")
        if self.value == "score" and self.words:
            raise ConfigError("scores do not add up over sub-words; show weights, or single tokens")


@dataclass(frozen=True)
class Axis:
    """Rows or columns as they are shown: each stands for neighbouring tokens.

    Attributes
    ----------
    tokens
        Their text.
    starts, stops
        The tokens ``starts[i]`` to ``stops[i] - 1`` of the trace stand at place ``i``.
    """

    tokens: tuple[str, ...]
    starts: Int[np.ndarray, " shown"]
    stops: Int[np.ndarray, " shown"]

    @classmethod
    def of(cls, tokens: Sequence[str], words: bool, hide_special: bool) -> Axis:
        """Group tokens to words and leave out special ones."""
        starts = np.array(word_starts(tokens) if words else range(len(tokens)), int)
        stops = np.append(starts[1:], len(tokens))[: len(starts)]
        if hide_special and (special := special_tokens(tokens)):
            kept = ~np.isin(starts, special)
            starts, stops = starts[kept], stops[kept]
        shown = tuple("".join(tokens[a:b]) for a, b in zip(starts, stops, strict=True))
        return cls(shown, starts, stops)


class Matrix:
    """A trace's heads through a lens, computed a tile at a time.

    Parameters
    ----------
    trace
        The trace.
    lens
        What is made of its heads.

    Raises
    ------
    ConfigError
        If the heads have different tokens, or scores are asked of a record that has none.
    """

    def __init__(self, trace: AttentionTrace, lens: Lens) -> None:
        self._lens = lens
        self._blocks: list[tuple[Block, int]] = [(trace.block(layer), head) for layer, head in lens.heads]
        first = self._blocks[0][0]
        for block, _ in self._blocks:
            if (block.query_tokens, block.key_tokens) != (first.query_tokens, first.key_tokens):
                raise ConfigError(OTHER_TOKENS)
        if lens.value == "score" and first.record.scores(lens.heads[0][1], slice(0, 1), slice(0, 1)) is None:
            raise ConfigError("this trace kept weights alone, no scores; show weights or their logarithm")
        self.rows = Axis.of(first.query_tokens, lens.words, lens.hide_special)
        self.columns = Axis.of(first.key_tokens, lens.words, lens.hide_special)

    @property
    def lens(self) -> Lens:
        """What is made of the heads."""
        return self._lens

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns as shown."""
        return len(self.rows.starts), len(self.columns.starts)

    def cells(self, rows: slice, columns: slice) -> Cells:
        """Values and states of a rectangle of what is shown.

        A row is filtered by its strongest among all columns, whatever the rectangle.
        """
        wide = slice(None) if self._lens.top else columns
        weights, states = self._weights(rows, wide)
        shown = self._filtered(weights, states)
        if self._lens.value == "score":
            weights = self._scores(rows, wide)
        elif self._lens.value == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                weights = np.log(weights)
        if self._lens.top:
            weights, shown = weights[:, columns], shown[:, columns]
        return weights, shown

    def _weights(self, rows: slice, columns: slice) -> Cells:
        """Combine the heads, then their words."""
        total: Any = 0.0
        known: Any = 0
        best: Any = VALUE
        for number, (block, head) in enumerate(self._blocks):
            weights = self._pick(block.record.weights, head, rows, columns)
            states = self._pick(block.record.states, head, rows, columns)
            if len(self._blocks) == 1:
                total, best = weights, states
                break
            weights = np.where(states == VALUE, weights, 0)
            there = states != NOT_CAPTURED
            if self._lens.how == "max":
                seen = np.where(there, weights, -np.inf)
                total = seen if number == 0 else np.maximum(total, seen)
            else:
                total = np.add(total, weights, dtype=np.float64)
            known = np.add(known, there)
            best = states if number == 0 else np.minimum(best, states)
        if len(self._blocks) > 1:
            total = np.where(known > 0, total if self._lens.how == "max" else total / np.maximum(known, 1), 0)
        return self._merged(np.asarray(total), np.asarray(best), rows, columns)

    def _scores(self, rows: slice, columns: slice) -> Float32[np.ndarray, "query key"]:
        block, head = self._blocks[0]
        found: np.ndarray = self._pick(block.record.scores, head, rows, columns)  # type: ignore[arg-type]
        return found

    def _pick(self, read: Callable[..., np.ndarray], head: int, rows: slice, columns: slice) -> np.ndarray:
        """Read the tokens that stand behind a rectangle; without words only those that are shown."""
        (row_tokens, row_starts), (key_tokens, key_starts) = _behind(self.rows, rows), _behind(self.columns, columns)
        found: np.ndarray = read(head, row_tokens, key_tokens)
        if self._lens.words or not self._lens.hide_special:
            return found
        shown: np.ndarray = found[np.ix_(row_starts, key_starts)]
        return shown

    def _merged(self, weights: np.ndarray, states: np.ndarray, rows: slice, columns: slice) -> Cells:
        """Sum over the keys of a word, mean over its queries; a word is masked where all of it is."""
        if not self._lens.words:
            return np.asarray(weights, np.float32), np.asarray(states, np.uint8)
        if not weights.size:  # special tokens alone, all of them left out
            shape = len(self.rows.starts[rows]), len(self.columns.starts[columns])
            return np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
        exact = weights.astype(np.float64)
        for axis, (along, chosen) in enumerate(((self.rows, rows), (self.columns, columns))):
            (_, starts), sizes = _behind(along, chosen), (along.stops - along.starts)[chosen]
            ends = starts + sizes
            exact = np.stack([exact.take(range(a, b), axis).sum(axis) for a, b in zip(starts, ends, strict=True)], axis)
            states = np.stack(
                [states.take(range(a, b), axis).min(axis) for a, b in zip(starts, ends, strict=True)], axis
            )
            if axis == 0:
                exact /= sizes[:, None]
        return exact.astype(np.float32), states

    def _filtered(self, weights: np.ndarray, states: np.ndarray) -> UInt8[np.ndarray, "query key"]:
        """Mark what the threshold and the row's strongest leave out; NaN is never left out."""
        if not self._lens.threshold and not self._lens.top:
            return states
        hidden = np.zeros(weights.shape, bool)
        values = (states == VALUE) & ~np.isnan(weights)
        if self._lens.threshold > 0:
            hidden |= values & (weights < self._lens.threshold)
        if 0 < self._lens.top < weights.shape[1]:
            order = np.argsort(np.where(values, -weights, np.inf), axis=1, kind="stable")
            rank = np.empty_like(order)
            np.put_along_axis(rank, order, np.arange(weights.shape[1])[None], axis=1)
            hidden |= values & (rank >= self._lens.top)
        return np.where(hidden, HIDDEN, states).astype(np.uint8)


def _behind(axis: Axis, chosen: slice) -> tuple[slice, np.ndarray]:
    """Tokens from the first to the last that stand behind places, and where each place starts in them."""
    starts, stops = axis.starts[chosen], axis.stops[chosen]
    if not len(starts):
        return slice(0, 0), starts
    return slice(int(starts[0]), int(stops[-1])), starts - starts[0]
