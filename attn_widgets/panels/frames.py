"""The traces of one panel: moments of training and, last, the trace itself; what exists in them and which fit."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widgets.errors import ConfigError
from attn_widgets.panels import spreads, wire
from attn_widgets.trace import AttentionTrace, Block

MOST_MOMENTS = 8


@dataclass(frozen=True)
class Packed:
    """Frames ready to be sent: their description, and what goes with them of the chosen heads."""

    frames: list[dict[str, Any]]
    weights: bytes
    states: bytes
    spreads: bytes = b""


@dataclass(frozen=True)
class Frames:
    """Traces with the same layers and heads, in order of training; the last one is the panel's own."""

    steps: tuple[int | None, ...]
    traces: tuple[AttentionTrace, ...]

    @classmethod
    def join(cls, trace: AttentionTrace, moments: Sequence[tuple[int, AttentionTrace]]) -> Frames:
        """Put moments in front of a trace; one that the last moment repeats is shown once.

        Raises
        ------
        ConfigError
            If there are too many moments, or their layers and heads are not those of the trace.
        """
        if not trace.blocks:
            raise ConfigError("the trace has no layers; trace a text, or give weights shaped (layer, head, query, key)")
        if not isinstance(moments, Sequence) or not all(map(_is_moment, moments)):
            raise ConfigError(f"moments must be pairs (step, AttentionTrace); given {reprlib.repr(moments)}")
        if len(moments) > MOST_MOMENTS:
            raise ConfigError(f"a panel shows at most {MOST_MOMENTS} moments; given {len(moments)}")
        shape = _shape(trace)
        for step, moment in moments:
            if _shape(moment) != shape:
                raise ConfigError(f"the moment at step {step} has {_shape(moment)} heads by layer, the trace {shape}")
        pairs: list[tuple[int | None, AttentionTrace]] = [(int(step), moment) for step, moment in moments]
        if not pairs or not _same(pairs[-1][1], trace):
            pairs.append((None, trace))
        return cls(tuple(step for step, _ in pairs), tuple(trace for _, trace in pairs))

    @property
    def last(self) -> int:
        """Number of the frame that shows the panel's own trace."""
        return len(self.traces) - 1

    def block(self, moment: int, layer: int) -> Block:
        """One layer of one frame."""
        return self.traces[moment].blocks[layer]

    def size(self, axis: str, at: Mapping[str, Any]) -> int:
        """How many positions an axis has, at the layer and moment in `at`."""
        if axis == "moment":
            return len(self.traces)
        if axis == "layer":
            return len(self.traces[0].blocks)
        block = self.block(at["moment"], at["layer"])
        return {"head": block.record.heads, "query": len(block.query_tokens), "key": len(block.key_tokens)}[axis]

    def everything(self) -> list[list[int]]:
        """Count out all heads of each frame."""
        return [list(range(sum(_shape(trace)))) for trace in self.traces]

    @property
    def nbytes(self) -> int:
        """Bytes of all weights as float32."""
        return sum(wire.frame_bytes(trace) for trace in self.traces)

    def within(self, budget: int, layer: int) -> list[list[int]]:
        """Heads whose bytes fit a budget: the given layer's first, then the last frame's others, then earlier moments.

        Earlier moments are kept whole or not at all, the newest first.
        """
        chosen: list[list[int]] = [[] for _ in self.traces]
        heads = list(wire.each_head(self.traces[-1]))
        for number in sorted(range(len(heads)), key=lambda n: (heads[n][0] != layer, n)):
            block = self.block(self.last, heads[number][0])
            budget -= 5 * len(block.query_tokens) * len(block.key_tokens)
            if budget < 0:
                break
            chosen[-1].append(number)
        chosen[-1].sort()
        for moment in reversed(range(self.last)):
            budget -= wire.frame_bytes(self.traces[moment]) * 5 // 4
            if budget < 0:
                break
            chosen[moment] = self.everything()[moment]
        return chosen

    def pack(self, chosen: Sequence[Sequence[int]]) -> Packed:
        """Describe all frames and send the weights of the chosen heads with them."""
        specs, weights, states = [], [], []
        for step, trace, numbers in zip(self.steps, self.traces, chosen, strict=True):
            packed = wire.pack_frame(trace, numbers)
            weights.append(packed.weights)
            states.append(packed.states)
            specs.append(
                {
                    **wire.frame_spec(trace, step),
                    "sent": list(numbers),
                    "planes": packed.planes,
                    "resting": packed.resting,
                }
            )
        return Packed(specs, b"".join(weights), b"".join(states), spreads.sent_with(self.traces, chosen))


def _is_moment(pair: Any) -> bool:
    return (
        isinstance(pair, Sequence)
        and len(pair) == 2
        and isinstance(pair[0], (int, np.integer))
        and isinstance(pair[1], AttentionTrace)
    )


def _shape(trace: AttentionTrace) -> tuple[int, ...]:
    """Heads of each layer."""
    return tuple(block.record.heads for block in trace.blocks)


def _same(one: AttentionTrace, other: AttentionTrace) -> bool:
    """Whether two traces of the same shape hold the same tokens and weights."""
    return one is other or all(
        a.query_tokens == b.query_tokens
        and a.key_tokens == b.key_tokens
        and all(
            np.array_equal(a.record.weights(head), b.record.weights(head), equal_nan=True)
            for head in range(a.record.heads)
        )
        for a, b in zip(one.blocks, other.blocks, strict=True)
    )
