"""Queries and keys as the front end is sent them: those of one pair, or all that a head has.

A pair comes with its whole row, so that its softmax can be followed. A head is packed as its parts (one,
unless a generation moved its window): vectors, the range and mask of each row, or plain weights where a layer
has no vectors. ``js/src/vectors.ts`` computes any row from them, as the records do.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from attn_widgets.panels import wire
from attn_widgets.panels.base import Answer
from attn_widgets.panels.frames import Frames
from attn_widgets.trace import (
    VALUE,
    AdditiveRecord,
    Block,
    DotProductRecord,
    Part,
    Record,
    StackedRecord,
)

REASONS = {
    "weights": "No vectors: of this layer only weights were kept, as given (raw arrays, or a score that is no product "
    "of two vectors), so there is no query, key or score to show.",
    "outside": "No key vector: this token had left the model's window when the row was computed.",
    "nothing": "Nothing of this row was captured.",
}
"""Why a pair has no vectors, in one line."""

Place = tuple[int, int, int]
"""Moment, layer and head."""

HEAD_JSON = 420
"""About how many characters describe a packed part."""


def parts_of(record: Record, row: int = 0, key: int = 0) -> Iterator[Part]:
    """Flatten records that are stacked under each other, with absolute positions; a plain record is one part."""
    if not isinstance(record, StackedRecord):
        yield Part(row, key, record)
        return
    for first_row, first_key, part in record.parts:
        yield from parts_of(part, row + first_row, key + first_key)


def pair(block: Block, head: int, query: int, key: int | None) -> Answer:
    """Everything about one pair and its row; without a `key` it is the one with the largest weight.

    Returns
    -------
    dict
        ``key``; ``kind``: "dot_product", "additive" or "weights"; ``scale``, ``score`` and ``weight``, None where
        there is none or it is not finite; ``state``; and, where vectors are missing, ``reason``.
    list of bytes
        Query, key, v and b (of additive scores), then of the whole row scores, weights (float32) and states
        (uint8); empty where there are none.
    """
    record = block.record
    weights, states = record.weights(head, query)[0], record.states(head, query)[0]
    scores = record.scores(head, query)
    column = strongest(weights, states) if key is None else key
    made = vectors_of(record, head, query, column)
    content: dict[str, Any] = {"key": column, "kind": made.kind, "scale": made.scale}
    content["score"] = None if scores is None else number(scores[0, column])
    content |= {"weight": number(weights[column]), "state": int(states[column])}
    content |= {"reason": REASONS[made.missing]} if made.missing else {}
    row = [b"" if scores is None else wire.weight_bytes(scores[0]), wire.weight_bytes(weights)]
    packed = [b"" if vector is None else wire.weight_bytes(vector) for vector in (made.q, made.k, made.v, made.b)]
    return content, [*packed, *row, wire.state_bytes(states)]


class PairVectors(NamedTuple):
    """What the score of one pair is made of; `missing` names one of `REASONS` where vectors are missing."""

    kind: str
    scale: float | None = None
    q: np.ndarray | None = None
    k: np.ndarray | None = None
    v: np.ndarray | None = None
    b: np.ndarray | None = None
    missing: str = ""

    def terms(self) -> np.ndarray | None:
        """Numbers whose sum, times the scale, is the score: q · k, or v · tanh(q + k + b), an entry a dimension."""
        if self.q is None or self.k is None:
            return None
        q, k = self.q.astype(np.float32), self.k.astype(np.float32)
        with np.errstate(all="ignore"):
            return q * k if self.v is None or self.b is None else self.v * np.tanh(q + k + self.b)


def vectors_of(record: Record, head: int, query: int, key: int) -> PairVectors:
    """Give the vectors of one pair, from the part of the record that holds the row."""
    for row, first, part in parts_of(record):
        if not row <= query < row + part.queries:
            continue
        if not isinstance(part, DotProductRecord | AdditiveRecord):
            return PairVectors("weights", missing="weights")
        inside = first <= key < first + part.keys
        q = part.query[head, query - row]
        k = part.key[group(part, head), key - first] if inside else None
        missing = "" if inside else "outside"
        if isinstance(part, DotProductRecord):
            return PairVectors("dot_product", float(part.scale), q, k, missing=missing)
        return PairVectors("additive", 1.0, q, k, part.v[head], part.b[head], missing)
    return PairVectors("weights", missing="nothing")


def group(record: DotProductRecord | AdditiveRecord, head: int) -> int:
    """Which key head a query head reads."""
    return head // (record.heads // len(record.key))


def number(value: Any) -> float | None:
    """Every digit of a number; None where it is not finite (JSON has no NaN)."""
    exact = float(value)
    return exact if math.isfinite(exact) else None


def strongest(weights: np.ndarray, states: np.ndarray) -> int:
    """Key with the largest weight of a row, NaN last; 0 where the row sees nothing."""
    worth = np.where((states == VALUE) & ~np.isnan(weights), weights, -np.inf)
    return int(worth.argmax()) if worth.size else 0


@dataclass
class Packer:
    """Arrays one after the other in one piece of memory; one that is given again is kept once."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    _places: dict[Hashable, int] = field(default_factory=dict)

    def cost(self, arrays: Mapping[Hashable, np.ndarray]) -> int:
        """How many bytes arrays would add."""
        return sum(-(-array.nbytes // 4) * 4 for name, array in arrays.items() if name not in self._places)

    def add(self, name: Hashable, array: np.ndarray) -> int:
        """Keep an array (float32, int32 or uint8) under a name that is its own; returns where it starts."""
        if name not in self._places:
            data = np.ascontiguousarray(array).tobytes()
            self._places[name] = self.size
            self.parts.append(data + bytes(-len(data) % 4))
            self.size += len(self.parts[-1])
        return self._places[name]


def pack(frames: Frames, order: Iterable[Place], room: int) -> tuple[dict[str, Any], bytes]:
    """Pack heads in this order for as long as they fit into `room` bytes.

    Returns
    -------
    dict
        ``heads``, each with its moment, layer, head and parts; ``reasons``.
    bytes
        What the parts' offsets point into.
    """
    packer, heads, described = Packer(), [], 0
    for moment, layer, head in order:
        held = list(parts_of(frames.block(moment, layer).record))
        if sum(map(_least, held)) > room:  # before anything is computed
            break
        parts = [_arrays(part, head) for part in held]
        arrays = {name: array for _, kept in parts for name, array in kept.values()}
        described += HEAD_JSON * len(parts)
        if packer.size + packer.cost(arrays) + described > room:
            break
        told = [{**facts, **{what: packer.add(*named) for what, named in kept.items()}} for facts, kept in parts]
        heads.append({"moment": moment, "layer": layer, "head": head, "parts": told})
    return {"heads": heads, "reasons": REASONS}, b"".join(packer.parts)


def _least(part: Part) -> int:
    """Bytes that a head's part takes at least, where it keeps plain weights."""
    plain = not isinstance(part.record, DotProductRecord | AdditiveRecord)
    return 5 * part.record.queries * part.record.keys if plain else 0


def _arrays(part: Part, head: int) -> tuple[dict[str, Any], dict[str, tuple[Hashable, np.ndarray]]]:
    """Facts about a head's part, and its arrays with names of their own, by what they are."""
    row, key, record = part
    facts: dict[str, Any] = {"row": row, "key": key, "queries": record.queries, "keys": record.keys}
    if not isinstance(record, DotProductRecord | AdditiveRecord):
        plain = {"weights": record.weights(head).astype("<f4"), "states": record.states(head)}
        return {**facts, "kind": "weights"}, {name: ((id(record), head, name), a) for name, a in plain.items()}
    shared = group(record, head)
    held: dict[str, tuple[Hashable, np.ndarray]] = {
        "q": ((id(record), head, "q"), record.query[head].astype("<f4")),
        "k": ((id(record.key), shared, "k"), record.key[shared].astype("<f4")),
        "start": (id(record.start), record.start.astype("<i4")),
        "stop": (id(record.stop), record.stop.astype("<i4")),
    }
    if record.mask is not None:
        held["mask"] = (id(record.mask), record.mask.astype(np.uint8))
    facts["dim"] = record.query.shape[2]
    if isinstance(record, DotProductRecord):
        return {**facts, "kind": "dot_product", "scale": float(record.scale)}, held
    held["v"] = ((id(record), head, "v"), record.v[head].astype("<f4"))
    held["b"] = ((id(record), head, "b"), record.b[head].astype("<f4"))
    return {**facts, "kind": "additive", "scale": 1.0}, held


def nearest(frames: Frames, moment: int, layer: int, head: int) -> list[Place]:
    """All heads, the given one first, then its layer, then its moment, then the rest."""
    places = [(m, *place) for m, trace in enumerate(frames.traces) for place in trace.iter_heads()]
    return sorted(places, key=lambda p: (p[0] != moment, p[1] != layer, p[1:] != (layer, head), p))
