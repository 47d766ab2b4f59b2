"""Luong's dot and general scores against torch's attention with scale 1, on q and on q·W."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attn_widgets.attention import DotRecord
from attn_widgets.attention.luong import dot, general, general_weights
from attn_widgets.errors import ConfigError
from tests.attention_cases import DIM, HEADS, KINDS, LENGTHS, inputs, options

MECHANISMS = ["dot", "general"]


def weight(dtype: torch.dtype = torch.float32) -> Tensor:
    return (torch.randn(HEADS, DIM, DIM, generator=torch.Generator().manual_seed(99)) / 2).to(dtype)


def ours(name: str, dtype: torch.dtype = torch.float32) -> Any:
    return dot if name == "dot" else partial(general, weight=weight(dtype))


def torchs(name: str, query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    """torch's own attention; rows that see nothing are filled in as zeros, kernels differ on them."""
    some = seen.any(-1, keepdim=True)
    if name == "general":
        query = torch.einsum("bhqd,hde->bhqe", query, weight().to(query.dtype))
    context = F.scaled_dot_product_attention(query, key, value, seen | ~some, scale=1.0, enable_gqa=True)
    return torch.where(some, context, 0.0)


@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", LENGTHS)
def test_context_equals_torchs(length: int, kind: str, kv_heads: int, name: str) -> None:
    query, key, value = inputs(length, kv_heads)
    arguments, seen = options(kind, length)
    expected = torchs(name, query, key, value, seen)
    plain, nothing = ours(name)(query, key, value, **arguments)
    recorded, record = ours(name)(query, key, value, record=True, **arguments)
    torch.testing.assert_close(plain, expected, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(recorded, expected, atol=2e-6, rtol=1e-5)
    assert nothing is None
    assert isinstance(record, DotRecord)
    assert record.scale == 1
    values = torch.eye(length).expand(2, HEADS, length, length)  # the context of the identity is the weights
    torch.testing.assert_close(record.weights(), torchs(name, query, key.repeat_interleave(HEADS // kv_heads, 1),
                               values, seen), atol=2e-6, rtol=1e-5)  # fmt: skip


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_equals_torchs_float32_on_the_same_numbers(kind: str, name: str, record: bool) -> None:
    query, key, value = inputs(64, 2, torch.bfloat16)
    arguments, seen = options(kind, 64)
    context, _ = ours(name)(query, key, value, record=record, **arguments)
    assert context.dtype == torch.bfloat16
    exact = torchs(name, query.float(), key.float(), value.float(), seen)
    torch.testing.assert_close(context.float(), exact, atol=1e-2, rtol=2**-7)


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("name", MECHANISMS)
def test_under_autocast_both_paths_agree(name: str, record: bool) -> None:
    query, key, value = inputs(7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        context, _ = ours(name)(query, key, value, causal=True, record=record)
    seen = torch.ones(2, HEADS, 7, 7, dtype=torch.bool).tril()
    torch.testing.assert_close(context.float(), torchs(name, query, key, value, seen), atol=6e-2, rtol=2**-5)


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str, record: bool) -> None:
    query, key, value = (tensor.double().requires_grad_() for tensor in inputs(5, 2))
    of_general = weight(torch.float64).requires_grad_()
    arguments, _ = options(kind, 5)

    def context(query: Tensor, key: Tensor, value: Tensor, weight: Tensor) -> Tensor:
        return general(query, key, value, weight=weight, record=record, **arguments)[0]

    assert torch.autograd.gradcheck(context, (query, key, value, of_general), fast_mode=True)
    assert torch.autograd.gradcheck(
        lambda *qkv: dot(*qkv, record=record, **arguments)[0], (query, key, value), fast_mode=True
    )


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_scale_multiplies_the_scores(name: str) -> None:
    query, key, value = inputs(7)
    context, record = ours(name)(query, key, value, scale=0.25, record=True)
    torch.testing.assert_close(context, ours(name)(query * 0.25, key, value)[0])
    assert record.scale == 0.25


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("name", MECHANISMS)
def test_last_queries_over_more_keys_equal_the_last_rows_of_the_square(name: str, record: bool) -> None:
    query, key, value = inputs(9, 2)
    seen = torch.ones(2, HEADS, 9, 9, dtype=torch.bool).tril().triu(-2)
    expected = torchs(name, query, key, value, seen)[:, :, -3:]
    context, _ = ours(name)(query[:, :, -3:], key, value, causal=True, window=3, record=record)
    torch.testing.assert_close(context, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("name", MECHANISMS)
def test_dropout_is_on_the_weights_and_not_in_the_record(name: str) -> None:
    query, key, value = inputs(7)
    torch.manual_seed(3)
    context, record = ours(name)(query, key, value, dropout=0.5, record=True)
    torch.manual_seed(3)
    torch.testing.assert_close(context, F.dropout(record.weights(), 0.5) @ value)
    torch.testing.assert_close(record.weights().sum(-1), torch.ones(2, HEADS, 7))


def test_new_weights_give_scores_the_variance_of_dots() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(1, 4, 512, 64), torch.randn(1, 4, 512, 64)
    drawn = general_weights(4, 64)
    assert {name: tuple(tensor.shape) for name, tensor in drawn.items()} == {"weight": (4, 64, 64)}
    assert drawn["weight"].std(dim=(1, 2)).min() > 0
    variance = (query @ drawn["weight"] @ key.transpose(-1, -2)).var().item()
    assert variance == pytest.approx(64, rel=0.15)  # of 64 products of unit normals


@pytest.mark.parametrize("name", MECHANISMS)
def test_what_cannot_work_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match="window=3 must be at least 1 and comes with causal=True"):
        ours(name)(*inputs(4), window=3)
    with pytest.raises(ConfigError, match="3 key heads do not divide 4 query heads"):
        ours(name)(*inputs(4, kv_heads=3))
