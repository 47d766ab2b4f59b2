"""Small models with every option, shared by the tests of the transformer and its cache."""

from __future__ import annotations

from typing import Any

import torch

from attn_widgets.config import ModelConfig
from attn_widgets.models import Transformer

OPTIONS: list[dict[str, Any]] = [
    {},
    {"positions": "learned", "norm": "layer", "mlp": "gelu_tanh", "bias": True, "tied": True},
    {"kv_heads": 2, "qk_norm": True, "mlp": "swiglu"},
    {"kv_heads": 1, "positions": "sinusoidal", "mlp": "gelu", "norm": "layer"},
    {"bias": True, "qk_norm": True, "tied": True},
]


def make(dtype: torch.dtype = torch.float32, **options: Any) -> Transformer:
    """A small model whose every parameter is random, so that no part of it is idle."""
    torch.manual_seed(0)
    model = Transformer(ModelConfig(**{"layers": 2, "heads": 4, "dim": 32, "context": 16, **options}), 50)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.to(dtype).eval()


def ids(length: int = 12, batch: int = 2) -> torch.Tensor:
    return torch.randint(50, (batch, length), generator=torch.Generator().manual_seed(1))
