"""Pictures of whole heads that are too large to be sent exactly: what a panel shows without asking a kernel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from attn_widgets.panels import tiles
from attn_widgets.panels.lens import Lens, Matrix
from attn_widgets.trace import AttentionTrace

SIDE = 512
"""Codes along the longer side of an overview, at most; ``js/src/tiles.ts`` cuts tiles of this size."""

LARGEST = 1 << 17
"""Cells up to which a matrix is sent exactly; larger ones as pictures, with exact rows."""


@dataclass(frozen=True)
class Overviews:
    """Pictures of heads, one after the other, and where each belongs."""

    spec: list[dict[str, Any]]
    codes: bytes


def step_of(rows: int, columns: int) -> int:
    """Rows and columns to a code: the power of two that brings a matrix under `SIDE`."""
    step = 1
    while max(rows, columns) > SIDE * step:
        step *= 2
    return step


def size_of(rows: int, columns: int) -> int:
    """Bytes of an overview."""
    step = step_of(rows, columns)
    return -(-rows // step) * -(-columns // step)


def is_large(trace: AttentionTrace, layer: int) -> bool:
    """Whether the heads of a layer are too large to be sent exactly."""
    block = trace.blocks[layer]
    return len(block.query_tokens) * len(block.key_tokens) > LARGEST


def overviews(trace: AttentionTrace, moment: int, heads: Iterable[tuple[int, int]]) -> Overviews:
    """Make the pictures of heads.

    Parameters
    ----------
    trace
        The trace.
    moment
        Its number in the panel.
    heads
        ``(layer, head)``.
    """
    spec, codes = [], []
    for layer, head in heads:
        matrix = Matrix(trace, Lens(((layer, head),)))
        rows, columns = matrix.shape
        picture = tiles.picture(matrix, slice(0, rows), slice(0, columns), step_of(rows, columns), tiles.Scale())
        spec.append({"moment": moment, "layer": layer, "head": head, "size": picture.size})
        codes.append(picture.tobytes())
    return Overviews(spec, b"".join(codes))
