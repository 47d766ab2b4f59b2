"""A recurrent language model: GRU or LSTM, without attention or with attention over its own past.

The claim that attention was made for is the difference between the two: without it all that a text said has to fit
into one state.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.models.base import Model, ModelOutput
from attn_widgets.models.cache import KeyValueCache
from attn_widgets.models.cells import Recurrence
from attn_widgets.models.heads import MultiHead, heads_of_records
from attn_widgets.models.parts import drop
from attn_widgets.trace.blocks import Kind


class RecurrentCache(KeyValueCache):
    """The state after the tokens read so far, and the keys and values of those that attention may see.

    Parameters
    ----------
    config, batch, capacity
        As for ``KeyValueCache``; one layer attends.
    """

    state: Tensor | None = None
    """Float[Tensor, "batch layer state"]; None before the first token."""

    def read(self, tokens: int, state: Float[Tensor, "batch layer state"]) -> None:
        """End a step: count its tokens and keep the state after them."""
        with torch.inference_mode(False):  # a clone made here serves with and without inference mode
            self.state = state.detach().clone()
        self.advance(tokens)


class Recurrent(Model):
    """A GRU or LSTM language model.

    With attention, the state of each position reads from the states up to its own, and h̃ = tanh(W [context; h])
    predicts the next token (Luong et al. 2015, arXiv:1508.04025, equation 5); without, h does.

    Parameters
    ----------
    config
        Shape and options.
    vocab_size
        Number of token ids.
    """

    caches = True
    ends_at_context = False

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        self.embedding = nn.Embedding(vocab_size, config.dim)
        self.recurrence = Recurrence(config, config.dim)
        attends = config.attention != "none"
        self.attention = MultiHead(config) if attends else None
        self.combine = nn.Linear(2 * config.dim, config.dim, config.bias) if attends else None
        self.head = nn.Linear(config.dim, vocab_size, bias=False)
        initialise_ends(self.embedding, self.head, self.combine)
        if config.tied:
            self.head.weight = self.embedding.weight

    def forward(
        self,
        ids: Int[Tensor, "batch query"],
        *,
        cache: RecurrentCache | None = None,
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
            Whether the attention layer leaves its record.
        ablate
            Heads (0, head) whose context is set to zero.
        window
            Attend to at most this many states, the own one among them. With a cache the model's context when None;
            without one all. The recurrent state has no window.

        Raises
        ------
        ConfigError
            For a head that is not there.
        """
        ablated = heads_of_records(ablate, len(self.kinds()), self.config.heads, ids.device).get(0)
        if window is None and cache is not None:
            window = self.config.context
        rate = self.config.dropout
        x = drop(self.embedding(ids), rate, self.training)  # (B, Q, D)
        hidden, state = self.recurrence(x, None if cache is None else cache.state)
        hidden, left = drop(hidden, rate, self.training), None
        if self.attention is not None and self.combine is not None:
            key, value = self.attention.remember(hidden)
            if cache is not None:
                key, value = cache.append(0, key, value)
            context, left = self.attention(
                hidden, key, value, causal=True, window=window, record=record, ablated=ablated
            )  # fmt: skip
            hidden = drop(torch.tanh(self.combine(torch.cat((context, hidden), -1))), rate, self.training)
        if cache is not None:
            cache.read(ids.shape[1], state)
        records = (() if left is None else (left,)) if record else None
        return ModelOutput(self.head(hidden), records)

    def new_cache(self, batch: int = 1, capacity: int | None = None) -> RecurrentCache:
        """Make an empty cache for texts side by side, all of one length."""
        return RecurrentCache(self.config, batch, capacity)

    def kinds(self) -> tuple[Kind, ...]:
        """Name what each record is, in their order."""
        return () if self.attention is None else ("decoder",)


def initialise_ends(embedding: nn.Embedding, head: nn.Linear, *maps: nn.Linear | None) -> None:
    """Initialise what stands around the recurrent layers.

    The head starts small, so that an untrained model knows nothing; where it is the embedding too, the embedding is
    as large as logits of about one allow. Other maps are Glorot's.
    """
    nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
    nn.init.normal_(head.weight, std=0.02)
    for linear in maps:
        if linear is not None:
            nn.init.xavier_uniform_(linear.weight)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)
