"""Weights of their own for additive attention of the cases in `attention_cases`."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.attention_cases import DIM, HEADS


def trained(dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(99)
    return {name: (2 * torch.randn(HEADS, DIM, generator=random)).to(dtype) for name in ("v", "b")}
