"""Layers that look both ways or at another text, from the transformer's own parts; what models of them share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.heads import MultiHead
from attn_widgets.models.mlp import MLP
from attn_widgets.models.norms import make_norm
from attn_widgets.models.positions import sinusoidal_table
from attn_widgets.models.self_attention import Attention, Tables

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, each Float[Tensor, "batch kv_head key d"]."""


class Sight(NamedTuple):
    """What every layer of one pass shares."""

    rotary: Tables | None  # cosines and signed sines
    mask: Tensor | None  # which keys of the other text (for an encoder: of its own) are tokens and no padding
    record: bool
    ablated: Mapping[int, Tensor]  # index of a record → heads to switch off


class EncoderLayer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); every position sees every other.

    Parameters
    ----------
    config
        Shape and options.
    index
        Of its record.
    """

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.dropout = config.dropout
        self.attention_norm = make_norm(config)
        self.attention = Attention(config, index)
        self.mlp_norm = make_norm(config)
        self.mlp = MLP(config)

    def forward(
        self, x: Float[Tensor, "batch query dim"], sight: Sight
    ) -> tuple[Float[Tensor, "batch query dim"], list[Any]]:
        """Return the layer's output and its records: one, or none unless asked for."""
        change, left, _ = read_itself(self.attention, self.attention_norm(x), sight, self.index, mask=sight.mask)
        x = x + self._drop(change)
        return x + self._drop(self.mlp(self.mlp_norm(x))), [left] if sight.record else []

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.dropout, self.training)


class DecoderLayer(nn.Module):
    """An encoder's layer that does not look ahead, with attention to another text before its feed-forward part.

    Parameters
    ----------
    config
        Shape and options.
    index, cross_index
        Of the records of its two attentions.
    """

    def __init__(self, config: ModelConfig, index: int, cross_index: int) -> None:
        super().__init__()
        self.index, self.cross_index = index, cross_index
        self.dropout = config.dropout
        self.attention_norm = make_norm(config)
        self.attention = Attention(config, index)
        self.cross_norm = make_norm(config)
        self.cross = MultiHead(config)
        self.mlp_norm = make_norm(config)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Float[Tensor, "batch query dim"],
        source: KeysValues,
        sight: Sight,
        past: KeysValues | None = None,
    ) -> tuple[Float[Tensor, "batch query dim"], list[Any], KeysValues]:
        """Read one or more positions.

        Parameters
        ----------
        x
            The positions to read.
        source
            Keys and values of the other text, from ``cross.remember``.
        sight
            What all layers share.
        past
            Keys and values of the positions before `x`.

        Returns
        -------
        x, records, past
            Output; records of self-attention and of cross-attention, none unless asked for; keys and
            values with those of `x`.
        """
        change, own, past = read_itself(
            self.attention, self.attention_norm(x), sight, self.index, causal=True, past=past
        )  # fmt: skip
        x = x + self._drop(change)
        change, other = self.cross(
            self.cross_norm(x), *source, mask=sight.mask, record=sight.record,
            ablated=sight.ablated.get(self.cross_index),
        )  # fmt: skip
        x = x + self._drop(change)
        return x + self._drop(self.mlp(self.mlp_norm(x))), [own, other] if sight.record else [], past

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.dropout, self.training)


def read_itself(
    attention: Attention,
    x: Float[Tensor, "batch query dim"],
    sight: Sight,
    index: int,
    *,
    mask: Bool[Tensor, "#batch #head #query #key"] | None = None,
    causal: bool = False,
    past: KeysValues | None = None,
) -> tuple[Float[Tensor, "batch query dim"], Any, KeysValues]:
    """Self-attention with the transformer's maps: by `mask`, or causally behind what is `past`.

    Returns
    -------
    context, record, past
        The mapped context, what the mechanism left, and all keys and values.
    """
    query, key, value = attention.project(x, sight.rotary)
    if past is not None:
        key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
    context, left = attention.join_heads(
        query, key, value, mask=mask, causal=causal, window=attention.widest, record=sight.record,
        ablated=sight.ablated.get(index), **attention.settings,
    )  # fmt: skip
    return attention.output(context), left, (key, value)


class Positions(nn.Module):
    """Vectors added to embeddings to tell positions apart: learned, sinusoidal, or none for rotary ones.

    Parameters
    ----------
    config
        ``context`` is how many there are.
    kind
        ``config.positions`` when None.
    """

    sinusoids: Tensor | None

    def __init__(self, config: ModelConfig, kind: str | None = None) -> None:
        super().__init__()
        self.kind, self.context = kind or config.positions, config.context
        self.learned = nn.Embedding(config.context, config.dim) if self.kind == "learned" else None
        sinusoids = sinusoidal_table(config.context, config.dim) if self.kind == "sinusoidal" else None
        self.register_buffer("sinusoids", sinusoids, persistent=False)

    def forward(self, x: Float[Tensor, "batch query dim"], start: int = 0) -> Float[Tensor, "batch query dim"]:
        """Add the vectors of the positions from `start` on.

        Raises
        ------
        ConfigError
            For a position beyond the context.
        """
        table = self.sinusoids if self.learned is None else self.learned.weight
        if table is None:
            return x
        stop = start + x.shape[1]
        if stop > self.context:
            raise ConfigError(
                f"{self.kind} positions end at --context {self.context}; given {stop} tokens; "
                f"try --context {stop} or fewer tokens"
            )
        return x + table[start:stop]


def drop(x: Float[Tensor, "*shape"], rate: float, training: bool) -> Float[Tensor, "*shape"]:
    """Dropout that costs nothing at a rate of zero."""
    return F.dropout(x, rate) if training and rate else x


def initialise(model: nn.Module, sublayers: int) -> None:
    """GPT-2's: normal with deviation 0.02, smaller by √sublayers where a sublayer writes to the stream."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name and ".weights." not in name:
            writes = name.endswith(("output.weight", "down.weight"))
            nn.init.normal_(parameter, std=0.02 / sublayers**0.5 if writes else 0.02)
