"""Small pictures and metrics of all heads, a layer at a time: what a grid of heads is sent.

A picture has at most `SIDE` rows and columns; of a larger head each cell is the maximum of factor × factor weights. It
is sent as uint8 steps of 1/255 with a state for each cell: those of `attn_widgets.trace`, and that it is not a number,
or exactly zero. One pass over tiles of rows gives pictures and metrics; what was computed is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from attn_widgets.panels import wire
from attn_widgets.panels.frames import Frames
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE, Block, Record, StackedRecord
from attn_widgets.trace.head_metrics import METRICS, HeadMetrics, Tile, shares_states, tiles
from attn_widgets.trace.vectors import Vectors

SIDE = 32
"""Most rows and columns of a thumbnail."""

NOT_A_NUMBER, ZERO = 3, 4
"""States of a thumbnail's cell besides those of a trace."""

_STATE = np.array([NOT_A_NUMBER, VALUE, ZERO, MASKED, NOT_CAPTURED], np.uint8)
"""States by what prevails where cells are joined."""

_RANK = np.argsort(_STATE).astype(np.uint8)

CELLS = 1 << 25
"""Weights computed for one answer: two heads of 4,096 tokens, so that other requests get their turn in between."""


QUICK = 1 << 21
"""Weights that are computed at once, about 50 ms."""


@dataclass(frozen=True)
class Layer:
    """Some heads of one layer.

    Attributes
    ----------
    levels, states
        uint8, (head, row, column); states have one plane if all heads share them.
    metrics
        (metric, head), in the order of `METRICS`; NaN where one does not apply.
    """

    levels: np.ndarray
    states: np.ndarray
    metrics: np.ndarray

    @property
    def thumbnails(self) -> bytes:
        """Levels, then states."""
        return self.levels.tobytes() + self.states.tobytes()

    @property
    def metric_bytes(self) -> bytes:
        """Little-endian float64: what is read off is the very number."""
        return np.ascontiguousarray(self.metrics, "<f8").tobytes()


