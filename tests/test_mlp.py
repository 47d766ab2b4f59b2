"""Activations and the feed-forward layer against transformers' and torch's."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig
from transformers.activations import ACT2FN
from transformers.models.llama.modeling_llama import LlamaMLP

from attn_widgets.config import ModelConfig
from attn_widgets.models.mlp import MLP, activate


@pytest.mark.parametrize(("kind", "theirs"), [("gelu", "gelu"), ("gelu_tanh", "gelu_new"), ("relu2", "relu2")])
def test_activation_and_gradient_equal_transformers(kind: str, theirs: str) -> None:
    torch.manual_seed(0)
    inputs = [torch.linspace(-4, 4, 101).requires_grad_() for _ in range(2)]
    results = [activate(inputs[0], kind), ACT2FN[theirs](inputs[1])]
    gradient = torch.randn(101)
    for result in results:
        result.backward(gradient)
    torch.testing.assert_close(results[0], results[1], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-6, rtol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(activate(inputs[0], kind), results[1], atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(inputs[0], torch.linspace(-4, 4, 101))  # not changed in place


@pytest.mark.parametrize("bias", [False, True])
def test_swiglu_equals_llamas(bias: bool) -> None:
    torch.manual_seed(0)
    theirs = LlamaMLP(LlamaConfig(hidden_size=16, intermediate_size=24, num_attention_heads=4, mlp_bias=bias))
    ours = MLP(ModelConfig(dim=16, hidden=24, mlp="swiglu", bias=bias))
    names = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
    ours.load_state_dict(
        {key: theirs.state_dict()[names[key.split(".")[0]] + "." + key.split(".")[1]] for key in ours.state_dict()}
    )
    x = torch.randn(2, 5, 16)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-6, rtol=1e-6)


def test_default_widths() -> None:
    assert MLP(ModelConfig(dim=16)).up.weight.shape == (64, 16)
    assert MLP(ModelConfig(dim=24, mlp="swiglu")).up.weight.shape == (64, 24)
