"""Layers that look both ways or at another text, from the transformer's own parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.models.heads import MultiHead
from attn_widgets.models.mlp import MLP
from attn_widgets.models.norms import make_norm
from attn_widgets.models.parts import drop
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
        x = x + drop(change, self.dropout, self.training)
        return x + drop(self.mlp(self.mlp_norm(x)), self.dropout, self.training), [left] if sight.record else []


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
        x = x + drop(change, self.dropout, self.training)
        change, other = self.cross(
            self.cross_norm(x), *source, mask=sight.mask, record=sight.record,
            ablated=sight.ablated.get(self.cross_index),
        )  # fmt: skip
        x = x + drop(change, self.dropout, self.training)
        x = x + drop(self.mlp(self.mlp_norm(x)), self.dropout, self.training)
        return x, [own, other] if sight.record else [], past


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
