"""Gated convolutions over time, alone or with attention to another text (Gehring et al. 2017, arXiv:1705.03122)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.models.heads import Attending
from attn_widgets.models.parts import drop

HALF = 0.5**0.5
"""Factor on the sum of two terms that keeps its variance (section 3.4)."""


class Memory(NamedTuple):
    """What the decoder knows of the source.

    Attributes
    ----------
    states
        Float[Tensor, "batch source dim"]: z, the encoder's outputs, which attention compares with.
    values
        Float[Tensor, "batch source dim"]: z + e, which it gathers; e is a token's embedding and position.
    visible
        Bool[Tensor, "batch 1 1 source"]: where there is a token and no padding.
    records
        Of the encoder's attention, which has none: () when asked for.
    """

    states: Tensor
    values: Tensor
    visible: Tensor
    records: tuple[Any, ...] | None = None


class Convolution(nn.Module):
    """Dropout, a convolution over time to twice the width, and a gated linear unit (section 3.2).

    The kernel is held as a matrix of (2 · dim) × (dim · kernel), fit for Muon; the first half of its rows
    makes the values, the second the gates.

    Parameters
    ----------
    config
        ``dim``, ``kernel``, ``dropout``.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dim, self.kernel, self.dropout = config.dim, config.kernel, config.dropout
        self.weight = nn.Parameter(torch.empty(2 * config.dim, config.dim * config.kernel))
        self.bias = nn.Parameter(torch.zeros(2 * config.dim))
        # Section 3.5: a gated unit lets a quarter of the variance through.
        nn.init.normal_(self.weight, std=(4 * (1 - config.dropout) / (config.dim * config.kernel)) ** 0.5)

    def forward(self, x: Float[Tensor, "batch padded dim"]) -> Float[Tensor, "batch query dim"]:
        """Give `kernel` - 1 fewer positions than `x`, which is padded as the caller wants it."""
        weight = self.weight.view(2 * self.dim, self.dim, self.kernel)
        return F.glu(F.conv1d(drop(x, self.dropout, self.training).transpose(1, 2), weight, self.bias), 1).mT


class AttentiveConvolution(Attending):
    """A convolution over the target so far, and attention to the source from what it gives.

    Parameters
    ----------
    config
        ``attention``, ``heads``, ``dim``, ``dropout`` and what ``Convolution`` takes.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.convolution = Convolution(config)
        self.query = nn.Linear(config.dim, config.dim)  # W_d and b_d of equation 1
        nn.init.normal_(self.query.weight, std=config.dim**-0.5)
        nn.init.zeros_(self.query.bias)
        self.use_mechanism(config)

    def forward(
        self,
        x: Float[Tensor, "batch padded dim"],
        embedded: Float[Tensor, "batch query dim"],
        memory: Memory,
        record: bool,
        ablated: Int[Tensor, " ablated"] | None,
    ) -> tuple[Float[Tensor, "batch query dim"], Any]:
        """Read the target so far and the source.

        Parameters
        ----------
        x
            The layer's input, behind the `kernel` - 1 positions before it.
        embedded
            g: embedding and position of each target token.
        memory
            Of the source.
        record
            Whether attention leaves its record.
        ablated
            Heads whose context is set to zero.
        """
        hidden = self.convolution(x)  # h: (B, T, D)
        query = self.query(hidden) + embedded  # equation 1's d
        context, left = self.join_heads(
            *(_split(tensor, self.heads) for tensor in (query, memory.states, memory.values)),
            mask=memory.visible, causal=False, window=None, record=record, ablated=ablated,
        )  # fmt: skip
        # Section 3.4: m uniform weights would shrink the deviation to √(1/m); m is the source's length.
        context = context * _lengths(memory).sqrt()
        return ((hidden + context) * HALF + x[:, -hidden.shape[1] :]) * HALF, left


def _split(x: Tensor, heads: int) -> Tensor:
    """(B, T, D) → (B, H, T, d)."""
    batch, queries, dim = x.shape
    return x.view(batch, queries, heads, dim // heads).transpose(1, 2)


def _lengths(memory: Memory) -> Tensor:
    """Tokens of each source, (B, 1, 1)."""
    return memory.visible[:, 0].sum(-1, keepdim=True).to(memory.states.dtype)
