"""One more token, fast: `Transformer.forward` for a single row, without its modules.

For one row of a small model, calling modules takes as long as the arithmetic in them. Here the weights are looked up
once, grouped heads become rows of one product, and nothing is masked, since a single row sees every key in its window.
The plain twin is ``model(token, cache=cache)``; a test runs both for every option of `ModelConfig`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_widgets.models import KeyValueCache, Transformer
from attn_widgets.models.mlp import activate
from attn_widgets.models.positions import rotate
from attn_widgets.models.transformer import Block

Map = Callable[[Tensor], Tensor]


class Layer(NamedTuple):
    """What a block consists of, looked up."""

    attention_norm: Map
    qkv: Map
    head_norm: Map | None
    output: Map
    mlp_norm: Map
    mlp: Map
    ablated: Tensor | None  # heads that are switched off


class OneRow:
    """Reads one token on behind a cache that already holds some.

    Parameters
    ----------
    model
        In evaluation mode; its weights are used where they are, not copied.
    ablate
        Heads (layer, head) whose context is set to zero.
    """

    def __init__(self, model: Transformer, ablate: Collection[tuple[int, int]] = ()) -> None:
        config = model.config
        self.model, self.window = model, config.context
        self.kv_heads, self.dim = config.key_value_heads, config.head_dim
        self.heads = config.heads
        self.scale = self.dim**-0.5
        blocks = [block for block in model.blocks if isinstance(block, Block)]
        self.layers = [_look_up(block, [h for on, h in ablate if on == at]) for at, block in enumerate(blocks)]
        self.norm, self.head = _norm(model.norm), _linear(model.head)
        self.embedding = model.embedding.weight
        self.table = model.sinusoids if model.positions is None else model.positions.weight

    def __call__(self, token: Tensor, cache: KeyValueCache) -> tuple[Tensor, list[Tensor]]:
        """Read `token` (1,).

        Returns
        -------
        logits
            (V,), of the next token.
        queries
            Of each layer: (1, H, 1, d).
        """
        rotary = None
        x = self.embedding.index_select(0, token)  # (1, D)
        if self.table is not None:
            x = x + self.table[cache.position]
        elif self.model.rotary is not None:
            rotary = self.model.rotary(cache.position, cache.position + 1, x.dtype)
        first = max(0, cache.length + 1 - self.window)
        queries: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            query, key, value = self._project(layer, x, rotary)
            keys, values = cache.append(index, key, value)
            if first:
                keys, values = keys[:, :, first:], values[:, :, first:]
            rows = query if self.heads == self.kv_heads else query.view(1, self.kv_heads, -1, self.dim)
            context = F.scaled_dot_product_attention(rows, keys, values, scale=self.scale)  # (1, Hkv, group, d)
            if layer.ablated is not None:
                context = context.reshape(1, self.heads, self.dim).index_fill(1, layer.ablated, 0.0)
            x = layer.output(context.reshape(1, -1)).add_(x)
            x = layer.mlp(layer.mlp_norm(x)).add_(x)
            queries.append(query)
        cache.advance(1)
        return self.head(self.norm(x))[0], queries

    def _project(self, layer: Layer, x: Tensor, rotary: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        """Query (1, H, 1, d), key and value (1, Hkv, 1, d): with one row no axes need to change places."""
        heads, dim = layer.qkv(layer.attention_norm(x)), self.dim
        if rotary is None and layer.head_norm is None:
            query, key, value = heads.view(1, -1, 1, dim).split_with_sizes(
                (self.heads, self.kv_heads, self.kv_heads), 1
            )
            return query, key, value
        both, value = heads.view(1, 1, -1, dim).split_with_sizes((self.heads + self.kv_heads, self.kv_heads), 2)
        if layer.head_norm is not None:
            both = layer.head_norm(both)
        if rotary is not None:
            both = rotate(both, *rotary)
        query, key = both.reshape(1, -1, 1, dim).split_with_sizes((self.heads, self.kv_heads), 1)
        return query, key, value.view(1, -1, 1, dim)


def _look_up(block: Block, ablated: list[int]) -> Layer:
    attention, mlp = block.attention, block.mlp
    up, down, gate = _linear(mlp.up), _linear(mlp.down), None if mlp.gate is None else _linear(mlp.gate)

    def feed_forward(x: Tensor) -> Tensor:
        return down(activate(up(x), mlp.kind) if gate is None else F.silu(gate(x)).mul_(up(x)))

    return Layer(
        _norm(block.attention_norm),
        _linear(attention.qkv),
        None if attention.norm is None else attention.norm.forward,
        _linear(attention.output),
        _norm(block.mlp_norm),
        feed_forward,
        torch.tensor(ablated, device=attention.qkv.weight.device) if ablated else None,
    )


def _linear(module: nn.Linear) -> Map:
    return partial(F.linear, weight=module.weight, bias=module.bias)


def _norm(module: nn.Module) -> Map:
    if not isinstance(module, nn.LayerNorm):
        return module.forward
    shape, eps = module.normalized_shape, module.eps
    return partial(torch.layer_norm, normalized_shape=shape, weight=module.weight, bias=module.bias, eps=eps)
