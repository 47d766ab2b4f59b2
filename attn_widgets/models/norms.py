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

    def __init__(self, *shape: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))
        self.eps = eps
        # Constants of the CPU's path; tensors, since an operation on a Python number takes twice as long.
        numbers = (0.0, math.sqrt(shape[-1] * eps))
        self._constants = {
            dtype: [torch.tensor(number, dtype=dtype, device="cpu") for number in numbers]
            for dtype in (torch.float32, torch.float64)
        }

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Normalise the last axis."""
        constants = self._constants.get(x.dtype) if x.is_cpu and x.dtype == self.weight.dtype else None
        if constants is None:
            if x.dtype == self.weight.dtype and self.weight.ndim == 1:
                return F.rms_norm(x, x.shape[-1:], self.weight, self.eps)
            return F.rms_norm(x, x.shape[-1:], None, self.eps) * self.weight
        if not torch.is_grad_enabled():
            return _forward(x, self.weight, *constants)[0]
        result: Tensor = _RMSNorm.apply(x, self.weight, *constants)  # type: ignore[no-untyped-call]
        return result


def _forward(x: Tensor, gain: Tensor, zero: Tensor, root: Tensor) -> tuple[Tensor, Tensor]:
    """Return the result, and √(Σx² + dim · eps): √dim times the divisor (..., 1)."""
    length: Tensor = torch.linalg.vector_norm(x, 2, -1, True)
    length.hypot_(root)
    return torch.addcmul(zero, x, gain, value=math.sqrt(x.shape[-1])).div_(length), length


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, zero: Tensor, root: Tensor) -> Tensor:
        result, length = _forward(x, gain, zero, root)
        ctx.save_for_backward(x, gain, length)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, gain, length = ctx.saved_tensors
        dim = x.shape[-1]
        inverse = math.sqrt(dim) / length
        # The kernel knows one row of gains: a gain a head goes into the gradient here.
        wide = gain.ndim > 1
        gradient, weight = (gradients[0] * gain, None) if wide else (gradients[0], gain)
        need = [ctx.needs_input_grad[0], ctx.needs_input_grad[1] and not wide, False]
        dx, dgain, _ = torch.ops.aten.native_layer_norm_backward(
            gradient, x, (dim,), torch.zeros_like(inverse), inverse, weight, None, need
        )
        if dx is not None:  # LayerNorm's gradient also subtracts inverse · mean(gradient · gain)
            mean = gradient.mean(-1, keepdim=True) if wide else (gradient @ gain).div_(dim)[..., None]
            dx.addcmul_(mean, inverse)
        if wide and ctx.needs_input_grad[1]:
            dgain = (gradients[0] * x).mul_(inverse).flatten(0, -1 - gain.ndim).sum(0)
        return dx, dgain, None, None


def make_norm(config: ModelConfig) -> nn.Module:
    """Make the norm that `config` asks for, over the width of the residual stream."""
    if config.norm == "rms":
        return RMSNorm(config.dim, eps=config.norm_eps)
    return nn.LayerNorm(config.dim, eps=config.norm_eps, bias=config.bias)
