"""Sliding-window attention with global positions (Longformer), linear in length in time and memory.

Beltagy et al. 2020, arXiv:2004.05150, section 3.1. The queries are cut into blocks, and each block
attends by the fused kernel to the stretch of keys that its window touches and to the global keys.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_widgets.attention.record import attention_weights
from attn_widgets.attention.scaled_dot import scaled_dot
from attn_widgets.errors import ConfigError

WINDOW = 16
"""Window when none is given: a quarter of the default context, so that something is hidden."""

BLOCK = 32
"""Fewest queries in a block: smaller ones cost more in calls than they save in keys."""

SHORT = 3
"""With at most this many blocks of keys, about what a block looks at, the band is a mask over all of them."""


class WindowRecord(NamedTuple):
    """Queries and keys of one layer and which of them meet: O(T·d) memory.

    Attributes
    ----------
    query
        Queries as the dot product saw them: Float[Tensor, "batch head query dim"].
    key
        Keys, one per group of heads: Float[Tensor, "batch kv_head key dim"].
    scale
        Factor on the dot products.
    mask
        True = visible, broadcastable to "batch head query key"; None when nothing else is masked.
    causal
        Whether later keys are hidden; the queries are the last rows.
    window
        Width of the window, see ``sliding_window``.
    global_positions
        Key positions that all see and that see all, ascending.
    """

    query: Tensor
    key: Tensor
    scale: float
    mask: Tensor | None
    causal: bool
    window: int
    global_positions: tuple[int, ...] = ()

    def visible(self) -> Bool[Tensor, "#batch #head #query #key"]:
        """Where a query may see a key: the band, the global rows and columns, and the mask."""
        positions, keys = self.positions()[:, None], torch.arange(self.key.shape[2], device=self.key.device)
        seen = self.band(positions, keys)
        if self.global_positions:
            everywhere = torch.tensor(self.global_positions, device=keys.device)
            seen = seen | torch.isin(keys, everywhere) | torch.isin(positions, everywhere)
        if self.causal:
            seen = seen & (keys <= positions)
        return seen[None, None] if self.mask is None else seen & self.mask

    def weights(self) -> Float[Tensor, "batch head query key"]:
        """Attention weights of every head; masked entries are zero, a fully masked row is all zeros."""
        return attention_weights(self.query, self.key, self.scale, self.visible())

    def positions(self) -> Int[Tensor, " query"]:
        """Position of each query among the keys; negative for queries before the first key."""
        queries, keys = self.query.shape[2], self.key.shape[2]
        return torch.arange(keys - queries, keys, device=self.query.device)

    def reach(self) -> tuple[int, int]:
        """How many keys before and after its own position a query sees."""
        return (self.window - 1, 0) if self.causal else (self.window // 2, self.window // 2)

    def band(self, positions: Int[Tensor, "*#shape"], keys: Int[Tensor, "*#shape"]) -> Bool[Tensor, "*shape"]:
        """Whether each key lies in the window of each position."""
        before, after = self.reach()
        return (keys >= positions - before) & (keys <= positions + after)


def sliding_window(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    *,
    global_positions: tuple[int, ...] = (),
    mask: Bool[Tensor, "#batch #head #query #key"] | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    record: bool = False,
) -> tuple[Float[Tensor, "batch head query value_dim"], WindowRecord | None]:
    """softmax(scale · Q Kᵀ) V over a window around each query and the global positions.

    Multiplications and memory grow with ``query · (window + global)``, never with ``query · key``
    (a `mask` of that size is the caller's); with a record just as without. Longformer projects its
    global tokens separately; here they share the projections.

    Parameters
    ----------
    query, key, value
        Projected inputs; `kv_head` divides `head`.
    global_positions
        Key positions that every query sees and whose queries see every key (with `causal`: earlier
        ones only). Those beyond the text are ignored.
    mask
        True = visible. A query that sees no key gets a context of zeros.
    causal
        Hide later keys; the queries are the last rows.
    window
        With `causal`: the query's own key and the ``window - 1`` before it. Otherwise
        ``window // 2`` keys on each side and the own one, as Longformer counts. ``WINDOW`` when
        None; may exceed the length.
    scale
        Factor on the dot products; ``dim ** -0.5`` when None.
    dropout
        Probability with which a weight is dropped; pass 0 when not training. A record never shows it.
    record
        Whether to return what is needed to compute the weights again.

    Returns
    -------
    context
        Weighted values, in the dtype of `value` (under autocast: autocast's).
    record
        Views of the query and key that the product saw; None without `record`.

    Raises
    ------
    ConfigError
        If `window` is below 1, a global position is negative, `kv_head` does not divide `head`, or
        queries and keys differ in number without `causal` (no query has a place among the keys).
    """
    window = WINDOW if window is None else window
    queries, keys = query.shape[2], key.shape[2]
    if window < 1:
        raise ConfigError(f"--window {window} must be at least 1")
    if any(position < 0 for position in global_positions):
        raise ConfigError(f"global positions count from 0; given {min(global_positions)}")
    if queries != keys and not causal:
        raise ConfigError(
            f"--attention sliding_window needs as many queries as keys, or causal=True; given {queries} and {keys}; "
            "for cross-attention try --attention scaled_dot"
        )
    device = query.device.type
    if torch.is_autocast_enabled(device) and query.dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)  # what the kernel will see, so that the record holds the same
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    everywhere = tuple(sorted({position for position in global_positions if position < keys}))
    terms = WindowRecord(query, key, scale, mask, causal, window, everywhere)
    if keys <= SHORT * max(window, BLOCK) or not queries:
        context, _ = scaled_dot(query, key, value, mask=terms.visible(), scale=scale, dropout=dropout)
    else:
        context = _local(terms, value, dropout)
        if everywhere:
            context = _replace_global_rows(context, terms, value, dropout)
    return context, terms if record else None


def _local(terms: WindowRecord, value: Tensor, dropout: float) -> Tensor:
    """Attend block by block; each block is one entry of the kernel's batch."""
    batch, _, queries, _ = terms.query.shape
    keys = terms.key.shape[2]
    before, after = terms.reach()
    size = min(queries, max(terms.window, BLOCK))
    blocks = -(-queries // size)
    span, low = size + before + after, keys - queries - before  # keys of a block, position of the first one

    def cut(x: Tensor) -> Tensor:
        x_blocks = F.pad(x, (0, 0, -low, low + (blocks - 1) * size + span - keys)).unfold(2, span, size)
        local = x_blocks.permute(0, 2, 1, 4, 3)  # (B, blocks, Hkv, span, d)
        if terms.global_positions:
            shared = x[:, None, :, list(terms.global_positions)].expand(-1, blocks, -1, -1, -1)
            local = torch.cat([local, shared], 3)
        return local.flatten(0, 1)

    rows = torch.unflatten(F.pad(terms.query, (0, 0, 0, blocks * size - queries)), 2, (blocks, size))
    seen = _seen_by_blocks(terms, blocks, size).expand(batch, -1, -1, -1, -1)
    context, _ = scaled_dot(
        rows.transpose(1, 2).flatten(0, 1), cut(terms.key), cut(value),
        mask=seen.flatten(0, 1), scale=terms.scale, dropout=dropout,
    )  # fmt: skip
    return torch.unflatten(context, 0, (batch, blocks)).transpose(1, 2).flatten(2, 3)[:, :, :queries]


def _seen_by_blocks(terms: WindowRecord, blocks: int, size: int) -> Bool[Tensor, "#batch blocks #head size span"]:
    """Which of a block's keys each of its queries sees; a global key in reach counts once, as a global one."""
    queries, keys, device = terms.query.shape[2], terms.key.shape[2], terms.key.device
    before, after = terms.reach()
    starts = (torch.arange(blocks, device=device) * size)[:, None]
    rows = (starts + torch.arange(size, device=device))[..., None]  # (blocks, size, 1)
    positions = rows + keys - queries
    columns = (starts + torch.arange(size + before + after, device=device))[:, None] + keys - queries - before
    seen = terms.band(positions, columns) & (columns >= 0) & (columns < keys)
    if terms.global_positions:
        everywhere = torch.tensor(terms.global_positions, device=device)
        reached = everywhere <= positions if terms.causal else (everywhere >= 0).expand(blocks, size, -1)
        seen = torch.cat([seen & ~torch.isin(columns, everywhere), reached], -1)
        columns = torch.cat([columns, everywhere.expand(blocks, 1, -1)], -1)
    if terms.mask is None:
        return seen[None, :, None]
    mask = terms.mask.expand(-1, -1, -1, keys)
    rows = rows[:, :1] * 0 if mask.shape[2] == 1 else rows.clamp(max=queries - 1)
    return (mask[:, :, rows, columns.clamp(0, keys - 1)] & seen).transpose(1, 2)


def _replace_global_rows(context: Tensor, terms: WindowRecord, value: Tensor, dropout: float) -> Tensor:
    """Let the queries at global positions see all keys: a few dense rows."""
    queries, keys, device = terms.query.shape[2], terms.key.shape[2], terms.key.device
    positions = torch.tensor([p for p in terms.global_positions if p >= keys - queries], device=device).long()
    rows = positions - (keys - queries)
    mask = terms.mask if terms.mask is None or terms.mask.shape[2] == 1 else terms.mask[:, :, rows]
    if terms.causal:
        earlier = torch.arange(keys, device=device) <= positions[:, None]
        mask = earlier[None, None] if mask is None else mask & earlier
    seen, _ = scaled_dot(terms.query[:, :, rows], terms.key, value, mask=mask, scale=terms.scale, dropout=dropout)
    return context.index_copy(2, rows, seen)
