"""One mechanism a file, all behind one signature: ``(context, record)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from attn_widgets.attention.additive import AdditiveRecord, additive, additive_weights
from attn_widgets.attention.concat import concat, concat_weights
from attn_widgets.attention.lsh import LshRecord, lsh
from attn_widgets.attention.luong import dot, general, general_weights
from attn_widgets.attention.masks import causal_mask, padding_mask
from attn_widgets.attention.own import PROMISE, MatrixRecord, as_record, try_mechanism
from attn_widgets.attention.record import DotRecord
from attn_widgets.attention.scaled_dot import scaled_dot
from attn_widgets.attention.segment_memory import segment_memory, segment_memory_weights
from attn_widgets.attention.sliding_window import WindowRecord, sliding_window
from attn_widgets.errors import ConfigError

MECHANISMS: dict[str, Callable[..., Any]] = {
    "scaled_dot": scaled_dot,
    "dot": dot,
    "general": general,
    "concat": concat,
    "additive": additive,
    "sliding_window": sliding_window,
    "lsh": lsh,
    "segment_memory": segment_memory,
}
"""Every mechanism by name; a person's own function goes in under a name of its own."""

BUILT_IN = frozenset(MECHANISMS)

WEIGHTS: dict[str, Callable[[int, int], dict[str, Tensor]]] = {
    "general": general_weights,
    "concat": concat_weights,
    "additive": additive_weights,
    "segment_memory": segment_memory_weights,
}
"""Trained tensors that a mechanism takes besides query, key and value: made for (heads, dim), by keyword."""


def register(function: Callable[..., Any]) -> str:
    """Make a mechanism of one's own known under the function's name.

    Parameters
    ----------
    function
        Takes query, key and value and, by keyword, ``mask``, ``causal``, ``window``, ``dropout`` and ``record`` (see
        `scaled_dot`); returns the context and a record: weights (batch, head, query, key), an object with a method
        ``weights()``, or None without `record`. It is tried here on small tensors.

    Returns
    -------
    str
        The name, for ``ModelConfig(attention=...)``.

    Raises
    ------
    ConfigError
        When the function has no name fit for an option, or one that is taken, or does not do what a mechanism does.
    """
    name = getattr(function, "__name__", "")
    if not name.isidentifier():
        raise ConfigError(f"a mechanism of your own needs a name; given {name or type(function).__name__}: use def")
    if name in BUILT_IN:
        raise ConfigError(f"there is a mechanism {name} already; give your function another name")
    if name == "none":
        raise ConfigError("--attention none means a model without attention; give your function none another name")
    try_mechanism(function, name)
    MECHANISMS[name] = function
    return name


def mechanism(name: str) -> Callable[..., Any]:
    """Find a mechanism.

    Raises
    ------
    ConfigError
        When there is none of this name here: one of a person's own has to be registered in each process.
    """
    if name not in MECHANISMS:
        raise ConfigError(
            f"--attention {name} is not known here; if it is a function of your own, call "
            f"attn_widgets.attention.register({name}) first, else try one of {', '.join(sorted(BUILT_IN))}"
        )
    return MECHANISMS[name]


__all__ = [
    "MECHANISMS",
    "PROMISE",
    "WEIGHTS",
    "AdditiveRecord",
    "DotRecord",
    "LshRecord",
    "MatrixRecord",
    "WindowRecord",
    "additive",
    "as_record",
    "causal_mask",
    "concat",
    "dot",
    "general",
    "lsh",
    "mechanism",
    "padding_mask",
    "register",
    "scaled_dot",
    "segment_memory",
    "sliding_window",
]
