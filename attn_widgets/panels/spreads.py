"""The spread of a trace that is the mean of several texts, on the wire: averages hide.

What a page is told of such a trace: ``n``, how many texts; and for each head that was sent with
it (`wire.pack_frame`) the standard deviation of each cell as little-endian float32 (NaN where
fewer than two texts have it), then how many texts have it as uint32. Of other heads it asks a row.
``js/src/spread.ts`` reads both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from attn_widgets.panels import wire
from attn_widgets.panels.base import Answer, PanelError
from attn_widgets.trace import AttentionTrace

MOST = 512 << 10
"""Spreads up to this many bytes go with the heads; beyond, the page asks for a row at a time."""


def spread_spec(trace: AttentionTrace) -> dict[str, Any] | None:
    """Say of how many texts a trace is the mean, and how they were aligned; None for one text."""
    if trace.counts(0, 0) is None:
        return None
    return {"n": int(trace.meta.get("n", 0)), "align": wire.visible_line(str(trace.meta.get("align", "")))}


def spread_bytes(trace: AttentionTrace, numbers: Sequence[int]) -> bytes:
    """Write the spreads and counts of heads, numbered as `wire.pack_frame` counts them; b'' for one text."""
    heads = list(wire.each_head(trace))
    return b"".join(data for number in numbers for data in _packed(trace, *heads[number], slice(None)))


def sent_with(traces: Sequence[AttentionTrace], chosen: Sequence[Sequence[int]]) -> bytes:
    """Write the spreads of the heads that are sent of each trace, trace after trace; b'' where they are too many."""
    means = [(trace, numbers) for trace, numbers in zip(traces, chosen, strict=True) if spread_spec(trace)]
    if sum(_size(trace, numbers) for trace, numbers in means) > MOST:
        return b""
    return b"".join(spread_bytes(trace, numbers) for trace, numbers in means)


def _size(trace: AttentionTrace, numbers: Sequence[int]) -> int:
    """Count the bytes that `spread_bytes` would write."""
    blocks = [block for block in trace.blocks for _ in range(block.record.heads)]
    return sum(8 * len(blocks[number].query_tokens) * len(blocks[number].key_tokens) for number in numbers)


def _packed(trace: AttentionTrace, layer: int, head: int, queries: slice | int) -> list[bytes]:
    spread, counts = trace.spread(layer, head, queries), trace.counts(layer, head, queries)
    if spread is None or counts is None:
        return []
    return [wire.weight_bytes(spread), np.ascontiguousarray(counts, "<u4").tobytes()]


class SpreadAnswers:
    """What a page may ask about the spread of traces.

    Parameters
    ----------
    traces
        One for each moment.
    asked
        Gives positions named in a request, checked (`SteppingPanel._asked`).
    """

    def __init__(self, traces: Sequence[AttentionTrace], asked: Callable[..., list[int]]) -> None:
        self._traces, self._asked = traces, asked

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what may be asked: a row's spreads, and of how many texts each cell is."""
        return {"spread": self._answer_spread}

    def _answer_spread(self, content: dict[str, Any]) -> Answer:
        moment, layer, head, query = self._asked(content, "moment", "layer", "head", "query")
        packed = _packed(self._traces[moment], layer, head, query)
        if not packed:
            raise PanelError("this trace is of one text; a mean of several has a spread")
        return {}, packed
