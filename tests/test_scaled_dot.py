"""Scaled dot-product attention against torch's own and ``nn.MultiheadAttention``."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attn_widgets.attention import DotRecord, padding_mask, scaled_dot
from attn_widgets.errors import ConfigError

LENGTHS = [1, 7, 64]
KINDS = ["none", "causal", "window", "padding", "arbitrary", "padding+causal"]


def inputs(length: int, kv_heads: int = 4, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(length)
    shape = (2, kv_heads, length, 8)
    return torch.randn(2, 4, length, 8).to(dtype), torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)


def options(kind: str, length: int) -> tuple[dict[str, Any], Tensor]:
    """Our arguments, and the same as a full Boolean mask made entry by entry."""
    seen = torch.ones(2, 1, length, length, dtype=torch.bool)
    rows, columns = torch.meshgrid(torch.arange(length), torch.arange(length), indexing="ij")
    ours: dict[str, Any] = {}
    if "causal" in kind or kind == "window":
        ours["causal"] = True
        seen = seen & (columns <= rows)
    if kind == "window":
        ours["window"] = 3
        seen = seen & (columns > rows - 3)
    if "padding" in kind:
        lengths = torch.tensor([length, max(1, length // 2)])
        ours["mask"] = padding_mask(lengths, length)
        seen = seen & (columns < lengths[:, None, None, None])
    if kind == "arbitrary":
        torch.manual_seed(0)
        seen = torch.rand(2, 4, length, length) < 0.5
        seen[..., 0] = True  # torch's kernels differ on rows without any key; those have a test of their own
        ours["mask"] = seen
    return ours, seen


def torchs(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    groups = query.shape[1] // key.shape[1]
    bias = torch.zeros(seen.shape, dtype=query.dtype).masked_fill(~seen, -math.inf)
    wide = [tensor.repeat_interleave(groups, 1) for tensor in (key, value)]
    return F.scaled_dot_product_attention(query, *wide, attn_mask=bias)


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", LENGTHS)
def test_context_equals_torchs(length: int, kind: str, kv_heads: int, record: bool) -> None:
    query, key, value = inputs(length, kv_heads)
    ours, seen = options(kind, length)
    context, left = scaled_dot(query, key, value, record=record, **ours)
    torch.testing.assert_close(context, torchs(query, key, value, seen), atol=1e-6, rtol=0)
    assert (left is not None) == record


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_equals_torchs_float32_on_the_same_numbers(kind: str, record: bool) -> None:
    query, key, value = inputs(64, 2, torch.bfloat16)
    ours, seen = options(kind, 64)
    context, _ = scaled_dot(query, key, value, record=record, **ours)
    exact = torchs(query.float(), key.float(), value.float(), seen)
    assert context.dtype == torch.bfloat16
    torch.testing.assert_close(context.float(), exact, atol=1e-2, rtol=2**-7)


@pytest.mark.parametrize("kind", ["none", "causal", "padding"])
@pytest.mark.parametrize("length", LENGTHS)
def test_weights_equal_multihead_attentions_of_every_head(length: int, kind: str) -> None:
    torch.manual_seed(1)
    theirs = torch.nn.MultiheadAttention(32, 4, bias=False, batch_first=True)
    x = torch.randn(2, length, 32)
    ours, seen = options(kind, length)
    blocked = (~seen).expand(2, 4, length, length).flatten(0, 1)
    _, expected = theirs(x, x, x, attn_mask=blocked, average_attn_weights=False)
    query, key, value = (
        (x @ weight.T).view(2, length, 4, 8).transpose(1, 2) for weight in theirs.in_proj_weight.chunk(3)
    )
    context, record = scaled_dot(query, key, value, record=True, **ours)
    assert record is not None
    torch.testing.assert_close(record.weights(), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(record.weights() @ value, context, atol=1e-6, rtol=0)


@pytest.mark.parametrize("record", [False, True])
def test_a_row_without_any_key_is_zero_and_its_gradient_finite(record: bool) -> None:
    query, key, value = (tensor.requires_grad_() for tensor in inputs(7))
    mask = torch.ones(2, 1, 7, 7, dtype=torch.bool)
    mask[0, :, 3] = False
    mask[1] = False
    context, left = scaled_dot(query, key, value, mask=mask, causal=True, record=record)
    assert torch.equal(context[0, :, 3], torch.zeros(4, 8))
    assert torch.equal(context[1], torch.zeros(4, 7, 8))
    context.sum().backward()
    for tensor in (query, key, value):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert torch.equal(tensor.grad[1], torch.zeros(4, 7, 8))
    seen = torch.ones(7, 7, dtype=torch.bool).tril()
    seen[3] = False
    visible_rows = [0, 1, 2, 4, 5, 6]
    expected = torchs(query[:1], key[:1], value[:1], seen[None, None])[:, :, visible_rows]
    torch.testing.assert_close(context[:1, :, visible_rows], expected, atol=1e-6, rtol=0)
    if left is not None:
        assert torch.equal(left.weights()[1], torch.zeros(4, 7, 7))


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("window", [None, 3, 20])
@pytest.mark.parametrize("queries", [1, 3])
def test_last_queries_over_more_keys_equal_the_last_rows_of_the_square(
    queries: int, window: int | None, record: bool
) -> None:
    query, key, value = inputs(9, 2)
    rows, columns = torch.meshgrid(torch.arange(9), torch.arange(9), indexing="ij")
    seen = (columns <= rows) & (columns > rows - (window or 9))
    expected = torchs(query, key, value, seen[None, None])[:, :, -queries:]
    context, left = scaled_dot(query[:, :, -queries:], key, value, causal=True, window=window, record=record)
    torch.testing.assert_close(context, expected, atol=1e-6, rtol=0)
    if left is not None:
        assert left.key.shape[2] == 9  # the record keeps keys that the window hides
        assert torch.equal(left.weights()[0, 0] > 0, seen[-queries:])


@pytest.mark.parametrize("scale", [1.0, 0.12])
def test_scale_is_torchs(scale: float) -> None:
    query, key, value = inputs(7)
    expected = F.scaled_dot_product_attention(query, key, value, scale=scale)
    for record in (False, True):
        context, _ = scaled_dot(query, key, value, scale=scale, record=record)
        torch.testing.assert_close(context, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_the_exact_path(kind: str) -> None:
    query, key, value = (tensor.double().requires_grad_() for tensor in inputs(5, 2))
    ours, _ = options(kind, 5)
    if "mask" in ours:
        ours["mask"] = ours["mask"].expand(2, 1, 5, 5).clone() if kind != "arbitrary" else ours["mask"].clone()
        ours["mask"][0, :, 2] = False
    assert torch.autograd.gradcheck(
        lambda *qkv: scaled_dot(*qkv, record=True, **ours)[0], (query, key, value), fast_mode=True
    )


@pytest.mark.parametrize("kind", KINDS)
def test_both_paths_give_the_same_gradient(kind: str) -> None:
    gradients = []
    for record in (False, True):
        tensors = [tensor.requires_grad_() for tensor in inputs(7, 2)]
        ours, _ = options(kind, 7)
        context, _ = scaled_dot(*tensors, record=record, **ours)
        context.square().sum().backward()
        gradients.append([tensor.grad for tensor in tensors])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=0)


def test_nan_stays_nan_and_masked_stays_zero() -> None:
    query, key, value = inputs(5)
    query[0, 1, 2] = math.nan
    _, record = scaled_dot(query, key, value, causal=True, record=True)
    assert record is not None
    row = record.weights()[0, 1, 2]
    assert row[:3].isnan().all()
    assert torch.equal(row[3:], torch.zeros(2))
    assert not record.weights()[0, 0].isnan().any()


def test_dropout_of_the_exact_path_is_on_the_weights_and_not_in_the_record() -> None:
    query, key, value = inputs(7)
    torch.manual_seed(3)
    context, record = scaled_dot(query, key, value, dropout=0.5, record=True)
    assert record is not None
    torch.manual_seed(3)
    torch.testing.assert_close(context, F.dropout(record.weights(), 0.5) @ value)
    torch.testing.assert_close(record.weights().sum(-1), torch.ones(2, 4, 7))


@pytest.mark.parametrize("record", [False, True])
def test_dropout_keeps_the_mean(record: bool) -> None:
    torch.manual_seed(0)
    query, key = torch.randn(16, 4, 64, 8), torch.randn(16, 4, 64, 8)
    context, _ = scaled_dot(query, key, torch.ones(16, 4, 64, 1), dropout=0.5, record=record)
    assert abs(context.mean().item() - 1) < 0.02
    assert context.std() > 0.05


@pytest.mark.parametrize("record", [False, True])
def test_under_autocast_both_paths_see_autocasts_dtype(record: bool) -> None:
    query, key, value = inputs(7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        context, left = scaled_dot(query, key, value, causal=True, record=record)
    assert context.dtype == torch.bfloat16
    half = [tensor.bfloat16().float() for tensor in (query, key, value)]
    exact = F.scaled_dot_product_attention(half[0], half[1], half[2], is_causal=True)
    torch.testing.assert_close(context.float(), exact, atol=1e-2, rtol=2**-7)
    if left is not None:
        assert left.query.dtype == left.key.dtype == torch.bfloat16


def test_record_holds_views() -> None:
    query, key, value = inputs(7, 2)
    _, record = scaled_dot(query, key, value, causal=True, record=True)
    assert isinstance(record, DotRecord)
    assert record.query.data_ptr() == query.data_ptr()
    assert record.key.data_ptr() == key.data_ptr()
    assert record.scale == 8**-0.5


@pytest.mark.parametrize("wrong", [{"window": 3}, {"window": 0, "causal": True}])
def test_a_window_that_cannot_work_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"window={wrong['window']} must be at least 1 and comes with causal=True"):
        scaled_dot(*inputs(4), **wrong)


def test_key_heads_that_do_not_divide_are_named() -> None:
    with pytest.raises(ConfigError, match="3 key heads do not divide 4 query heads"):
        scaled_dot(*inputs(4, kv_heads=3))
