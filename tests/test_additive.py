"""Additive attention against ``keras.layers.AdditiveAttention``, head by head."""

from __future__ import annotations

import math
import os
import sys
import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

os.environ["KERAS_BACKEND"] = "torch"
import keras

from attn_widgets.attention.additive import AdditiveRecord, additive, additive_weights
from attn_widgets.errors import ConfigError
from tests.additive_cases import trained
from tests.attention_cases import DIM, HEADS, KINDS, LENGTHS, inputs, options

module = sys.modules[additive.__module__]  # the package offers the function under the module's name
WHOLE = module.TILE


def kerass(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Context and weights of keras's layer, fed W_i h_i + b and W_j h_j, its scale set to v.

    Keras knows no masks of pairs: its weights are brought to sum to 1 over the visible keys, which is
    what a softmax over those alone gives.
    """
    v, b = trained().values()
    groups = query.shape[1] // key.shape[1]
    weights = torch.zeros(*query.shape[:3], key.shape[2])
    for head in range(query.shape[1]):
        layer = keras.layers.AdditiveAttention()
        fed = [query[:, head] + b[head], value[:, head // groups], key[:, head // groups]]
        layer.build([tuple(tensor.shape) for tensor in fed])
        layer.set_weights([v[head].numpy()])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are using a softmax over axis -1 .* size 1")  # of one key
            weights[:, head] = layer(fed, return_attention_scores=True)[1].detach()
    weights = weights * seen
    weights = weights / weights.sum(-1, keepdim=True).masked_fill(~seen.any(-1, keepdim=True), 1.0)
    return weights @ value.repeat_interleave(groups, 1), weights


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", LENGTHS)
def test_context_and_weights_equal_kerass(length: int, kind: str, kv_heads: int) -> None:
    query, key, value = inputs(length, kv_heads)
    arguments, seen = options(kind, length)
    context, record = additive(query, key, value, **trained(), record=True, **arguments)
    expected, weights = kerass(query, key, value, seen)
    torch.testing.assert_close(context, expected, atol=5e-6, rtol=1e-5)
    assert isinstance(record, AdditiveRecord)
    torch.testing.assert_close(record.weights(), weights, atol=5e-6, rtol=1e-5)
    visible = record.visible()
    assert torch.equal(seen if visible is None else visible.expand_as(seen), seen)
    without, nothing = additive(query, key, value, **trained(), **arguments)
    assert torch.equal(without, context)
    assert nothing is None


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_context_equals_kerass_with_kerass_own_masks(causal: bool, padded: bool) -> None:
    query, key, value = inputs(7)
    v, b = trained().values()
    lengths = torch.tensor([7, 3])
    real = torch.arange(7) < lengths[:, None]
    layer = keras.layers.AdditiveAttention()
    fed = [query[:, 1] + b[1], value[:, 1], key[:, 1]]
    layer.build([tuple(tensor.shape) for tensor in fed])
    layer.set_weights([v[1].numpy()])
    expected = layer(fed, mask=[None, real] if padded else None, use_causal_mask=causal).detach()
    mask = real[:, None, None] if padded else None
    context, _ = additive(query, key, value, v=v, b=b, mask=mask, causal=causal)
    torch.testing.assert_close(context[:, 1], expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_equals_kerass_float32_on_the_same_numbers(kind: str) -> None:
    query, key, value = inputs(64, 2, torch.bfloat16)
    arguments, seen = options(kind, 64)
    context, record = additive(query, key, value, **trained(), record=True, **arguments)
    expected, weights = kerass(query.float(), key.float(), value.float(), seen)
    assert context.dtype == torch.bfloat16
    torch.testing.assert_close(context.float(), expected, atol=1e-3, rtol=2**-7)
    assert record is not None
    torch.testing.assert_close(record.weights(), weights, atol=5e-6, rtol=1e-5)


def test_autocast_rounds_nothing_inside() -> None:
    query, key, value = inputs(7)
    exact, _ = additive(query, key, value, **trained(), causal=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        context, record = additive(query, key, value, **trained(), causal=True, record=True)
        assert record is not None
        weights = record.weights()
    assert torch.equal(context, exact)
    torch.testing.assert_close(weights @ value, exact)


@pytest.mark.parametrize("tile", [WHOLE, 2 * HEADS * 5 * DIM * 2])  # the latter: two queries at a time
@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", tile)
    query, key, value = (tensor.double().requires_grad_() for tensor in inputs(5, 2))
    v, b = (tensor.requires_grad_() for tensor in trained(torch.float64).values())
    arguments, _ = options(kind, 5)

    def both(query: Tensor, key: Tensor, value: Tensor, v: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        context, record = additive(query, key, value, v=v, b=b, record=True, **arguments)
        assert record is not None
        return context, record.weights()

    assert torch.autograd.gradcheck(both, (query, key, value, v, b), fast_mode=True)


@pytest.mark.parametrize("window", [None, 2])
def test_more_queries_than_keys(window: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", 2 * HEADS * 3 * DIM * 2)
    query, key, value = inputs(7)
    context, record = additive(query, key[:, :, :3], value[:, :, :3], **trained(), causal=True, window=window,
                               record=True)  # fmt: skip
    seen = torch.ones(7, 3, dtype=torch.bool).tril(-4).triu(-99 if window is None else -3 - window)
    expected, weights = kerass(query, key[:, :, :3], value[:, :, :3], seen)
    assert not context[:, :, :4].any()
    torch.testing.assert_close(context, expected, atol=2e-6, rtol=1e-5)
    assert record is not None
    torch.testing.assert_close(record.weights(), weights, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("window", [None, 3, 20])
def test_last_queries_over_more_keys_equal_the_last_rows_of_the_square(queries: int, window: int | None) -> None:
    query, key, value = inputs(9, 2)
    seen = torch.ones(9, 9, dtype=torch.bool).tril().triu(1 - (window or 9))
    expected, _ = kerass(query, key, value, seen)
    context, _ = additive(query[:, :, -queries:], key, value, **trained(), causal=True, window=window)
    torch.testing.assert_close(context, expected[:, :, -queries:], atol=2e-6, rtol=1e-5)


def test_a_row_without_any_key_leaves_finite_gradients() -> None:
    tensors = [tensor.requires_grad_() for tensor in inputs(7)]
    own = {name: tensor.requires_grad_() for name, tensor in trained().items()}
    mask = torch.ones(2, 1, 7, 7, dtype=torch.bool)
    mask[0, :, 3] = False
    mask[1] = False
    context, record = additive(*tensors, **own, mask=mask, causal=True, record=True)
    assert torch.equal(context[0, :, 3], torch.zeros(HEADS, DIM))
    assert torch.equal(context[1], torch.zeros(HEADS, 7, DIM))
    assert record is not None
    assert not record.weights()[1].any()
    context.sum().backward()
    for tensor in [*tensors, *own.values()]:
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
    assert all(torch.equal(tensor.grad[1], torch.zeros(HEADS, 7, DIM)) for tensor in tensors)  # type: ignore[index]


@pytest.mark.parametrize("tile", [WHOLE, 2 * HEADS * 7 * DIM * 3])
def test_dropout_is_on_the_weights_and_the_same_in_the_backward_pass(
    tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TILE", tile)
    query, key, value = inputs(7)
    value.requires_grad_()
    torch.manual_seed(3)
    context, record = additive(query, key, value, **trained(), dropout=0.5, record=True)
    assert record is not None
    torch.manual_seed(3)
    weights = torch.cat([F.dropout(some, 0.5) for some in record.weights().split(7 if tile == WHOLE else 3, 2)], 2)
    torch.testing.assert_close(context, weights @ value)
    torch.testing.assert_close(record.weights().sum(-1), torch.ones(2, HEADS, 7))
    context.sum().backward()
    torch.testing.assert_close(value.grad, weights.sum(2)[..., None].expand_as(value))


def test_dropout_keeps_the_mean() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(16, HEADS, 64, DIM), torch.randn(16, HEADS, 64, DIM)
    context, _ = additive(query, key, torch.ones(16, HEADS, 64, 1), **trained(), dropout=0.5)
    assert abs(context.mean().item() - 1) < 0.02
    assert context.std() > 0.05


def test_a_scale_multiplies_the_scores() -> None:
    query, key, value = inputs(7)
    v, b = trained().values()
    context, record = additive(query, key, value, v=v, b=b, scale=0.25, record=True)
    torch.testing.assert_close(context, additive(query, key, value, v=v / 4, b=b)[0])
    assert record is not None
    torch.testing.assert_close(record.weights() @ value, context)


def test_the_record_stays_when_training_goes_on() -> None:
    query, key, value = inputs(7)
    v, b = trained().values()
    _, record = additive(query, key, value, v=v, b=b, record=True)
    assert record is not None
    before = record.weights()
    v.mul_(3)
    b.add_(1)
    assert torch.equal(record.weights(), before)
    assert record.query.data_ptr() == query.data_ptr()
    assert record.key.data_ptr() == key.data_ptr()


def test_nan_stays_nan_and_masked_stays_zero() -> None:
    query, key, value = inputs(5)
    query[0, 1, 2] = math.nan
    _, record = additive(query, key, value, **trained(), causal=True, record=True)
    assert record is not None
    weights = record.weights()
    assert weights[0, 1, 2, :3].isnan().all()
    assert torch.equal(weights[0, 1, 2, 3:], torch.zeros(2))
    assert not weights[0, 0].isnan().any()


def test_new_weights_are_drawn_within_their_bounds() -> None:
    torch.manual_seed(0)
    drawn = additive_weights(4, 64)
    assert {name: tuple(tensor.shape) for name, tensor in drawn.items()} == {"v": (4, 64), "b": (4, 64)}
    assert 0.115 < drawn["v"].abs().max() <= 0.125
    assert not drawn["b"].any()
    assert not torch.equal(drawn["v"], additive_weights(4, 64)["v"])


@pytest.mark.parametrize("wrong", [{"window": 3}, {"window": 0, "causal": True}])
def test_what_cannot_work_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"window={wrong['window']} must be at least 1 and comes with causal=True"):
        additive(*inputs(4), **trained(), **wrong)
    with pytest.raises(ConfigError, match="3 key heads do not divide 4 query heads"):
        additive(*inputs(4, kv_heads=3), **trained())
