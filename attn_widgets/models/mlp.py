"""The feed-forward sublayer."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attn_widgets.config import ModelConfig


def activate(x: Float[Tensor, "*batch hidden"], kind: str) -> Float[Tensor, "*batch hidden"]:
    """GELU (arXiv:1606.08415), its tanh form, or ReLU² (arXiv:2109.08668)."""
    if kind != "relu2":
        return F.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")
    if torch.is_grad_enabled() and x.requires_grad:
        result: Tensor = _SquaredReLU.apply(x)  # type: ignore[no-untyped-call]
        return result
    return F.relu(x).square_()


class _SquaredReLU(torch.autograd.Function):
    """Half the memory traffic of ``F.relu(x).square()``, whose gradient goes through ``pow``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        positive = F.relu(x)
        ctx.save_for_backward(positive)
        return positive * positive

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (positive,) = ctx.saved_tensors
        gradient: Tensor = gradients[0] * positive
        return gradient.mul_(2)


class MLP(nn.Module):
    """down(activation(up(x))); SwiGLU (arXiv:2002.05202): down(silu(gate(x)) · up(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.kind = config.mlp
        self.gate = nn.Linear(config.dim, config.hidden_dim, config.bias) if config.mlp == "swiglu" else None
        self.up = nn.Linear(config.dim, config.hidden_dim, config.bias)
        self.down = nn.Linear(config.hidden_dim, config.dim, config.bias)

    def forward(self, x: Float[Tensor, "batch query dim"]) -> Float[Tensor, "batch query dim"]:
        """Each position on its own."""
        hidden: Tensor = self.up(x)
        hidden = activate(hidden, self.kind) if self.gate is None else F.silu(self.gate(x)) * hidden
        result: Tensor = self.down(hidden)
        return result
