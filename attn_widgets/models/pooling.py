"""From the states of a text to one vector, and a class, by attention that shows what it read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_widgets.attention import scaled_dot
from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.base import ModelOutput
from attn_widgets.models.encoder import Bidirectional
from attn_widgets.models.heads import heads_of_records
from attn_widgets.models.parts import drop, initialise
from attn_widgets.trace.blocks import Kind


class AttentionPooling(nn.Module):
    """s = Σ α_t h_t with α = softmax(u_tᵀ u) and u_t = tanh(W h_t + b) (Yang et al. 2016, equations 5–7).

    The score is additive attention's with a query that is learned and the same for every text. Several heads
    each weigh their own stretch of the state, with their own u.

    Parameters
    ----------
    dim
        Width of the states.
    heads
        Number of heads; divides `dim`.
    dropout
        On the weights, while training.

    Raises
    ------
    ConfigError
        For heads that do not divide the width.
    """

    def __init__(self, dim: int, heads: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % heads:
            raise ConfigError(f"--heads {heads} does not divide the width {dim}; try 1")
        self.heads, self.dropout = heads, dropout
        self.projection = nn.Linear(dim, dim)
        self.query = nn.Parameter(torch.randn(heads, dim // heads) * (dim // heads) ** -0.5)  # u of every head
        nn.init.xavier_uniform_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    def forward(
        self,
        states: Float[Tensor, "batch key dim"],
        mask: Bool[Tensor, "#batch 1 1 #key"] | None = None,
        *,
        record: bool = False,
        ablated: Int[Tensor, " ablated"] | None = None,
    ) -> tuple[Float[Tensor, "batch dim"], Any]:
        """Pool the states.

        Parameters
        ----------
        states
            Of every position.
        mask
            True = a token and no padding.
        record
            Whether to return what the weights can be computed from again: a ``DotRecord`` with one query row.
        ablated
            Heads whose part of the result is set to zero.
        """
        batch, keys, dim = states.shape
        key = torch.tanh(self.projection(states)).view(batch, keys, self.heads, -1).transpose(1, 2)  # (B, H, K, d)
        value = states.view(batch, keys, self.heads, -1).transpose(1, 2)
        query = self.query[None, :, None].expand(batch, -1, -1, -1).to(key.dtype)  # (B, H, 1, d)
        rate = self.dropout if self.training else 0.0
        pooled, left = scaled_dot(query, key, value, mask=mask, scale=1.0, dropout=rate, record=record)
        if ablated is not None:
            pooled = pooled.index_fill(1, ablated, 0.0)
        return pooled.reshape(batch, dim), left


class Classifier(Bidirectional):
    """An encoder whose states are pooled into a class.

    Records and ``ablate`` count the encoder's layers first; the pooling is the last.

    Parameters
    ----------
    config
        Shape and options; the pooling has as many heads as a layer.
    vocab_size
        Number of token ids.
    classes
        Number of classes.
    """

    def __init__(self, config: ModelConfig, vocab_size: int, classes: int) -> None:
        super().__init__(config, vocab_size)
        self.classes = classes
        self.pooling = AttentionPooling(config.dim, config.heads, config.dropout)
        self.head = nn.Linear(config.dim, classes)
        initialise(self.head, 1)

    def forward(
        self,
        ids: Int[Tensor, "batch query"],
        lengths: Int[Tensor, " batch"] | None = None,
        *,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
    ) -> ModelOutput:
        """Logits of the class, (batch, 1, class): as of one token to predict.

        Parameters
        ----------
        ids
            Token ids.
        lengths
            Tokens of each text; what is behind does not matter. None: as long as `ids`.
        record
            Whether each layer and the pooling leave their records.
        ablate
            Heads (index of the record, head) whose context is set to zero.

        Raises
        ------
        ConfigError
            For a head that is not there, or a text longer than the context where positions end.
        """
        layers = self.config.layers
        ablated = heads_of_records(ablate, layers + 1, self.config.heads, ids.device)
        states, records, mask = self.states(ids, lengths, record, ablated)
        pooled, left = self.pooling(states, mask, record=record, ablated=ablated.get(layers))
        logits = self.head(drop(pooled, self.config.dropout, self.training))[:, None]  # (B, 1, classes)
        return ModelOutput(logits, (*records, left) if record else None)

    def kinds(self) -> tuple[Kind, ...]:
        """Name what each record is: the pooling's query is not of the text, so it is a cross-attention."""
        return (*super().kinds(), "cross")
