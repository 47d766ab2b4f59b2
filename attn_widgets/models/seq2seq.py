"""A recurrent encoder–decoder: a source in, a target out, with or without attention from one to the other.

A bidirectional encoder (Bahdanau et al. 2015, arXiv:1409.0473, section 3.2). Attention stands behind the decoder's
recurrent layers and feeds nothing back into them (Luong et al. 2015, arXiv:1508.04025, section 3, without the input
feeding of 3.3): training runs the whole target through the cells in one call and through attention in another.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attn_widgets.attention import padding_mask
from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.base import SourceToTarget
from attn_widgets.models.cells import Recurrence
from attn_widgets.models.heads import MultiHead, heads_of_records
from attn_widgets.models.lengths import Halving, make_windows
from attn_widgets.models.parts import drop
from attn_widgets.models.recurrent import initialise_ends
from attn_widgets.trace.blocks import Kind


class Memory(NamedTuple):
    """What the decoder knows of the source.

    Attributes
    ----------
    state
        Float[Tensor, "batch layer state"]: where the decoder starts.
    summary
        Float[Tensor, "batch 2*dim"]: the encoder's last hidden states, forward and backward.
    key, value
        Float[Tensor, "batch kv_head source d"] of the encoder's outputs; None without attention.
    visible
        Bool[Tensor, "batch 1 1 source"]: where there is a token and no padding; None without attention.
    records
        Of the encoder's attention, which has none: () when asked for.
    """

    state: Tensor
    summary: Tensor
    key: Tensor | None = None
    value: Tensor | None = None
    visible: Tensor | None = None
    records: tuple[Any, ...] | None = None


class Seq2Seq(SourceToTarget):
    """GRU (or LSTM) encoder–decoder with cross-attention by any mechanism, of any number of heads.

    The decoder starts at tanh(W of the encoder's last states). Each of its states s reads a context from the source,
    and h̃ = tanh(W [context; s]) predicts the next token (Luong et al. 2015, equation 5). Without attention the
    context is the encoder's last states, the same at every step, which also enter the decoder's cells with every token
    (Cho et al. 2014, arXiv:1406.1078, section 2.2). Source and target share one vocabulary and one embedding.

    Parameters
    ----------
    config
        Shape and options; ``layers`` of the encoder and as many of the decoder.
    vocab_size
        Number of token ids.
    """

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        dim, both = config.dim, 2 * config.dim
        attends = config.attention != "none"
        self.embedding = nn.Embedding(vocab_size, dim)
        self.encoder = Recurrence(config, dim, both_ways=True)
        self.decoder = Recurrence(config, dim if attends else dim + both)
        self.start = nn.Linear(both, config.layers * self.decoder.state_dim, config.bias)
        self.shorten = Halving(dim, config.context) if config.lengths == "convolve" else None
        self.attention = MultiHead(config, both) if attends else None
        self.combine = nn.Linear((dim if attends else both) + dim, dim, config.bias)
        self.head = nn.Linear(dim, vocab_size, bias=False)
        initialise_ends(self.embedding, self.head, self.start, self.combine)
        if config.tied:
            self.head.weight = self.embedding.weight

    def encode(
        self,
        source: Int[Tensor, "batch source"],
        lengths: Int[Tensor, " batch"],
        *,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
    ) -> Memory:
        """Read the source, both ways; nothing attends here.

        Raises
        ------
        ConfigError
            For a source without a token, or a head that is not there.
        """
        self._ablated(ablate)
        if not source.shape[1] or int(lengths.min()) < 1:
            raise ConfigError("the source is empty; give at least one token")
        rate = self.config.dropout
        outputs, summary, lengths = self._outputs(drop(self.embedding(source), rate, self.training), lengths)
        state = torch.tanh(self.start(summary)).view(len(source), self.config.layers, -1)
        records = () if record else None
        if self.attention is None:
            return Memory(state, summary, records=records)
        key, value = self.attention.remember(drop(outputs, rate, self.training))
        return Memory(state, summary, key, value, padding_mask(lengths, key.shape[2]), records)

    def begin(self, memory: Memory) -> Float[Tensor, "batch layer state"]:
        """State of the decoder before its first token."""
        return memory.state

    def reorder(
        self, state: Float[Tensor, "batch layer state"], rows: Int[Tensor, " rows"]
    ) -> Float[Tensor, "rows layer state"]:
        """State of other rows: of the hypotheses that a beam goes on with."""
        return state.index_select(0, rows)

    def kinds(self) -> tuple[Kind, ...]:
        """Name what each record is, in their order."""
        return () if self.attention is None else ("cross",)

    def stacked_rows(self) -> dict[nn.Parameter, tuple[int, ...]]:
        """Rows of each map in the matrices that stack several (see ``rows_of_stacks``)."""
        states = (self.config.dim,) * (self.start.out_features // self.config.dim)
        return super().stacked_rows() | {self.start.get_parameter("weight"): states}

    def _outputs(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read embedded sources: outputs (B, S, 2D), last states forward and backward (B, 2D), and lengths.

        Under ``--lengths convolve`` a long source is shortened before; under ``slide`` it is read in windows, of which
        the last one ends the reading forward, and the first one the reading backward.
        """
        if self.shorten is not None:
            x, lengths = self.shorten(x, lengths)
        dim, context = self.config.dim, self.config.context
        if self.config.lengths != "slide" or x.shape[1] <= context:
            outputs, states = self.encoder(x, None, lengths)
            return outputs, states[:, -2:, :dim].flatten(1), lengths
        windows = make_windows(lengths, x.shape[1], context)
        outputs, states = self.encoder(windows.cut(x), None, windows.lengths)
        ends = states[windows.last, -2, :dim], states[windows.first, -1, :dim]
        return windows.join(outputs), torch.cat(ends, -1), lengths

    def _read(
        self, memory: Memory, state: Tensor, target: Tensor, record: bool, ablate: Collection[tuple[int, int]]
    ) -> tuple[Tensor, list[Any], Tensor]:
        ablated, rate = self._ablated(ablate), self.config.dropout
        x, left = drop(self.embedding(target), rate, self.training), None  # (B, T, D)
        summary = memory.summary[:, None].expand(-1, target.shape[1], -1)  # (B, T, 2D)
        if self.attention is None:
            x = torch.cat((x, summary), -1)
        hidden, state = self.decoder(x, state)
        hidden, context = drop(hidden, rate, self.training), summary
        if self.attention is not None:
            context, left = self.attention(
                hidden, memory.key, memory.value, mask=memory.visible, record=record, ablated=ablated
            )  # fmt: skip
        hidden = drop(torch.tanh(self.combine(torch.cat((context, hidden), -1))), rate, self.training)
        return self.head(hidden), [] if left is None else [left], state

    def _ablated(self, ablate: Collection[tuple[int, int]]) -> Tensor | None:
        return heads_of_records(ablate, len(self.kinds()), self.config.heads, self.embedding.weight.device).get(0)
