"""A transformer that reads a source and writes a target (Vaswani et al. 2017, section 3.1).

Arranged like T5 (Raffel et al., arXiv:1910.10683, section 2.1): norms before each sublayer and behind each stack,
one embedding for both sides. Positions enter self-attention as configured, not T5's relative biases; attention
from target to source knows none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, cast

from jaxtyping import Int
from torch import Tensor, nn

from attn_widgets.attention import padding_mask
from attn_widgets.config import ModelConfig
from attn_widgets.models.base import SourceToTarget
from attn_widgets.models.heads import heads_of_records
from attn_widgets.models.norms import make_norm
from attn_widgets.models.parts import drop, initialise
from attn_widgets.models.positions import Positions, Rotary
from attn_widgets.models.stack import DecoderLayer, EncoderLayer, KeysValues, Sight
from attn_widgets.trace.blocks import Kind


class Memory(NamedTuple):
    """What the encoder made of the source.

    Attributes
    ----------
    states
        Float[Tensor, "batch source dim"], normed.
    visible
        Bool[Tensor, "batch 1 1 source"]: where there is a token and no padding.
    records
        One per encoder layer; None unless asked for.
    """

    states: Tensor
    visible: Tensor
    records: tuple[Any, ...] | None = None


class State(NamedTuple):
    """What decoding goes on from; nothing in it is ever written to.

    Attributes
    ----------
    position
        Of the next token.
    visible
        As in ``Memory``.
    source
        Keys and values of the source, per decoder layer.
    past
        Keys and values of the target so far, per decoder layer; () before the first token.
    """

    position: int
    visible: Tensor
    source: tuple[KeysValues, ...]
    past: tuple[KeysValues, ...] = ()


class EncoderDecoder(SourceToTarget):
    """An encoder–decoder transformer.

    Records and ``ablate`` count the encoder's layers first, then the decoder's self-attentions, then its
    cross-attentions.

    Parameters
    ----------
    config
        Shape and options; ``layers`` of the encoder and as many of the decoder.
    vocab_size
        Number of token ids, of source and target alike.
    """

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        layers = config.layers
        self.dropout = config.dropout
        self.embedding = nn.Embedding(vocab_size, config.dim)
        self.source_positions, self.target_positions = Positions(config), Positions(config)
        self.rotary = (
            Rotary(config.head_dim, config.context, config.rope_theta) if config.positions == "rotary" else None
        )
        self.encoder = nn.ModuleList(EncoderLayer(config, i) for i in range(layers))
        self.encoder_norm = make_norm(config)
        self.decoder = nn.ModuleList(DecoderLayer(config, layers + i, 2 * layers + i) for i in range(layers))
        self.decoder_norm = make_norm(config)
        self.head = nn.Linear(config.dim, vocab_size, bias=False)
        if config.tied:
            self.head.weight = self.embedding.weight
        initialise(self, 3 * layers)
        initialise(self.encoder, 2 * layers)
        if not config.tied:
            nn.init.normal_(self.embedding.weight, std=0.3)

    def encode(
        self,
        source: Int[Tensor, "batch source"],
        lengths: Int[Tensor, " batch"],
        *,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
    ) -> Memory:
        """Read the source; the encoder's heads come first in `ablate`.

        Raises
        ------
        ConfigError
            For a head that is not there, or a source longer than the context where positions end.
        """
        visible = padding_mask(lengths, source.shape[1])
        sight = self._sight(0, source.shape[1], visible, record, ablate)
        x = drop(self.source_positions(self.embedding(source)), self.dropout, self.training)  # (B, S, D)
        records: list[Any] = []
        for layer in self.encoder:
            x, left = layer(x, sight)
            records += left
        return Memory(self.encoder_norm(x), visible, tuple(records) if record else None)

    def begin(self, memory: Memory) -> State:
        """State of the decoder before its first token; it holds all that the decoder needs of `memory`."""
        source = tuple(layer.cross.remember(memory.states) for layer in cast(Iterable[DecoderLayer], self.decoder))
        return State(0, memory.visible, source)

    def reorder(self, state: State, rows: Int[Tensor, " rows"]) -> State:
        """State of other rows: of the hypotheses that a beam goes on with."""

        def picked(pairs: tuple[KeysValues, ...]) -> tuple[KeysValues, ...]:
            return tuple((key.index_select(0, rows), value.index_select(0, rows)) for key, value in pairs)

        return State(state.position, state.visible.index_select(0, rows), picked(state.source), picked(state.past))

    def kinds(self) -> tuple[Kind, ...]:
        """Name what each record is, in their order."""
        kinds: tuple[Kind, ...] = ("encoder", "decoder", "cross")
        return tuple(kind for kind in kinds for _ in range(self.config.layers))

    def _read(
        self, memory: Memory, state: State, target: Tensor, record: bool, ablate: Collection[tuple[int, int]]
    ) -> tuple[Tensor, list[Any], State]:
        start, stop = state.position, state.position + target.shape[1]
        sight = self._sight(start, stop, state.visible, record, ablate)
        x = drop(self.target_positions(self.embedding(target), start), self.dropout, self.training)  # (B, T, D)
        records: list[Any] = []
        past: list[KeysValues] = []
        for i, layer in enumerate(self.decoder):
            x, left, held = layer(x, state.source[i], sight, state.past[i] if state.past else None)
            records += left
            past.append(held)
        ordered = records[0::2] + records[1::2]  # each layer left two: of itself and of the source
        return self.head(self.decoder_norm(x)), ordered, state._replace(position=stop, past=tuple(past))

    def _sight(
        self, start: int, stop: int, visible: Tensor, record: bool, ablate: Collection[tuple[int, int]]
    ) -> Sight:
        weight = self.embedding.weight
        ablated = heads_of_records(ablate, 3 * self.config.layers, self.config.heads, weight.device)
        return Sight(None if self.rotary is None else self.rotary(start, stop, weight.dtype), visible, record, ablated)
