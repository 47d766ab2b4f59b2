"""One mechanism a file, all behind one signature: ``(context, record)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from attn_widgets.attention.additive import AdditiveRecord, additive, additive_weights
from attn_widgets.attention.concat import concat, concat_weights
from attn_widgets.attention.luong import dot, general, general_weights
from attn_widgets.attention.masks import causal_mask, padding_mask
from attn_widgets.attention.record import DotRecord
from attn_widgets.attention.scaled_dot import scaled_dot

MECHANISMS: dict[str, Callable[..., Any]] = {
    "scaled_dot": scaled_dot,
    "dot": dot,
    "general": general,
    "concat": concat,
    "additive": additive,
}
"""Every mechanism by name; a person's own function goes in under a name of its own."""

WEIGHTS: dict[str, Callable[[int, int], dict[str, Tensor]]] = {
    "general": general_weights,
    "concat": concat_weights,
    "additive": additive_weights,
}
"""Trained tensors that a mechanism takes besides query, key and value: made for (heads, dim), by keyword."""

__all__ = [
    "MECHANISMS",
    "WEIGHTS",
    "AdditiveRecord",
    "DotRecord",
    "additive",
    "causal_mask",
    "concat",
    "dot",
    "general",
    "padding_mask",
    "scaled_dot",
]
