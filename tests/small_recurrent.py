"""Small recurrent models with every option, shared by their tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from attn_widgets.config import MECHANISMS_OF, ModelConfig
from attn_widgets.models.recurrent import Recurrent

OPTIONS: list[dict[str, Any]] = [
    *({"attention": name} for name in MECHANISMS_OF["recurrent"]),
    {"cell": "lstm", "attention": "none"},
    {"cell": "lstm", "attention": "additive", "bias": True, "tied": True, "layers": 1},
    {"kv_heads": 2, "bias": True, "tied": True},
]
VOCAB = 20


def make(dtype: torch.dtype = torch.float32, **options: Any) -> Recurrent:
    """A small model whose every parameter is random, so that no part of it is idle."""
    torch.manual_seed(0)
    config = ModelConfig(**{"model": "recurrent", "layers": 2, "heads": 4, "dim": 16, "context": 8, **options})
    model = Recurrent(config, VOCAB)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model.to(dtype).eval()


def ids(length: int = 12, batch: int = 2) -> Tensor:
    return torch.randint(VOCAB, (batch, length), generator=torch.Generator().manual_seed(1))
