"""Where the parts of a text lie that is longer than a model's context: windows to slide over it, spans to join."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def window_starts(length: int, context: int) -> Int[np.ndarray, " window"]:
    """First positions of windows of `context` tokens, each half over the one before, that cover a text.

    The last one ends with the text; a text that fits has one window.
    """
    last = max(0, length - context)
    step = max(1, context // 2)
    return np.minimum(np.arange(-(-last // step) + 1) * step, last)


def central_windows(starts: Int[np.ndarray, " window"], length: int, context: int) -> Int[np.ndarray, " position"]:
    """Find the window in which each position of a text is most central, the first of two equals."""
    middles = starts + (context - 1) / 2
    distance = np.abs(np.arange(length)[:, None] - middles)  # (position, window)
    windows: np.ndarray = distance.argmin(axis=1)
    return windows


def halvings(length: int, context: int) -> int:
    """How often neighbours have to be joined in pairs until a text fits into the context."""
    times = 0
    while length > context:
        length, times = -(-length // 2), times + 1
    return times


def span_tokens(tokens: Sequence[str], context: int) -> tuple[str, ...]:
    """Name each of the columns that a text is joined into by the tokens that it stands for, such as ``the…dog``."""
    size = 1 << halvings(len(tokens), context)
    spans = (tokens[start : start + size] for start in range(0, len(tokens), size))
    return tuple(span[0] if len(span) == 1 else f"{span[0]}…{span[-1]}" for span in spans)
