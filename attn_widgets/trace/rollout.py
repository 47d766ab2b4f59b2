"""The path of attention through the layers: which tokens a token draws on, layer by layer, raw or with the residual.

Layers whose rows and keys are the same tokens can be chained: what a token draws on at the input of layer `l` is
what it draws on at its output, times that layer's attention. For one token this is a product of a vector and a
matrix a layer; a matrix is only ever computed some rows at a time, so that long texts need little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int

from attn_widgets.errors import AttnError
from attn_widgets.trace.blocks import Block
from attn_widgets.trace.records import NOT_CAPTURED
from attn_widgets.trace.trace import AttentionTrace
from attn_widgets.trace.vectors import Vectors

Method = Literal["raw", "rollout"]
Heads = Literal["mean", "max", "head"]

TILE = 1 << 20
"""Numbers of a layer's attention that are held at a time."""

MOST_EDGES = 128
"""Edges of a layer that are kept, the strongest."""


class Mixing(NamedTuple):
    """What becomes one matrix of a layer.

    Attributes
    ----------
    method
        "raw": attention as it is; "rollout": half of it and half of the residual, rows renormalised.
    heads
        "mean" over the heads; "max" of them, rows renormalised; or the one "head".
    head
        Its number in every layer; the last one where a layer has fewer.
    """

    method: Method = "rollout"
    heads: Heads = "mean"
    head: int = 0


DEFAULT = Mixing()


class Edges(NamedTuple):
    """The strongest steps between the output of a layer (queries) and its input (keys), with their shares."""

    queries: Int[np.ndarray, " edge"]
    keys: Int[np.ndarray, " edge"]
    shares: Float32[np.ndarray, " edge"]


class Flow(NamedTuple):
    """What one token draws on.

    Attributes
    ----------
    layers
        Numbers of the chained layers, from below.
    shares
        For the input of each of these layers, and last for the output of the top one, each token's share. They sum
        to 1 but for what rows lost that see nothing or were not captured.
    edges
        Of each layer.
    """

    layers: tuple[int, ...]
    shares: Float64[np.ndarray, "column token"]
    edges: tuple[Edges, ...]


Mix = Callable[[Block, slice], Float32[np.ndarray, "row key"]]
"""Gives some rows of a layer's matrix."""


def chained(trace: AttentionTrace, layer: int) -> tuple[int, ...]:
    """Layers that can be chained with a layer, itself included: those of its kind, from below.

    Raises
    ------
    AttnError
        If the layer is cross-attention, its rows are not its keys, or another layer of its kind has other tokens.
    """
    own = trace.block(layer)
    if own.kind == "cross":
        raise AttnError(
            f"layer {layer} is cross-attention, whose keys are another text's tokens: there is no path through it; "
            "choose a layer of the encoder or the decoder, each is rolled out alone"
        )
    if own.query_tokens != own.key_tokens:
        raise AttnError(
            f"a path needs the same tokens as rows and keys; layer {layer} has {len(own.query_tokens)} rows and "
            f"{len(own.key_tokens)} keys" + (" that differ" if len(own.query_tokens) == len(own.key_tokens) else "")
        )
    alike = [block for block in trace.blocks if block.kind == own.kind]
    for block in alike:
        if (block.query_tokens, block.key_tokens) != (own.query_tokens, own.key_tokens):
            raise AttnError(
                f"a path needs layers with the same tokens; layer {layer} has {len(own.key_tokens)} keys, "
                f"layer {block.layer} has {len(block.query_tokens)} rows and {len(block.key_tokens)} keys"
            )
    return tuple(block.layer for block in alike)


def mixed(block: Block, rows: slice, mixing: Mixing = DEFAULT) -> Float32[np.ndarray, "row key"]:
    """Compute some rows of a layer's matrix.

    "rollout" is A = 0.5 W + 0.5 I, each row then divided by its sum (Abnar & Zuidema 2020, "Quantifying Attention
    Flow in Transformers", section 3), where W is the mean over the heads, their maximum or one head. A row that
    sees nothing keeps to itself; one that was not captured is zero.
    """
    record = block.record
    start, stop, _ = rows.indices(record.queries)
    chosen = range(record.heads) if mixing.heads != "head" else [min(mixing.head, record.heads - 1)]
    total = np.zeros((stop - start, record.keys), np.float32)
    with np.errstate(all="ignore"):
        for head in chosen:
            weights = record.weights(head, slice(start, stop))
            np.maximum(total, weights, out=total) if mixing.heads == "max" else np.add(total, weights, out=total)
        if mixing.heads == "mean":
            total /= len(chosen)
        elif mixing.heads == "max":
            _normalise(total)
        if mixing.method == "rollout":
            total *= 0.5
            total[np.arange(stop - start), np.arange(start, stop)] += 0.5
            _normalise(total)
    if not isinstance(record, Vectors):  # those know every cell
        unknown = [(record.states(head, slice(start, stop)) == NOT_CAPTURED).all(axis=1) for head in chosen]
        total[np.all(unknown, axis=0)] = 0
    return total


