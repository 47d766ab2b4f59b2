"""Rotary and sinusoidal positions against transformers' Llama and Marian."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

from attn_widgets.models.positions import Rotary, rotary_tables, rotate, sinusoidal_table


@pytest.mark.parametrize("theta", [10_000.0, 500_000.0])
@pytest.mark.parametrize("start", [0, 13])
def test_rotation_equals_llamas(start: int, theta: float) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, num_attention_heads=4, rope_parameters={"rope_type": "default", "rope_theta": theta}
    )
    query, key = torch.randn(2, 9, 4, 8), torch.randn(2, 9, 4, 8)
    theirs = LlamaRotaryEmbedding(config)(query, torch.arange(start, start + 9)[None])
    expected = apply_rotary_pos_emb(query, key, *theirs, unsqueeze_dim=2)
    cos, sin = Rotary(8, 4, theta)(start, start + 9, torch.float32)  # longer than the first table of 4
    for ours, other in zip((rotate(query, cos, sin), rotate(key, cos, sin)), expected, strict=True):
        torch.testing.assert_close(ours, other, atol=1e-6, rtol=0)


def test_dot_product_depends_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(1, 1, 1, 16).double(), torch.randn(1, 1, 1, 16).double()
    cos, sin = (table.double() for table in rotary_tables(64, 16, 10_000.0))

    def score(at: int, other: int) -> torch.Tensor:
        turned = [rotate(x, cos[p : p + 1], sin[p : p + 1]) for x, p in ((query, at), (key, other))]
        return (turned[0] * turned[1]).sum()

    torch.testing.assert_close(score(40, 33), score(7, 0), atol=1e-5, rtol=0)
    assert (score(40, 33) - score(40, 32)).abs() > 1e-3


def test_a_grown_table_equals_one_made_at_once() -> None:
    grown, whole = Rotary(8, 4, 100.0), Rotary(8, 50, 100.0)
    grown(0, 3, torch.float32)
    for ours, other in zip(grown(0, 50, torch.float32), whole(0, 50, torch.float32), strict=True):
        assert torch.equal(ours, other)


def test_a_table_grown_while_generating_can_be_trained_with() -> None:
    rotary = Rotary(8, 4, 100.0)
    with torch.inference_mode():
        rotary(0, 9, torch.float32)
    x = torch.randn(1, 9, 2, 8, requires_grad=True)
    rotate(x, *rotary(0, 9, torch.float32)).sum().backward()
    assert x.grad is not None


def test_tables_follow_the_model_and_are_not_saved() -> None:
    rotary = Rotary(8, 6, 100.0)
    assert rotary.state_dict() == {}
    there_and_back = Rotary(8, 6, 100.0).to(torch.bfloat16).to(torch.float32)
    assert torch.equal(there_and_back.cos, rotary.cos)
    assert Rotary(8, 6, 100.0).double()(0, 6, torch.float64)[0].dtype == torch.float64
    assert rotary(0, 6, torch.bfloat16)[0].dtype == torch.bfloat16


@pytest.mark.parametrize("dim", [8, 32])
def test_sinusoids_equal_marians(dim: int) -> None:
    theirs = MarianSinusoidalPositionalEmbedding(20, dim).create_weight()
    ours = sinusoidal_table(20, dim)
    # Marian keeps all sines first, then all cosines; the paper has them by turns.
    torch.testing.assert_close(torch.cat((ours[:, 0::2], ours[:, 1::2]), 1), theirs, atol=1e-6, rtol=0)


def test_sinusoids_of_an_odd_width() -> None:
    assert sinusoidal_table(3, 5).shape == (3, 5)
