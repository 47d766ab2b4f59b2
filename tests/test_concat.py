"""Luong's concat score against an einsum over the concatenated pairs, as the paper writes it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attn_widgets.attention.additive import AdditiveRecord
from attn_widgets.attention.concat import concat, concat_weights
from attn_widgets.errors import ConfigError
from tests.attention_cases import DIM, HEADS, KINDS, LENGTHS, inputs, options


def trained(dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(99)
    weight = torch.randn(HEADS, DIM, 2 * DIM, generator=random) / 2
    return {"weight": weight.to(dtype), "v": (2 * torch.randn(HEADS, DIM, generator=random)).to(dtype)}


def papers(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Context and weights: every pair [q; k] is made, and torch's fused kernel gets the scores as its bias."""
    weight, v = trained(query.dtype).values()
    key, value = (tensor.repeat_interleave(HEADS // tensor.shape[1], 1) for tensor in (key, value))
    queries, keys = query.shape[2], key.shape[2]
    pairs = torch.cat(
        [query[:, :, :, None].expand(-1, -1, -1, keys, -1), key[:, :, None].expand(-1, -1, queries, -1, -1)], -1
    )
    scores = torch.einsum("hd,bhqkd->bhqk", v, torch.einsum("hde,bhqke->bhqkd", weight, pairs).tanh())
    some = seen.any(-1, keepdim=True)
    bias = scores.masked_fill(~(seen | ~some), -torch.inf)
    nothing = torch.zeros_like(query)
    attend = partial(F.scaled_dot_product_attention, nothing, torch.zeros_like(key), attn_mask=bias)
    identity = torch.eye(keys, dtype=query.dtype).expand(*key.shape[:2], keys, keys)
    return torch.where(some, attend(value), 0.0), torch.where(some, attend(identity), 0.0)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", LENGTHS)
def test_context_and_weights_equal_the_papers(length: int, kind: str, kv_heads: int) -> None:
    query, key, value = inputs(length, kv_heads)
    arguments, seen = options(kind, length)
    context, record = concat(query, key, value, **trained(), record=True, **arguments)
    expected, weights = papers(query, key, value, seen)
    torch.testing.assert_close(context, expected, atol=5e-6, rtol=1e-5)
    assert isinstance(record, AdditiveRecord)
    torch.testing.assert_close(record.weights(), weights, atol=5e-6, rtol=1e-5)
    without, nothing = concat(query, key, value, **trained(), **arguments)
    assert torch.equal(without, context)
    assert nothing is None


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_equals_the_papers_float32_on_the_same_numbers(kind: str) -> None:
    query, key, value = inputs(64, 2, torch.bfloat16)
    arguments, seen = options(kind, 64)
    context, _ = concat(query, key, value, **trained(), **arguments)
    assert context.dtype == torch.bfloat16
    expected, _ = papers(query.float(), key.float(), value.float(), seen)
    torch.testing.assert_close(context.float(), expected, atol=1e-3, rtol=2**-7)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str) -> None:
    query, key, value = (tensor.double().requires_grad_() for tensor in inputs(5, 2))
    weight, v = (tensor.requires_grad_() for tensor in trained(torch.float64).values())
    arguments, _ = options(kind, 5)

    def context(query: Tensor, key: Tensor, value: Tensor, weight: Tensor, v: Tensor) -> Tensor:
        return concat(query, key, value, weight=weight, v=v, **arguments)[0]

    assert torch.autograd.gradcheck(context, (query, key, value, weight, v), fast_mode=True)


@pytest.mark.parametrize("window", [None, 3])
def test_last_queries_over_more_keys_equal_the_last_rows_of_the_square(window: int | None) -> None:
    query, key, value = inputs(9, 2)
    seen = torch.ones(9, 9, dtype=torch.bool).tril().triu(1 - (window or 9))
    expected, _ = papers(query, key, value, seen)
    context, _ = concat(query[:, :, -3:], key, value, **trained(), causal=True, window=window)
    torch.testing.assert_close(context, expected[:, :, -3:], atol=2e-6, rtol=1e-5)


def test_scale_and_dropout() -> None:
    query, key, value = inputs(7)
    weight, v = trained().values()
    context, _ = concat(query, key, value, weight=weight, v=v, scale=0.25)
    torch.testing.assert_close(context, concat(query, key, value, weight=weight, v=v / 4)[0])
    torch.manual_seed(3)
    dropped, record = concat(query, key, value, weight=weight, v=v, dropout=0.5, record=True)
    assert record is not None
    torch.manual_seed(3)
    torch.testing.assert_close(dropped, F.dropout(record.weights(), 0.5) @ value)


def test_new_weights_are_drawn_within_their_bounds() -> None:
    torch.manual_seed(0)
    drawn = concat_weights(4, 8)
    assert {name: tuple(tensor.shape) for name, tensor in drawn.items()} == {"weight": (4, 8, 16), "v": (4, 8)}
    assert 0.24 < drawn["weight"].abs().max() <= 0.25
    assert 0.25 < drawn["v"].abs().max() <= 8**-0.5


@pytest.mark.parametrize("wrong", [{"window": 3}, {"window": 0, "causal": True}])
def test_what_cannot_work_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"window={wrong['window']} must be at least 1 and comes with causal=True"):
        concat(*inputs(4), **trained(), **wrong)
    with pytest.raises(ConfigError, match="3 key heads do not divide 4 query heads"):
        concat(*inputs(4, kv_heads=3), **trained())
