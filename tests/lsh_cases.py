"""Inputs and masks on which LSH attention is compared with its oracles."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from attn_widgets.attention import padding_mask


def inputs(length: int, value_heads: int = 4, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    torch.manual_seed(length)
    return torch.randn(2, 4, length, 8).to(dtype), torch.randn(2, value_heads, length, 8).to(dtype)


def options(kind: str, length: int) -> dict[str, Any]:
    ours: dict[str, Any] = {"causal": "causal" in kind}
    if "padding" in kind:
        ours["mask"] = padding_mask(torch.tensor([length, max(1, length - 5)]), length)
    if kind == "arbitrary":
        torch.manual_seed(0)
        ours["mask"] = torch.rand(2, 4, length, length) < 0.6
        ours["mask"][1, :, length // 2] = False
    return ours
