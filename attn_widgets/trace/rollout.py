"""The path of attention through the layers: which tokens a token draws on, layer by layer, raw or with the residual.

Layers whose rows and keys are the same tokens can be chained: what a token draws on at the input of layer `l` is
what it draws on at its output, times that layer's attention. For one token this is a product of a vector and a
matrix a layer; a matrix is only ever computed some rows at a time, so that long texts need little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int

from attn_widgets.errors import AttnError
from attn_widgets.trace.blocks import Block
from attn_widgets.trace.mixing import DEFAULT, Heads, Mixing, mixed
from attn_widgets.trace.trace import AttentionTrace

TILE = 1 << 20
"""Numbers of a layer's attention that are held at a time."""

MOST_EDGES = 128
"""Edges of a layer that are kept, the strongest."""


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
    walk = Walk(trace, query, layer, mixing, mix)
    while not walk.ended:
        walk.advance()
    return walk.path


class Walk:
    """A path under way: from the top layer down, some rows of a layer at a time.

    Parameters
    ----------
    trace, query, layer, mixing, mix
        As in `flow`.
    """

    def __init__(
        self, trace: AttentionTrace, query: int, layer: int, mixing: Mixing = DEFAULT, mix: Mix | None = None
    ) -> None:
        self.layers = chained(trace, layer)
        self._trace = trace
        self._mix: Mix = mix or (lambda block, rows: mixed(block, rows, mixing))
        share = np.zeros(len(trace.blocks[layer].query_tokens))
        share[query] = 1
        self._shares, self._edges = [share], list[Edges]()  # from the top
        self._rows, self._below, self._found = self._begin()

    @property
    def done(self) -> int:
        """Layers that have been gone through."""
        return len(self._edges)

    @property
    def ended(self) -> bool:
        """Whether the path has come to the input of the lowest layer."""
        return self.done == len(self.layers)

    @property
    def path(self) -> Flow:
        """What has come: the path through the layers that have been gone through, the upper ones."""
        return Flow(self.layers[len(self.layers) - self.done :], np.stack(self._shares[::-1]), tuple(self._edges[::-1]))

    def advance(self) -> None:
        """Go on by a tile of rows; rows without a share are not computed."""
        block = self._trace.blocks[self.layers[-1 - self.done]]
        rows = next(self._rows, None)
        if rows is None:
            self._shares.append(self._below)
            self._edges.append(self._found)
            self._rows, self._below, self._found = self._begin()
            return
        with np.errstate(all="ignore"):
            parts = self._shares[-1][rows, None].astype(np.float32) * self._mix(block, rows)  # (row, key)
            self._below += parts.sum(axis=0, dtype=np.float64)
        self._found = _strongest(self._found, parts, rows.start)

    def _begin(self) -> tuple[Iterator[slice], np.ndarray, Edges]:
        """Rows of the next layer, and the shares and edges at its input, of which nothing is known yet."""
        share = self._shares[-1]
        nothing = Edges(np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32))
        return _tiles(share, len(share)), np.zeros(len(share)), nothing


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
