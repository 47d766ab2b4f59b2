"""LayerNorm and RMSNorm before each sublayer."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_widgets.config import ModelConfig


def rms_norm(
    x: Float[Tensor, "*batch dim"], gain: Float[Tensor, "*#gain dim"], eps: float
) -> Float[Tensor, "*batch dim"]:
    """x / √(mean(x²) + eps) · gain over the last axis (Zhang and Sennrich, arXiv:1910.07467, equation 4)."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gain


class RMSNorm(nn.Module):
    """RMSNorm with a learned gain; it never has a bias.

    Written out because ``F.rms_norm`` has no CPU kernel of its own.
    """

    def __init__(self, *shape: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))
        self.eps = eps

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Normalise the last axis."""
        return rms_norm(x, self.weight, self.eps)


def make_norm(config: ModelConfig) -> nn.Module:
    """The norm that `config` asks for, over the width of the residual stream."""
    if config.norm == "rms":
        return RMSNorm(config.dim, eps=config.norm_eps)
    return nn.LayerNorm(config.dim, eps=config.norm_eps, bias=config.bias)
