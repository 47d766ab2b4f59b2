"""Convolutions that read a source and write a target, with attention in every decoder layer.

Gehring et al. 2017 (arXiv:1705.03122), whose equations 1 and 2 are the attention. The paper's own
model is ``--attention dot --heads 1``; other mechanisms and more heads take the places of its dot product.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from attn_widgets.attention import padding_mask
from attn_widgets.config import ModelConfig
from attn_widgets.models.base import SourceToTarget
from attn_widgets.models.convolution import HALF, AttentiveConvolution, Convolution, Memory
from attn_widgets.models.heads import heads_of_records
from attn_widgets.models.parts import drop
from attn_widgets.models.positions import Positions
from attn_widgets.trace.blocks import Kind


class State(NamedTuple):
    """What decoding goes on from; nothing in it is ever written to.

    Attributes
    ----------
    past
        Float[Tensor, "batch layer kernel-1 dim"]: the last inputs of each layer, zeros before the first token.
    position
        Of the next token.
    """

    past: Tensor
    position: int = 0


class ConvSeq2Seq(SourceToTarget):
    """A convolutional encoder–decoder with an attention in every decoder layer.

    Positions are always embedded: learned as in the paper (section 3.1), or sinusoidal if `config` says so.
    Source and target share one vocabulary and one token embedding. The order of sums in a decoder layer and the
    factor √m are those of the authors' code; its weight normalisation and its smaller gradients of the encoder
    are left out: the optimizers here normalise what they change.

    Parameters
    ----------
    config
        Shape and options; ``layers`` of the encoder and as many of the decoder.
    vocab_size
        Number of token ids.
    """

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        kind = "sinusoidal" if config.positions == "sinusoidal" else "learned"
        self.embedding = nn.Embedding(vocab_size, config.dim)
        self.source_positions, self.target_positions = Positions(config, kind), Positions(config, kind)
        self.source_map, self.states_map, self.target_map = (nn.Linear(config.dim, config.dim) for _ in range(3))
        self.encoder = nn.ModuleList(Convolution(config) for _ in range(config.layers))
        self.decoder = nn.ModuleList(AttentiveConvolution(config) for _ in range(config.layers))
        self.head = nn.Linear(config.dim, vocab_size, bias=False)
        if config.tied:
            self.head.weight = self.embedding.weight
        self._initialise()

    def encode(
        self,
        source: Int[Tensor, "batch source"],
        lengths: Int[Tensor, " batch"],
        *,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
    ) -> Memory:
        """Read the source; nothing attends here.

        Raises
        ------
        ConfigError
            For a source longer than the context, or a head that is not there.
        """
        self._ablated(ablate)
        visible = padding_mask(lengths, source.shape[1])
        hidden = ~visible[:, 0, 0, :, None]  # (B, S, 1)
        embedded = self.source_positions(self.embedding(source))
        embedded = drop(embedded, self.config.dropout, self.training)  # e: (B, S, D)
        before, after = (self.config.kernel - 1) // 2, self.config.kernel // 2
        x = self.source_map(embedded)
        for convolution in self.encoder:
            x = x.masked_fill(hidden, 0.0)  # behind a text there is what is before it: nothing
            x = (convolution(F.pad(x, (0, 0, before, after))) + x) * HALF
        states = self.states_map(x)
        return Memory(states, states + embedded, visible, () if record else None)

    def begin(self, memory: Memory) -> State:
        """State of the decoder before its first token."""
        batch, _, dim = memory.states.shape
        return State(memory.states.new_zeros(batch, self.config.layers, self.config.kernel - 1, dim))

    def reorder(self, state: State, rows: Int[Tensor, " rows"]) -> State:
        """State of other rows: of the hypotheses that a beam goes on with."""
        return state._replace(past=state.past.index_select(0, rows))

    def kinds(self) -> tuple[Kind, ...]:
        """Name what each record is, in their order."""
        kind: Kind = "cross"
        return (kind,) * self.config.layers

    def _read(
        self, memory: Memory, state: State, target: Tensor, record: bool, ablate: Collection[tuple[int, int]]
    ) -> tuple[Tensor, list[Any], State]:
        ablated, past, rate = self._ablated(ablate), self.config.kernel - 1, self.config.dropout
        embedded = self.target_positions(self.embedding(target), state.position)
        embedded = drop(embedded, rate, self.training)  # g: (B, T, D)
        x, records, held = self.target_map(embedded), [], []
        for i, layer in enumerate(cast(Iterable[AttentiveConvolution], self.decoder)):
            padded = torch.cat((state.past[:, i].to(x.dtype), x), 1)
            held.append(padded[:, padded.shape[1] - past :])
            x, left = layer(padded, embedded, memory, record, ablated.get(i))
            records.append(left)
        logits = self.head(drop(x, rate, self.training))
        return logits, records, State(torch.stack(held, 1), state.position + target.shape[1])

    def _ablated(self, ablate: Collection[tuple[int, int]]) -> dict[int, Tensor]:
        return heads_of_records(ablate, self.config.layers, self.config.heads, self.embedding.weight.device)

    def _initialise(self) -> None:
        """Section 3.5's deviations; the head starts small, so that an untrained model knows nothing."""
        for linear in (self.source_map, self.states_map, self.target_map):
            nn.init.normal_(linear.weight, std=((1 - self.config.dropout) / self.config.dim) ** 0.5)
            nn.init.zeros_(linear.bias)
        for place in (self.source_positions, self.target_positions):
            if place.learned is not None:
                nn.init.normal_(place.learned.weight, std=0.1)
        nn.init.normal_(self.embedding.weight, std=0.1)
        if not self.config.tied:
            nn.init.normal_(self.head.weight, std=0.02)
