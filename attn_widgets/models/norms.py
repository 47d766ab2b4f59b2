"""LayerNorm and RMSNorm before each sublayer.

``F.rms_norm`` has no CPU kernel in torch 2.13: it runs as seven small ones and is five times slower
than ``F.layer_norm``. On the CPU RMSNorm is therefore written out in four, and its gradient borrows
LayerNorm's kernel, which gives RMSNorm's when it is told that the mean is zero, short of one term.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attn_widgets.config import ModelConfig


class RMSNorm(nn.Module):
    """x / √(mean(x²) + eps) · gain over the last axis (Zhang and Sennrich, arXiv:1910.07467, equation 4).

    Parameters
    ----------
    shape
        Shape of the gain; its last axis is the one that is normalised, earlier ones (heads) have
        gains of their own.
    eps
        Added to the mean square.
    """

    root: Tensor

    def __init__(self, *shape: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))
        self.eps = eps
        self.register_buffer("root", torch.tensor(math.sqrt(shape[-1] * eps)), persistent=False)

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Normalise the last axis."""
        if not x.is_cpu or x.dtype != self.root.dtype or x.dtype not in (torch.float32, torch.float64):
            return F.rms_norm(x, x.shape[-1:], None, self.eps) * self.weight
        if not torch.is_grad_enabled():
            return _divide(x, _length(x, self.root), self.weight)
        result: Tensor = _RMSNorm.apply(x, self.weight, self.root)  # type: ignore[no-untyped-call]
        return result


def _length(x: Tensor, root: Tensor) -> Tensor:
    """√(Σx² + dim · eps), which is √dim times the divisor."""
    length: Tensor = torch.linalg.vector_norm(x, 2, -1, True)
    return length.hypot_(root)  # (..., 1)


def _divide(x: Tensor, length: Tensor, gain: Tensor) -> Tensor:
    return torch.addcmul(length.new_zeros(()), x, gain, value=math.sqrt(x.shape[-1])).div_(length)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, root: Tensor) -> Tensor:
        length = _length(x, root)
        ctx.save_for_backward(x, gain, length)
        return _divide(x, length, gain)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, gain, length = ctx.saved_tensors
        dim = x.shape[-1]
        inverse = math.sqrt(dim) / length
        # The kernel knows one row of gains: a gain a head goes into the gradient here.
        wide = gain.ndim > 1
        gradient, weight = (gradients[0] * gain, None) if wide else (gradients[0], gain)
        need = [ctx.needs_input_grad[0], not wide, False]
        dx, dgain, _ = torch.ops.aten.native_layer_norm_backward(
            gradient, x, (dim,), torch.zeros_like(inverse), inverse, weight, None, need
        )
        if dx is not None:  # LayerNorm's gradient also subtracts inverse · mean(gradient · gain)
            mean = gradient.mean(-1, keepdim=True) if wide else (gradient @ gain).div_(dim)[..., None]
            dx.addcmul_(mean, inverse)
        if wide:
            dgain = (gradients[0] * x).mul_(inverse).flatten(0, -1 - gain.ndim).sum(0)
        return dx, dgain, None


def make_norm(config: ModelConfig) -> nn.Module:
    """Make the norm that `config` asks for, over the width of the residual stream."""
    if config.norm == "rms":
        return RMSNorm(config.dim, eps=config.norm_eps)
    return nn.LayerNorm(config.dim, eps=config.norm_eps, bias=config.bias)
