"""`AttentionTrace`: what every head of a model looked at, for one text or one generation.

NumPy in and out; knows nothing of models, tokenizers or screens. Weights are recomputed on
demand, one head and any rows and columns at a time. Axes are ordered layer, head, query,
key; a row is the reading position, a column what it looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from attn_widgets.errors import AttnError
from attn_widgets.trace.arrays import blocks_from_arrays
from attn_widgets.trace.blocks import Block, Kind, Meta, Predictions
from attn_widgets.trace.files import read_trace, write_trace
from attn_widgets.trace.find import HeadWeight, find_heads
from attn_widgets.trace.means import MeanRecord
from attn_widgets.trace.records import ALL, MASKED, NOT_CAPTURED, VALUE, Index


@dataclass(frozen=True, eq=False, repr=False)
class AttentionTrace:
    """What every head looked at.

    Attributes
    ----------
    blocks
        One a layer, in the order of the layers.
    predictions
        The top next token at each query row, for a language model; of an encoder–decoder at each row of the decoder.
    meta
        Provenance: the text, the model's hash, switched-off heads and the like.
    """

    blocks: Sequence[Block]
    predictions: Predictions | None = None
    meta: Meta = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.blocks:
            raise AttnError("a trace needs at least one layer")
        for place, block in enumerate(self.blocks):
            if block.layer != place:
                raise AttnError(f"block {place} calls itself layer {block.layer}; layers count calls from 0")
        rows = next((b.query_tokens for b in self.blocks if b.kind != "encoder"), self.tokens)
        if self.predictions is not None and len(self.predictions.tokens) != len(rows):
            raise AttnError(f"{len(self.predictions.tokens)} predictions for {len(rows)} query rows")
        object.__setattr__(self, "blocks", tuple(self.blocks))

    @classmethod
    def from_arrays(
        cls,
        weights: Any,
        tokens: Sequence[str] | None = None,
        key_tokens: Sequence[str] | None = None,
        batch: int | None = None,
        mask: Any = None,
        kind: Kind = "decoder",
    ) -> AttentionTrace:
        """Make a trace of weights computed elsewhere, taken as they are.

        Parameters
        ----------
        weights
            NumPy array or torch tensor with the axes (query, key), (head, query, key),
            (layer, head, query, key) or (layer, batch, head, query, key); or a list with an
            array a layer, (batch, head, query, key) or fewer, as transformers returns them.
        tokens, key_tokens
            Text of the rows and columns; positions as text when not given. One of them is
            enough when there are as many rows as columns.
        batch
            Which member of a batch; needed when there are several.
        mask
            True where a row may see a key; broadcast to the weights (of each layer, for a list).
        kind
            What the layers are; says how a panel names the axes.

        Raises
        ------
        AttnError
            If a shape, a length or a value's type does not fit.
        """
        return cls(blocks_from_arrays(weights, tokens, key_tokens, batch, mask, kind))

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.blocks)

    @property
    def heads(self) -> int | tuple[int, ...]:
        """Heads of a layer; a tuple with each layer's number where they differ."""
        counts = tuple(block.record.heads for block in self.blocks)
        return counts[0] if len(set(counts)) == 1 else counts

    @property
    def tokens(self) -> tuple[str, ...]:
        """Tokens of the query rows."""
        return self.blocks[0].query_tokens

    @property
    def key_tokens(self) -> tuple[str, ...]:
        """Tokens of the key columns."""
        return self.blocks[0].key_tokens

    @property
    def nbytes(self) -> int:
        """Bytes of memory held by the records, counting what layers share once."""
        held = {id(array): array.nbytes for block in self.blocks for array in block.record.arrays().values()}
        return sum(held.values()) + (self.predictions.probabilities.nbytes if self.predictions else 0)

    def predictions_of(self, layer: int) -> Predictions | None:
        """Predictions beside the rows of a layer; None for an encoder that a decoder reads from."""
        beside = self.blocks[layer].kind != "encoder" or all(block.kind == "encoder" for block in self.blocks)
        return self.predictions if beside else None

    def iter_heads(self) -> Iterator[tuple[int, int]]:
        """All ``(layer, head)`` in order."""
        return ((block.layer, head) for block in self.blocks for head in range(block.record.heads))

    def block(self, layer: int) -> Block:
        """Give the block of a layer."""
        if not hasattr(layer, "__index__") or not 0 <= layer < self.layers:
            raise AttnError(f"layer {layer} does not exist; the trace has {self.layers}: 0 to {self.layers - 1}")
        return self.blocks[layer]

    def weights(
        self, layer: int, head: int, queries: Index = ALL, keys: Index = ALL
    ) -> Float32[np.ndarray, "query key"]:
        """Attention weights of one head; 0 where masked or not captured (`visible`, `captured`, `states` tell).

        Rows and columns are slices; a single position gives an axis of length one.
        """
        return self.block(layer).record.weights(head, queries, keys)

    def scores(
        self, layer: int, head: int, queries: Index = ALL, keys: Index = ALL
    ) -> Float32[np.ndarray, "query key"] | None:
        """Scores before the softmax: -inf where masked, NaN where not captured; None where only weights are kept."""
        return self.block(layer).record.scores(head, queries, keys)

    def states(self, layer: int, head: int, queries: Index = ALL, keys: Index = ALL) -> UInt8[np.ndarray, "query key"]:
        """0 where there is a value (zero and NaN are values), 1 masked, 2 not captured."""
        return self.block(layer).record.states(head, queries, keys)

    def visible(self, layer: int, head: int, queries: Index = ALL, keys: Index = ALL) -> Bool[np.ndarray, "query key"]:
        """Tell masked cells, which are False."""
        seen: np.ndarray = self.states(layer, head, queries, keys) != MASKED
        return seen

    def captured(self, layer: int, head: int, queries: Index = ALL, keys: Index = ALL) -> Bool[np.ndarray, "query key"]:
        """Tell cells of which nothing is known, which are False."""
        known: np.ndarray = self.states(layer, head, queries, keys) != NOT_CAPTURED
        return known

    def spread(
        self, layer: int, head: int, queries: Index = ALL, keys: Index = ALL
    ) -> Float32[np.ndarray, "query key"] | None:
        """Give the standard deviation of each cell where this trace is the mean of several texts; None for one text."""
        record = self.block(layer).record
        return record.spread(head, queries, keys) if isinstance(record, MeanRecord) else None

    def counts(
        self, layer: int, head: int, queries: Index = ALL, keys: Index = ALL
    ) -> Int32[np.ndarray, "query key"] | None:
        """Count the texts that have each cell where this trace is the mean of several; None for one text."""
        record = self.block(layer).record
        return record.counts(head, queries, keys) if isinstance(record, MeanRecord) else None

    def mean(
        self, layer: int | None = None, queries: Index = ALL, keys: Index = ALL
    ) -> Float32[np.ndarray, "query key"]:
        """Mean weight over the heads of a layer, or over all heads of all layers.

        A head that did not capture a cell does not count there; a masked one counts as 0.
        """
        total, count = 0.0, 0
        for at, head in self._alike(layer):
            total = np.add(total, self.weights(at, head, queries, keys), dtype=np.float64)
            count = np.add(count, self.captured(at, head, queries, keys))
        return np.asarray(np.divide(total, np.maximum(count, 1)), np.float32)

    def mean_states(
        self, layer: int | None = None, queries: Index = ALL, keys: Index = ALL
    ) -> UInt8[np.ndarray, "query key"]:
        """States of `mean`: a value where any head has one, masked where a head knows that, else not captured."""
        values, masked = np.False_, np.False_
        for at, head in self._alike(layer):
            states = self.states(at, head, queries, keys)
            values, masked = values | (states == VALUE), masked | (states == MASKED)
        return np.where(values, VALUE, np.where(masked, MASKED, NOT_CAPTURED)).astype(np.uint8)

    def _alike(self, layer: int | None) -> list[tuple[int, int]]:
        """All heads of a layer, or of all layers, which then must agree in rows and keys."""
        if layer is not None:
            return [(layer, head) for head in range(self.block(layer).record.heads)]
        shapes = sorted({(block.record.queries, block.record.keys) for block in self.blocks})
        if len(shapes) > 1:
            raise AttnError(f"layers differ in rows and keys {shapes}; give a layer to take the mean over its heads")
        return list(self.iter_heads())

    def find(self, query: int | str, key: int | str) -> list[HeadWeight]:
        """All heads ranked by the weight that the row `query` puts on `key`, the largest first.

        A position is a number (negative from the end), a token its text if it stands there once.
        """
        return find_heads(self.blocks, query, key)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one ``.safetensors`` file, whole or not at all."""
        write_trace(path, self.blocks, self.predictions, self.meta)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> AttentionTrace:
        """Read a file that `save` wrote; the arrays are equal bit for bit.

        Raises
        ------
        AttnError
            If there is no such file, or it is damaged or holds something else.
        """
        return cls(*read_trace(path))

    def __repr__(self) -> str:
        rows, columns = len(self.tokens), len(self.key_tokens)
        size = f"tokens={rows}" if rows == columns else f"tokens={rows}, key_tokens={columns}"
        return f"AttentionTrace(layers={self.layers}, heads={self.heads}, {size})"
