"""A decoder-only transformer: GPT-2's or Llama's architecture, by options.

Pre-norm blocks of attention and feed-forward (Radford et al. 2019; Touvron et al., arXiv:2302.13971).
Attention returns a value, ``(context, record)``; nothing is hooked and nothing is kept. This file
knows nothing about text, training or panels.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attn_widgets.config import DENSE, ModelConfig
from attn_widgets.models.base import Model, ModelOutput
from attn_widgets.models.cache import KeyValueCache, SegmentMemory
from attn_widgets.models.heads import heads_of_records
from attn_widgets.models.mlp import MLP
from attn_widgets.models.norms import make_norm
from attn_widgets.models.parts import drop, initialise
from attn_widgets.models.positions import Rotary, add_positions, make_tables
from attn_widgets.models.self_attention import Attention, Pass
from attn_widgets.trace.blocks import Kind


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = make_norm(config)
        self.attention = Attention(config, layer)
        self.mlp_norm = make_norm(config)
        self.mlp = MLP(config)
        self.dropout = config.dropout

    def forward(self, x: Float[Tensor, "batch query dim"], now: Pass) -> tuple[Float[Tensor, "batch query dim"], Any]:
        """One layer of the residual stream."""
        change, record = self.attention(self.attention_norm(x), now)
        x = x + drop(change, self.dropout, self.training)
        return x + drop(self.mlp(self.mlp_norm(x)), self.dropout, self.training), record


class Transformer(Model):
    """An attention language model.

    Parameters
    ----------
    config
        Shape and options.
    vocab_size
        Number of token ids.
    """

    sinusoids: Tensor | None

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        self.embedding = nn.Embedding(vocab_size, config.dim)
        placed = "relative" if config.attention == "segment_memory" else config.positions
        self.positions, sinusoids = make_tables(config, placed)
        self.register_buffer("sinusoids", sinusoids, persistent=False)
        self.rotary = Rotary(config.head_dim, config.context, config.rope_theta) if placed == "rotary" else None
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = make_norm(config)
        self.head = nn.Linear(config.dim, vocab_size, bias=False)
        if config.tied:
            self.head.weight = self.embedding.weight
        initialise(self, 2 * config.layers)
        if not config.tied:  # larger than GPT-2's: heads that copy appear sooner
            nn.init.normal_(self.embedding.weight, std=0.3)

    def forward(
        self,
        ids: Int[Tensor, "batch query"],
        *,
        cache: KeyValueCache | SegmentMemory | None = None,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
        window: int | None = None,
    ) -> ModelOutput:
        """Logits of the next token after every position.

        Parameters
        ----------
        ids
            Token ids; with a cache, those that follow the ones it holds.
        cache
            Read and extended.
        record
            Whether each layer leaves its mechanism's record: its queries are those of `ids`, its keys
            all that the cache holds.
        ablate
            Heads (layer, head) whose context is set to zero.
        window
            See at most this many keys, the own one among them. With a cache the model's context
            when None; without one all.

        Raises
        ------
        ConfigError
            For a head that is not there, or a position beyond the context where positions are
            learned or sinusoidal.
        """
        if cache is None and self.training and self.config.attention == "segment_memory":
            memory, pieces = SegmentMemory(), torch.split(ids, self.config.segment_length, 1)
            return ModelOutput(torch.cat([self(piece, cache=memory, window=window).logits for piece in pieces], 1))
        start = 0 if cache is None else cache.position
        if window is None and cache is not None:
            window = self.config.context
        x = add_positions(self.embedding(ids), self.positions, self.sinusoids, start, self.config.positions)
        x = drop(x, self.config.dropout, self.training)  # (B, Q, D)
        ablated = heads_of_records(ablate, self.config.layers, self.config.heads, ids.device)
        rotary = None if self.rotary is None else self.rotary(start, start + ids.shape[1], x.dtype)
        now = Pass(rotary, cache, window, record, ablated)
        records: list[Any] = []
        for block in self.blocks:
            x, left = block(x, now)
            records.append(left)
        if cache is not None:
            cache.advance(ids.shape[1])
        return ModelOutput(self.head(self.norm(x)), tuple(records) if record else None)

    @property
    def caches(self) -> bool:
        """Whether it can read on behind a cache of keys and values."""
        return self.config.attention in (*DENSE, "sliding_window", "segment_memory")

    @property
    def ends_at_context(self) -> bool:
        """Whether there is no position past the context."""
        return self.config.ends_at_context

    def new_cache(self, batch: int = 1, capacity: int | None = None) -> KeyValueCache:
        """Room for the keys and values of `batch` texts."""
        return KeyValueCache(self.config, batch, capacity)

    def kinds(self) -> tuple[Kind, ...]:
        """Name what each record is, in their order."""
        kinds: tuple[Kind, ...] = ("decoder",)
        return kinds * self.config.layers
