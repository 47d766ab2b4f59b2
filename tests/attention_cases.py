"""Inputs and masks on which mechanisms of attention are compared with their oracles."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from attn_widgets.attention import padding_mask

LENGTHS = [1, 7, 64]
KINDS = ["none", "causal", "window", "padding", "padding+causal", "arbitrary", "empty rows"]
HEADS, DIM = 4, 8


def inputs(length: int, kv_heads: int = HEADS, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(length)
    shape = (2, kv_heads, length, DIM)
    return torch.randn(2, HEADS, length, DIM).to(dtype), torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)


def options(kind: str, length: int) -> tuple[dict[str, Any], Tensor]:
    """Arguments of a mechanism, and the same as a full Boolean mask made entry by entry."""
    seen = torch.ones(2, HEADS, length, length, dtype=torch.bool)
    rows, columns = torch.meshgrid(torch.arange(length), torch.arange(length), indexing="ij")
    ours: dict[str, Any] = {}
    if "causal" in kind or kind == "window":
        ours["causal"] = True
        seen = seen & (columns <= rows)
    if kind == "window":
        ours["window"] = 3
        seen = seen & (columns > rows - 3)
    if "padding" in kind:
        lengths = torch.tensor([length, max(1, length // 2)])
        ours["mask"] = padding_mask(lengths, length)
        seen = seen & (columns < lengths[:, None, None, None])
    if kind in ("arbitrary", "empty rows"):
        seen = torch.rand(seen.shape, generator=torch.Generator().manual_seed(0)) < 0.5
        seen[..., 0] = True
        ours["mask"] = seen
    if kind == "empty rows":
        seen[0, :, length // 2] = False
        seen[1, 1] = False
    return ours, seen
