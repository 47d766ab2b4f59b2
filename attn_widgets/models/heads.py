"""Several heads around any mechanism that attends from any query to any key.

What a mechanism trains besides the maps to queries, keys, values and back (``general``'s matrix, ``additive``'s
vector) it makes itself and is handed back at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_widgets.attention import WEIGHTS, as_record, mechanism
from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError


class Attending(nn.Module):
    """What every module with heads has in common: a mechanism, and what it trains of its own."""

    mechanism: str
    attend: Callable[..., Any]
    weights: nn.ParameterDict
    weight_names: tuple[str, ...]
    dropout: float

    def use_mechanism(self, config: ModelConfig) -> None:
        """Take the mechanism that `config` names and draw its own tensors.

        Raises
        ------
        ConfigError
            For a mechanism that is not there.
        """
        self.mechanism, self.dropout = config.attention, config.dropout
        self.attend = mechanism(config.attention)
        make = WEIGHTS.get(config.attention)
        self.weights = nn.ParameterDict(make(config.heads, config.head_dim) if make else {})
        self.weight_names = tuple(self.weights)

    def join_heads(
        self,
        query: Float[Tensor, "batch head query d"],
        key: Float[Tensor, "batch key_head key d"],
        value: Float[Tensor, "batch kv_head key d"],
        *,
        record: bool = False,
        ablated: Int[Tensor, " ablated"] | None = None,
        **given: Any,
    ) -> tuple[Float[Tensor, "batch query head*d"], Any]:
        """Attend with every head, and lay their contexts side by side.

        Parameters
        ----------
        query, key, value
            Of every head.
        record
            Whether the mechanism leaves its record.
        ablated
            Heads whose context is set to zero.
        **given
            ``mask``, ``causal`` and ``window``, as the mechanism takes them, and its settings.

        Returns
        -------
        context
            Those of all heads.
        record
            An object with a method ``weights()``; None without `record`.

        Raises
        ------
        AttnError
            For a mechanism that leaves no record where one was asked for.
        """
        own = {name: self.weights[name] for name in self.weight_names}  # plain: torch.compile sees through it
        dropout = self.dropout if self.training else 0.0
        context, left = self.attend(query, key, value, **own, **given, dropout=dropout, record=record)
        if ablated is not None:
            context = context.index_fill(1, ablated, 0.0)
        return context.transpose(1, 2).flatten(2), as_record(left, self.mechanism) if record else None


class MultiHead(Attending):
    """Multi-head attention (Vaswani et al. 2017, section 3.2.2) by the mechanism that `config` names.

    Keys and values are one matrix, in this order of rows: all key heads, all value heads.

    Parameters
    ----------
    config
        ``attention``, ``heads``, ``kv_heads``, ``dim``, ``bias``, ``dropout``.
    memory_dim
        Width of what is attended to; ``config.dim`` when None.

    Raises
    ------
    ConfigError
        For a mechanism that is not there.
    """

    def __init__(self, config: ModelConfig, memory_dim: int | None = None) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.key_value_heads, config.head_dim
        self.query = nn.Linear(config.dim, config.dim, config.bias)
        self.key_value = nn.Linear(memory_dim or config.dim, 2 * self.kv_heads * self.head_dim, config.bias)
        self.output = nn.Linear(config.dim, config.dim, config.bias)
        self.use_mechanism(config)
        self._initialise()

    def remember(
        self, memory: Float[Tensor, "batch key memory"]
    ) -> tuple[Float[Tensor, "batch kv_head key d"], Float[Tensor, "batch kv_head key d"]]:
        """Project what is attended to into the keys and values of every head, once."""
        batch, keys, _ = memory.shape
        both = self.key_value(memory).view(batch, keys, 2 * self.kv_heads, self.head_dim).transpose(1, 2)
        key, value = both.split_with_sizes((self.kv_heads, self.kv_heads), 1)
        return key, value

    def forward(
        self,
        x: Float[Tensor, "batch query dim"],
        key: Float[Tensor, "batch kv_head key d"],
        value: Float[Tensor, "batch kv_head key d"],
        *,
        mask: Bool[Tensor, "#batch #head #query #key"] | None = None,
        causal: bool = False,
        window: int | None = None,
        record: bool = False,
        ablated: Int[Tensor, " ablated"] | None = None,
    ) -> tuple[Float[Tensor, "batch query dim"], Any]:
        """Let every row of `x` read from the keys and values.

        Parameters
        ----------
        x
            What asks.
        key, value
            From ``remember``.
        mask, causal, window, record
            As the mechanism takes them.
        ablated
            Heads whose context is set to zero.

        Returns
        -------
        context
            The heads' contexts, joined and mapped back to the width of `x`.
        record
            What the mechanism left; None without `record`.
        """
        batch, queries, _ = x.shape
        query = self.query(x).view(batch, queries, self.heads, self.head_dim).transpose(1, 2)
        context, left = self.join_heads(
            query, key, value, mask=mask, causal=causal, window=window, record=record, ablated=ablated
        )  # fmt: skip
        return self.output(context), left

    def _initialise(self) -> None:
        """Glorot's, for each map on its own; the mechanism's own weights come initialised."""
        for weight in (self.query.weight, *self.key_value.weight.chunk(2), self.output.weight):
            nn.init.xavier_uniform_(weight)
        for linear in (self.query, self.key_value, self.output):
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)


def heads_of_records(
    ablate: Collection[tuple[int, int]], records: int, heads: int, device: torch.device
) -> dict[int, Int[Tensor, " ablated"]]:
    """Gather the heads to switch off by the index of their record.

    Raises
    ------
    ConfigError
        For a head that is not there.
    """
    chosen: dict[int, list[int]] = {}
    for layer, head in ablate:
        if not (0 <= layer < records and 0 <= head < heads):
            has = (
                f"layers 0–{records - 1} and heads 0–{heads - 1}" if records > 1
                else f"one attention layer, 0, and heads 0–{heads - 1}" if records
                else "--attention none, no head to switch off"
            )  # fmt: skip
            raise ConfigError(f"--ablate L{layer}H{head}: the model has {has}")
        chosen.setdefault(layer, []).append(head)
    return {layer: torch.tensor(sorted(set(these)), device=device) for layer, these in chosen.items()}
