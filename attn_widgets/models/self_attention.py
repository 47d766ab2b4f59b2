"""Self-attention of a layer, by any mechanism."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.models.cache import KeyValueCache, SegmentMemory
from attn_widgets.models.heads import Attending
from attn_widgets.models.norms import RMSNorm
from attn_widgets.models.positions import rotate

Tables = tuple[Float[Tensor, "query 1 d"], Float[Tensor, "query 1 d"]]


class Pass(NamedTuple):
    """What every layer of one forward pass shares."""

    rotary: Tables | None  # cosines and signed sines
    cache: KeyValueCache | SegmentMemory | None
    window: int | None
    record: bool
    ablate: dict[int, Tensor]  # layer → heads to switch off


class Attention(Attending):
    """Multi-head self-attention by the mechanism that `config` names.

    Queries, keys and values are one matrix, in this order of rows: all query heads, all key heads,
    all value heads. Under ``lsh`` a query is its own key.
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.kv_heads, self.head_dim = config.heads, config.key_value_heads, config.head_dim
        self.use_mechanism(config)
        self.settings, self.widest = mechanism_settings(config, layer)
        self.key_heads = 0 if config.attention == "lsh" else self.kv_heads
        rows = (self.heads + self.key_heads + self.kv_heads) * self.head_dim
        self.qkv = nn.Linear(config.dim, rows, config.bias)
        self.output = nn.Linear(config.dim, config.dim, config.bias)
        turned = self.heads + self.key_heads
        self.norm = RMSNorm(turned, self.head_dim, eps=config.norm_eps) if config.qk_norm else None

    def forward(self, x: Float[Tensor, "batch query dim"], now: Pass) -> tuple[Float[Tensor, "batch query dim"], Any]:
        """Let every position read from itself and the ones before it."""
        query, key, value = self.project(x, now.rotary)
        if now.cache is not None:
            key, value = now.cache.append(self.layer, key, value)
        context, record = self.join_heads(
            query, key, value, mask=None, causal=True, window=self.window(now.window), record=now.record,
            ablated=now.ablate.get(self.layer), **self.settings,
        )  # fmt: skip
        return self.output(context), record

    def window(self, wanted: int | None) -> int | None:
        """How many keys a token sees: what was asked for, and no more than the mechanism lets it."""
        if self.key_heads == 0:
            return None  # chunks take its place
        return _least(wanted, self.widest)

    def project(
        self, x: Float[Tensor, "batch query dim"], rotary: Tables | None
    ) -> tuple[
        Float[Tensor, "batch head query d"],
        Float[Tensor, "batch key_head query d"],
        Float[Tensor, "batch kv_head query d"],
    ]:
        """Make queries, keys and values of every head; norm and rotation as configured."""
        batch, queries, _ = x.shape
        heads = self.qkv(x).view(batch, queries, -1, self.head_dim)  # (B, Q, H + 2 Hkv, d)
        both, value = heads.split_with_sizes((self.heads + self.key_heads, self.kv_heads), 2)
        if self.norm is not None:
            both = self.norm(both)
        if rotary is not None:
            both = rotate(both, *rotary)
        query, key = both.transpose(1, 2).split_with_sizes((self.heads, self.key_heads), 1)
        return query, key if self.key_heads else query, value.transpose(1, 2)


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def mechanism_settings(config: ModelConfig, layer: int) -> tuple[dict[str, Any], int | None]:
    """Tell what a mechanism of a layer needs besides tensors, and the most keys that a token sees under it."""
    if config.attention == "sliding_window":
        return {"global_positions": tuple(range(config.global_tokens))}, config.window_width
    if config.attention == "lsh":
        return {"hashes": config.hashes, "chunk": config.chunk, "hash_seed": layer}, None
    return {}, None