def factor_of(record: Record) -> int:
    """Side of the square of weights that a cell of a thumbnail is the maximum of."""
    return -(-max(record.queries, record.keys, 1) // SIDE)


def layer_spec(block: Block) -> dict[str, int]:
    """Size of a layer's thumbnails, and how many key/value heads its query heads share."""
    factor = factor_of(block.record)
    return {
        "rows": -(-block.record.queries // factor),
        "columns": -(-block.record.keys // factor),
        "factor": factor,
        "groups": key_heads(block.record),
    }


def key_heads(record: Record) -> int:
    """Heads of keys and values; fewer than query heads where these share them (grouped-query attention)."""
    if isinstance(record, StackedRecord):
        return key_heads(record.parts[0].record)
    return int(record.key.shape[0]) if isinstance(record, Vectors) else record.heads


def compute(block: Block, heads: Sequence[int]) -> Layer:
    """Compute pictures and metrics of some heads in one pass over their rows."""
    record, factor = block.record, factor_of(block.record)
    spec = layer_spec(block)
    shape = (len(heads), spec["rows"], spec["columns"])
    largest, states = np.full(shape, -np.inf, np.float32), np.full(shape, NOT_CAPTURED, np.uint8)
    metrics = HeadMetrics(block)
    for tile in tiles(record, heads, factor):
        metrics.add(tile)
        at = heads.index(tile.head), slice(tile.rows.start // factor, -(-tile.rows.stop // factor))
        states[at] = _shrink(tile.states, factor, np.minimum)
        weights = _shrink(_mark_infinite(tile), factor, np.maximum)
        largest[(*at, slice(0, weights.shape[1]))] = weights
    levels, states = _quantize(largest, states)
    if shares_states(record) and len(heads) > 1 and (states == states[0]).all():
        states = states[:1]
    return Layer(levels, states, metrics.values()[:, list(heads)])


def _shrink(cells: np.ndarray, factor: int, best: np.ufunc) -> np.ndarray:
    """Take the best of squares of cells; those at the end may be smaller."""
    if factor == 1 or not cells.size:
        return cells
    down: np.ndarray = best.reduceat(cells, np.arange(0, cells.shape[0], factor), axis=0)
    return np.asarray(best.reduceat(down, np.arange(0, cells.shape[1], factor), axis=1))


def shrink(layer: Layer, factor: int) -> Layer:
    """Take the maximum over squares of a thumbnail's cells; what is not a number stays, zero where all are."""
    size = layer.levels.shape[1:]
    starts = [np.arange(0, side, factor) for side in size]

    def reduce(best: np.ufunc, cells: np.ndarray) -> np.ndarray:
        return np.asarray(best.reduceat(best.reduceat(cells, starts[0], axis=1), starts[1], axis=2))

    rank = _RANK[layer.states]
    return Layer(reduce(np.maximum, layer.levels), _STATE[reduce(np.minimum, rank)], layer.metrics)


def _mark_infinite(tile: Tile) -> np.ndarray:
    """Turn infinities into NaN, which no maximum hides."""
    weights = tile.weights
    with np.errstate(all="ignore"):
        finite = np.isfinite(weights.sum(dtype=np.float64))
    return weights if finite else np.where(np.isfinite(weights), weights, np.float32(np.nan))


def _quantize(largest: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give steps of 1/255, rounded as the front end rounds weights; what is no weight is step 0."""
    values = states == VALUE
    known = values & np.isfinite(largest)
    levels = np.floor(np.clip(np.where(known, largest, 0), 0, 1) * 255 + 0.5).astype(np.uint8)
    states = np.where(values & ~known, NOT_A_NUMBER, states)
    return levels, np.where(known & (largest == 0), ZERO, states).astype(np.uint8)


@dataclass(frozen=True)
class Sent:
    """What goes with a panel: for each frame its layers with their planes of states, and their bytes."""

    layers: list[list[tuple[int, int]]]
    thumbnails: bytes
    metrics: bytes

    def spec(self, frames: Frames) -> dict[str, Any]:
        """Describe thumbnails and metrics to the front end."""
        return {
            "side": SIDE,
            "metrics": [{"name": name, **metric._asdict()} for name, metric in METRICS.items()],
            "layers": [[layer_spec(block) for block in trace.blocks] for trace in frames.traces],
            "sent": self.layers,
        }


@dataclass(frozen=True)
class Overview:
    """Thumbnails and metrics of a panel's frames, computed on demand and kept: about 1 KB a head."""

    frames: Frames
    _kept: dict[tuple[int, int, int], Layer] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def thumbnails(self, moment: int, layer: int, first: int = 0) -> tuple[dict[str, Any], list[bytes]]:
        """As many heads from `first` on as one answer computes: thumbnails and metrics."""
        piece = self._piece(moment, layer, first)
        told = {"first": first, "heads": len(piece.levels), "planes": len(piece.states)}
        return told, [piece.thumbnails, piece.metric_bytes]

    def found(self, moment: int, layer: int, query: int, key: int) -> tuple[dict[str, Any], list[bytes]]:
        """Weight of each head of a layer on one cell (float32), and the cell's states."""
        record = self.frames.block(moment, layer).record
        weights = [record.weights(head, query, key)[0, 0] for head in range(record.heads)]
        states = [record.states(head, query, key)[0, 0] for head in range(record.heads)]
        return {}, [wire.weight_bytes(np.array(weights)), wire.state_bytes(np.array(states))]

    def layer(self, moment: int, layer: int) -> Layer:
        """All heads of a layer."""
        heads = self.frames.block(moment, layer).record.heads
        pieces, first = [], 0
        while first < heads:
            pieces.append(self._piece(moment, layer, first))
            first += len(pieces[-1].levels)
        shared = all(len(piece.states) == 1 and (piece.states == pieces[0].states).all() for piece in pieces)
        states = pieces[0].states if shared else np.concatenate([_spread(piece) for piece in pieces])
        return Layer(
            np.concatenate([piece.levels for piece in pieces]),
            states,
            np.concatenate([piece.metrics for piece in pieces], axis=1),
        )

    def is_ready(self, moment: int, layer: int) -> bool:
        """Whether all heads of a layer were computed."""
        record = self.frames.block(moment, layer).record
        return all((moment, layer, first) in self._kept for first in range(0, record.heads, self._step(record)))

    def ready(self) -> list[list[int]]:
        """Layers of each frame that were computed."""
        layers = range(len(self.frames.traces[0].blocks))
        return [[layer for layer in layers if self.is_ready(moment, layer)] for moment in range(self.frames.last + 1)]

    def compute_ahead(self, seconds: float, nbytes: int) -> None:
        """Compute layers, those of the last frame first, until they take so much time or so many bytes.

        The first `QUICK` weights are computed in any case: what is small is whole, however busy the machine.
        """
        end, cells = time.monotonic() + seconds, 0
        for moment in reversed(range(self.frames.last + 1)):
            for layer, block in enumerate(self.frames.traces[moment].blocks):
                own = block.record.heads * block.record.queries * block.record.keys
                cells, nbytes = cells + own, nbytes - self.nbytes(moment, layer)
                if nbytes < 0 or (cells > QUICK and (own > CELLS // 8 or time.monotonic() > end)):
                    return
                self.layer(moment, layer)

    def pack(self, layers: Sequence[Sequence[int]]) -> Sent:
        """Pack the thumbnails of these layers of each frame, with their metrics."""
        chosen = [(moment, layer) for moment, numbers in enumerate(layers) for layer in numbers]
        packed = {place: self.layer(*place) for place in chosen}
        sent = [[(n, len(packed[moment, n].states)) for n in numbers] for moment, numbers in enumerate(layers)]
        return Sent(
            sent, b"".join(p.thumbnails for p in packed.values()), b"".join(p.metric_bytes for p in packed.values())
        )

    def nbytes(self, moment: int, layer: int) -> int:
        """Bytes of a layer's thumbnails and metrics, at most."""
        block = self.frames.block(moment, layer)
        spec = layer_spec(block)
        planes = 1 if shares_states(block.record) else block.record.heads
        return (block.record.heads + planes) * spec["rows"] * spec["columns"] + 8 * len(METRICS) * block.record.heads

    def _piece(self, moment: int, layer: int, first: int) -> Layer:
        block = self.frames.block(moment, layer)
        place = (moment, layer, first)
        with self._lock:
            if place not in self._kept:
                stop = min(first + self._step(block.record), block.record.heads)
                self._kept[place] = compute(block, range(first, stop))
            return self._kept[place]

    @staticmethod
    def _step(record: Record) -> int:
        """Heads of one answer."""
        return max(1, CELLS // max(1, record.queries * record.keys))


def _spread(piece: Layer) -> np.ndarray:
    """States with a plane for each head."""
    return np.broadcast_to(piece.states, piece.levels.shape)
