"""Where heads stand in the static picture of a grid: a layer a row, or sorted; and which share a key/value head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from attn_widgets.panels.thumbnails import key_heads
from attn_widgets.trace import Block

Place = tuple[int, int]
"""Layer and head."""

Group = tuple[int, int]
"""First and last of the query heads that share a key/value head."""

FILLED = 10 / 11
"""Share of the way from one head to the next that a head takes."""

LEFT, TOP = 34, 58
"""Room for the names of layers and heads."""

_WIDE, _TALL, _TOP_SORTED = 760, 640, 46
_LARGEST, _SMALLEST, _NAMED = 62, 7, 46
_NAME, _ABOVE, _UNDER = 13, 18, 6


class Plan(NamedTuple):
    """Rows of heads and how large they are drawn.

    Attributes
    ----------
    rows
        Heads of each row.
    pitch
        From one head to the next.
    by_layer
        Whether a row is a layer; else heads are sorted, and each is named below where there is room.
    groups
        Of each layer; empty where each head has its own key/value head.
    """

    rows: list[list[Place]]
    pitch: float
    by_layer: bool
    groups: list[list[Group]]

    @property
    def side(self) -> float:
        """Side of a head."""
        return self.pitch * FILLED

    @property
    def named(self) -> bool:
        """Whether each head is named below it."""
        return not self.by_layer and self.pitch >= _NAMED

    @property
    def above(self) -> list[Group]:
        """Groups that stand above the columns, since all layers have the same."""
        alike = len(set(map(tuple, self.groups))) == 1 and len(set(map(len, self.rows))) == 1
        return self.groups[0] if self.by_layer and alike else []

    @property
    def under(self) -> bool:
        """Whether groups are marked under each row, since layers differ in them."""
        return self.by_layer and any(self.groups) and not self.above

    @property
    def top(self) -> float:
        """Where the first row begins."""
        return TOP + (_ABOVE if self.above else 0) if self.by_layer else _TOP_SORTED

    @property
    def down(self) -> float:
        """From one row to the next."""
        return self.pitch + (_NAME if self.named else 0) + (_UNDER if self.under else 0)

    @property
    def bottom(self) -> float:
        """Where the last row ends."""
        return self.top + len(self.rows) * self.down

    @property
    def widest(self) -> int:
        """Heads of the longest row."""
        return max(map(len, self.rows), default=0)

    def x(self, column: float) -> float:
        """Left end of a column."""
        return (LEFT if self.by_layer else 1) + column * self.pitch

    def y(self, row: float) -> float:
        """Top end of a row."""
        return self.top + row * self.down


def in_layers(blocks: Sequence[Block]) -> Plan:
    """Stand a layer in each row."""
    rows = [[(layer, head) for head in range(block.record.heads)] for layer, block in enumerate(blocks)]
    pitch = min(_LARGEST, max(_SMALLEST, _WIDE / max(map(len, rows))))
    return Plan(rows, pitch, True, [_groups(block) for block in blocks])


def in_order(blocks: Sequence[Block], values: Mapping[int, np.ndarray]) -> Plan:
    """Stand heads by falling value; those without a number come last, equals in reading order, as in the page."""
    heads = [place for row in in_layers(blocks).rows for place in row]

    def rank(place: Place) -> tuple[bool, float]:
        layer, head = place
        value = float(values[layer][head]) if layer in values else np.nan
        return (False, -value) if np.isfinite(value) else (True, 0.0)

    heads.sort(key=rank)
    pitch, columns = _flow(len(heads))
    return Plan([heads[at : at + columns] for at in range(0, len(heads), columns)], pitch, False, [])


def _flow(heads: int) -> tuple[float, int]:
    """How large heads can be for all of them to be seen in about the shape of a screen."""
    for pitch in range(_LARGEST, _SMALLEST, -1):
        columns = _WIDE // pitch
        if -(-heads // columns) * (pitch + (_NAME if pitch >= _NAMED else 0)) <= _TALL:
            return pitch, min(heads, columns)
    return _SMALLEST, _WIDE // _SMALLEST


def _groups(block: Block) -> list[Group]:
    """Query heads that share a key/value head; none where each has its own."""
    heads, shared = block.record.heads, key_heads(block.record)
    if not 1 <= shared < heads:
        return []
    size = heads // shared
    return [(group * size, (group + 1) * size - 1) for group in range(shared)]
