"""Paths of attention as the front end is sent them: computed once, packed one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from attn_widgets.errors import AttnError
from attn_widgets.panels import wire
from attn_widgets.panels.base import Answer, PanelError
from attn_widgets.panels.frames import Frames
from attn_widgets.trace import Block
from attn_widgets.trace.mixing import Mixing, mixed
from attn_widgets.trace.rollout import Flow, Walk, chained

METHODS, HEADS = ("rollout", "raw"), ("mean", "max", "head")

KEPT_CELLS = 1 << 23
"""Cells of layers' matrices that are kept (32 MB): stepping through a short text's tokens computes none again."""

KEPT_FLOWS = 64

KEPT_WALKS = 8
"""Paths under way that are kept: whoever comes back to a token goes on where it was left."""

STRETCH = 0.5
"""Seconds that a request for a part of a path takes at most, but for one tile: others wait that long."""

FLOW_JSON = 160
"""About how many characters describe a packed flow."""


class Place(NamedTuple):
    """One path: its moment, any layer of the kind it goes through, its token, and what is chained."""

    moment: int
    layer: int
    query: int
    mixing: Mixing


def mixing_of(method: Any, heads: Any, head: int) -> Mixing:
    """Check what a request names."""
    for name, value, choices in (("method", method, METHODS), ("heads", heads, HEADS)):
        if not isinstance(value, str) or value not in choices:
            raise PanelError(f"{name} must be one of {', '.join(choices)}; given {str(value)[:40]!r}")
    return Mixing(method, heads, head if heads == "head" else 0)


class Flows:
    """Paths through the traces of a panel, with the last ones and the matrices of short texts kept."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._flows: dict[Place, Flow] = {}
        self._walks: dict[Place, Walk] = {}
        self._matrices: dict[tuple[int, int, Mixing], np.ndarray] = {}

    def cells(self, moment: int, layer: int, mixing: Mixing) -> int:
        """Cells of all matrices that a path needs, each head's counted."""
        blocks = [self._frames.block(moment, number) for number in chained(self._frames.traces[moment], layer)]
        each = sum(1 if mixing.heads == "head" else block.record.heads for block in blocks)
        return each * len(blocks[0].key_tokens) ** 2

    def get(self, place: Place) -> Flow:
        """Compute a path, or give the one that is kept."""
        place = self._named(place)
        found = self._flows.pop(place, None)
        if found is None:
            walk = self._walk(place)
            while not walk.ended:
                walk.advance()
            found = self._walks.pop(place).path
        self._flows[place] = found
        if len(self._flows) > KEPT_FLOWS:
            self._flows.pop(next(iter(self._flows)))
        return found

    def whole(self, place: Place, after: int) -> Answer:
        """Write all that comes after so many layers, counted from the top."""
        path = self.get(place)
        return _part(path, after, path.layers)

    def further(self, place: Place, after: int) -> Answer:
        """Write what comes after so many layers: the next one, or more where more is known.

        None may come yet: a large layer takes several stretches, and a path that was let go of begins anew.
        """
        place = self._named(place)
        if place not in self._flows:
            walk = self._walk(place)
            end = time.monotonic() + STRETCH
            while not walk.ended and walk.done <= after:
                walk.advance()
                if time.monotonic() > end:
                    break
            if not walk.ended:
                return _part(walk.path, after, walk.layers)
        return self.whole(place, after)

    def _named(self, place: Place) -> Place:
        """Name a path by the lowest of its layers: whoever steps through them asks for one and the same."""
        return place._replace(layer=chained(self._frames.traces[place.moment], place.layer)[0])

    def _walk(self, place: Place) -> Walk:
        """Give a path under way, or begin it."""

        def mix(block: Block, rows: slice) -> np.ndarray:
            return self._mix(place, block, rows)

        walk = self._walks.pop(place, None)
        if walk is None:
            walk = Walk(self._frames.traces[place.moment], place.query, place.layer, place.mixing, mix)
        self._walks[place] = walk
        if len(self._walks) > KEPT_WALKS:
            self._walks.pop(next(iter(self._walks)))
        return walk

    def _mix(self, place: Place, block: Block, rows: slice) -> np.ndarray:
        """Give some rows of a layer's matrix, from the whole one where all of them are small."""
        cells = len(block.key_tokens) ** 2
        if cells * len(self._frames.traces[place.moment].blocks) > KEPT_CELLS:
            return mixed(block, rows, place.mixing)
        name = (place.moment, block.layer, place.mixing)
        if name not in self._matrices:
            while (len(self._matrices) + 1) * cells > KEPT_CELLS:
                self._matrices.pop(next(iter(self._matrices)))
            self._matrices[name] = mixed(block, slice(None), place.mixing)
        return self._matrices[name][rows]

    def refusals(self) -> list[list[str]]:
        """For each moment and layer one line that says why there is no path through it; '' where there is."""

        def refusal(moment: int, layer: int) -> str:
            try:
                chained(self._frames.traces[moment], layer)
            except AttnError as error:
                return str(error)
            return ""

        return [[refusal(m, layer) for layer in range(trace.layers)] for m, trace in enumerate(self._frames.traces)]

    def order(self, first: Place) -> Iterator[Place]:
        """All paths of a moment through the layers of one kind: near tokens first, then other ways to chain."""
        trace = self._frames.traces[first.moment]
        layers = chained(trace, first.layer)
        heads = max(trace.blocks[number].record.heads for number in layers)
        ways = [Mixing(method, "mean") for method in METHODS] + [Mixing(method, "max") for method in METHODS]  # type: ignore[arg-type]
        ways += [Mixing(method, "head", head) for head in range(heads) for method in METHODS]  # type: ignore[arg-type]
        queries = sorted(range(len(trace.blocks[layers[0]].query_tokens)), key=lambda q: (abs(q - first.query), q))
        for way in sorted(ways, key=lambda way: (way != first.mixing, way.method != first.mixing.method)):
            for query in queries:
                yield Place(first.moment, layers[0], query, way)

    def pack(self, order: Iterable[Place], room: int, seconds: float) -> tuple[list[dict[str, Any]], bytes]:
        """Pack paths in this order while there is room and time; at least one where it fits."""
        end, size = time.monotonic() + seconds, 0
        told: list[dict[str, Any]] = []
        parts: list[bytes] = []
        for place in order:
            if told and time.monotonic() > end:
                break
            content, buffers = answer(self.get(place))
            data = b"".join(buffers)
            if size + len(data) + FLOW_JSON * (len(told) + 1) > room:
                break
            way = place.mixing
            where = {"moment": place.moment, "query": place.query, "method": way.method, "heads": way.heads}
            told.append({**where, "head": way.head, **content, "at": size})
            parts.append(data)
            size += len(data)
        return told, b"".join(parts)


def answer(path: Flow) -> Answer:
    """Write a path: its layers and the number of edges of each; shares, then the edges' queries, keys and shares."""
    content = {"layers": list(path.layers), "counts": [len(edges.shares) for edges in path.edges]}
    queries, keys, shares = (np.concatenate(column) for column in zip(*path.edges, strict=True))
    places = [np.ascontiguousarray(column, "<i4").tobytes() for column in (queries, keys)]
    return content, [wire.weight_bytes(path.shares), *places, wire.weight_bytes(shares)]


def _part(path: Flow, after: int, layers: tuple[int, ...]) -> Answer:
    """Write the layers of a path, perhaps not yet a whole one, that come after so many; `done` have come in all."""
    done = len(path.layers)
    new = max(0, done - after)
    told = {"all": list(layers), "done": done}
    if not new:
        return {**told, "layers": [], "counts": []}, []
    content, buffers = answer(Flow(path.layers[:new], path.shares[: new + 1], path.edges[:new]))
    return {**told, **content}, buffers