def _normalise(matrix: Float32[np.ndarray, "row key"]) -> None:
    """Divide rows by their sums in place; zeros stay."""
    sums = matrix.sum(axis=1, keepdims=True)
    matrix /= np.where(sums == 0, 1, sums)


def rollout(
    trace: AttentionTrace, layer: int | None = None, heads: Heads = "mean", head: int = 0
) -> Float64[np.ndarray, "query key"]:
    r"""Compute attention rollout up to the output of a layer.

    .. math:: \tilde A(l_i) = A(l_i) \tilde A(l_{i-1}) \text{ for } i > j, \quad \tilde A(l_j) = A(l_j)

    Source: Abnar & Zuidema 2020, arXiv:2005.00928, equation 1, with j the first layer of the same kind. A row says
    how much of each input token reached it.

    Parameters
    ----------
    trace
        Whose layers of one kind have the same tokens as rows and keys.
    layer
        Up to which; the last by default.
    heads, head
        As in `Mixing`.

    Raises
    ------
    AttnError
        If the layers cannot be chained, as `chained` says.
    """
    top = trace.layers - 1 if layer is None else layer
    whole: np.ndarray | None = None
    for number in chained(trace, top):
        if number > top:
            break
        matrix = mixed(trace.blocks[number], slice(None), Mixing("rollout", heads, head)).astype(np.float64)
        whole = matrix if whole is None else matrix @ whole
    assert whole is not None
    return whole


def flow(
    trace: AttentionTrace,
    query: int,
    layer: int,
    mixing: Mixing = DEFAULT,
    mix: Mix | None = None,
) -> Flow:
    """Follow one token from the output of the top layer down to the input tokens.

    A row of `rollout`, with all that lies between; with the method "raw" the same product without the residual.

    Parameters
    ----------
    trace
        Whose layers of one kind have the same tokens as rows and keys.
    query
        Position of the token.
    layer
        Any layer of the kind that is followed.
    mixing
        What becomes one matrix of a layer.
    mix
        Gives some rows of a layer's matrix, where they are kept; `mixed` by default.

    Raises
    ------
    AttnError
        If the layers cannot be chained, as `chained` says.
    """
    layers = chained(trace, layer)
    share = np.zeros(len(trace.blocks[layer].query_tokens))
    share[query] = 1
    shares, edges = [share], []
    for number in reversed(layers):
        share, strongest = _step(trace.blocks[number], share, mix or (lambda block, rows: mixed(block, rows, mixing)))
        shares.append(share)
        edges.append(strongest)
    return Flow(layers, np.stack(shares[::-1]), tuple(edges[::-1]))


def _step(block: Block, share: np.ndarray, mix: Mix) -> tuple[np.ndarray, Edges]:
    """Go down one layer: shares at its input, and its strongest edges; rows without a share are not computed."""
    below = np.zeros(block.record.keys)
    found = Edges(np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32))
    for rows in _tiles(share, block.record.keys):
        with np.errstate(all="ignore"):
            parts = share[rows, None].astype(np.float32) * mix(block, rows)  # (row, key)
            below += parts.sum(axis=0, dtype=np.float64)
        found = _strongest(found, parts, rows.start)
    return below, found


def _tiles(share: np.ndarray, keys: int) -> Iterator[slice]:
    """Stretches of rows that have a share, a tile at most."""
    most = max(1, TILE // max(1, keys))
    carrying = np.flatnonzero(share != 0)  # NaN carries on
    at = 0
    while at < len(carrying):
        first = int(carrying[at])
        at = int(np.searchsorted(carrying, first + most))
        yield slice(first, int(carrying[at - 1]) + 1)


def _strongest(found: Edges, parts: np.ndarray, first: int) -> Edges:
    """Merge the strongest of a tile into those found; NaN and zero are no edges."""
    floor = found.shares.min() if len(found.shares) == MOST_EDGES else 0.0
    rows, keys = np.nonzero(parts > floor)
    shares = parts[rows, keys]
    if len(shares) > MOST_EDGES:
        most = np.argpartition(-shares, MOST_EDGES)[:MOST_EDGES]
        rows, keys, shares = rows[most], keys[most], shares[most]
    queries, keys = np.concatenate([found.queries, rows + first]), np.concatenate([found.keys, keys])
    shares = np.concatenate([found.shares, shares])
    order = np.lexsort((keys, queries, -shares))[:MOST_EDGES]
    return Edges(queries[order], keys[order], shares[order])
