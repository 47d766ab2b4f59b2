"""The feed-forward sublayer."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attn_widgets.config import ModelConfig


def activate(x: Float[Tensor, "*batch hidden"], kind: str) -> Float[Tensor, "*batch hidden"]:
    """GELU (arXiv:1606.08415), its tanh form, or ReLU² (arXiv:2109.08668)."""
    if kind == "relu2":
        return F.relu(x).square()
    return F.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")


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
        if self.gate is not None:
            return self.down(F.silu(self.gate(x)) * self.up(x))
        return self.down(activate(self.up(x), self.kind))
