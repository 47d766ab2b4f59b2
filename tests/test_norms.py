"""RMSNorm against ``nn.RMSNorm``: values, gradients, both of its paths."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.models.norms import RMSNorm, make_norm


def pair(dim: int, dtype: torch.dtype = torch.float32, eps: float = 1e-5) -> tuple[RMSNorm, nn.RMSNorm]:
    torch.manual_seed(0)
    ours, theirs = RMSNorm(dim, eps=eps).to(dtype), nn.RMSNorm(dim, eps=eps).to(dtype)
    with torch.no_grad():
        ours.weight.copy_(torch.randn(dim))
        theirs.weight.copy_(ours.weight)
    return ours, theirs


def run(norm: nn.Module, x: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x = x.clone().requires_grad_()
    result = norm(x)
    result.backward(gradient)
    assert isinstance(norm.weight, Tensor)
    assert x.grad is not None
    assert norm.weight.grad is not None
    return result, x.grad, norm.weight.grad


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])  # at 1e-3 eps is a tenth of the mean square, at 1e3 nothing
def test_values_and_gradients_equal_torchs(size: float, dtype: torch.dtype, close: float) -> None:
    ours, theirs = pair(64, dtype)
    x, gradient = size * torch.randn(3, 5, 64, dtype=dtype), torch.randn(3, 5, 64, dtype=dtype)
    for mine, expected in zip(run(ours, x, gradient), run(theirs, x, gradient), strict=True):
        torch.testing.assert_close(mine, expected, atol=close, rtol=close)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=close, rtol=close)


def test_gradient_by_finite_differences() -> None:
    ours, _ = pair(6, torch.float64)
    x = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, gain: torch.func.functional_call(ours, {"weight": gain}, x), (x, ours.weight)
    )


def test_gain_of_every_head() -> None:
    torch.manual_seed(0)
    ours, theirs = RMSNorm(4, 8, eps=1e-5), nn.RMSNorm(8, eps=1e-5, elementwise_affine=False)
    with torch.no_grad():
        ours.weight.copy_(torch.randn(4, 8))
    gain = ours.weight.detach().clone().requires_grad_()
    x = torch.randn(2, 5, 6, 8)[:, :, :4]  # not contiguous, as queries and keys of one projection are
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    gradient = torch.randn(2, 5, 4, 8)
    results = [ours(inputs[0]), theirs(inputs[1]) * gain]
    for result in results:
        result.backward(gradient)
    torch.testing.assert_close(results[0], results[1], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours.weight.grad, gain.grad, atol=1e-5, rtol=1e-5)


def test_half_precision_equals_torchs() -> None:
    ours, theirs = pair(64, torch.bfloat16)
    x = torch.randn(3, 64).bfloat16()
    torch.testing.assert_close(ours(x), theirs(x), atol=2e-2, rtol=2e-2)


def test_half_precision_input_of_a_float32_norm_keeps_eps() -> None:
    ours, theirs = pair(64)
    x = 1e-3 * torch.randn(3, 64).bfloat16()
    torch.testing.assert_close(ours(x).float(), theirs(x.float()), atol=2e-2, rtol=2e-2)


def test_zeros_stay_zeros() -> None:
    ours, _ = pair(8)
    assert torch.equal(ours(torch.zeros(2, 8)), torch.zeros(2, 8))


def test_config_chooses_the_norm() -> None:
    assert isinstance(make_norm(ModelConfig(norm="rms")), RMSNorm)
    layer = make_norm(ModelConfig(norm="layer", bias=False, norm_eps=1e-3))
    assert isinstance(layer, nn.LayerNorm)
    assert layer.bias is None
    assert layer.eps == 1e-3
    assert make_norm(ModelConfig(norm="layer", bias=True)).bias is not None
