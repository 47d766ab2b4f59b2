"""Transformer-XL's attention against XLNet's (copied weights, memories, its relative shift) and the four terms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import XLNetConfig, XLNetModel

from attn_widgets.attention.masks import causal_mask, padding_mask
from attn_widgets.attention.segment_memory import segment_memory, segment_memory_weights
from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.cache import KeyValueCache

LENGTHS = [1, 7, 64]
KINDS = ["none", "causal", "window", "padding", "padding+causal"]
Own = dict[str, Any]


def inputs(queries: int, keys: int, kv_heads: int = 4, dtype: torch.dtype = torch.float32) -> tuple[list[Tensor], Own]:
    torch.manual_seed(queries)
    shapes = [(2, 4, queries, 8), (2, kv_heads, keys, 8), (2, kv_heads, keys, 8)]
    weights = {name: tensor + 0.3 * torch.randn(tensor.shape) for name, tensor in segment_memory_weights(4, 8).items()}
    tensors = [torch.randn(shape) for shape in shapes]
    return [tensor.to(dtype) for tensor in tensors], {name: tensor.to(dtype) for name, tensor in weights.items()}


def options(kind: str, queries: int, keys: int) -> tuple[dict[str, Any], Tensor]:
    """Our arguments, and the same as a full Boolean mask."""
    seen = torch.ones(2, 1, queries, keys, dtype=torch.bool)
    ours: dict[str, Any] = {}
    if "causal" in kind or kind == "window":
        ours = {"causal": True, "window": 3 if kind == "window" else None}
        seen = seen & causal_mask(queries, keys, ours["window"])
    if "padding" in kind:
        ours["mask"] = padding_mask(torch.tensor([keys, max(1, keys // 2)]), keys)
        seen = seen & ours["mask"]
    return ours, seen


def four_terms(tensors: list[Tensor], weights: Own, seen: Tensor) -> tuple[Tensor, Tensor]:
    """The equation of section 3.3 in float64, with the sinusoid of every distance made on its own."""
    query, key, value = (tensor.double() for tensor in tensors)
    position, u, v = (weights[name].double() for name in ("position", "content_bias", "position_bias"))
    key, value = (tensor.repeat_interleave(4 // tensor.shape[1], 1) for tensor in (key, value))
    queries, keys, features = query.shape[2], key.shape[2], position.shape[-1]
    distance = torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)  # i - j
    angle = distance[..., None] / 10_000.0 ** (torch.arange(0, features, 2).double() / features)
    sinusoid = torch.cat((angle.sin(), angle.cos()), -1)  # (Q, K, F)
    projected = torch.einsum("hdf,qkf->hqkd", position, sinusoid)
    terms = [
        torch.einsum("bhqd,bhkd->bhqk", query, key),
        torch.einsum("bhqd,hqkd->bhqk", query, projected),
        torch.einsum("hd,bhkd->bhk", u, key)[:, :, None],
        torch.einsum("hd,hqkd->hqk", v, projected),
    ]
    scores = sum(terms) / 8**0.5
    weights_ = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    return weights_, weights_ @ value


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("memory", [0, 5])
def test_context_is_the_four_terms(length: int, memory: int, kind: str, kv_heads: int, record: bool) -> None:
    tensors, own = inputs(length, length + memory, kv_heads)
    ours, seen = options(kind, length, length + memory)
    context, left = segment_memory(*tensors, **own, record=record, **ours)
    weights, expected = four_terms(tensors, own, seen)
    torch.testing.assert_close(context.double(), expected, atol=5e-6, rtol=0)
    assert (left is not None) == record
    if left is not None:
        torch.testing.assert_close(left.weights().double(), weights, atol=5e-6, rtol=0)
        visible = left.visible()
        assert torch.equal(seen if visible is None else visible.expand(seen.shape), seen)


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_computed_in_float32(kind: str, record: bool) -> None:
    tensors, own = inputs(64, 70, 2, torch.bfloat16)
    ours, seen = options(kind, 64, 70)
    context, left = segment_memory(*tensors, **own, record=record, **ours)
    weights, expected = four_terms(tensors, own, seen)
    assert context.dtype == torch.bfloat16
    torch.testing.assert_close(context.double(), expected, atol=1e-4, rtol=2**-8)
    if left is not None:
        torch.testing.assert_close(left.weights().double(), weights, atol=1e-5, rtol=0)


def xlnet(kind: str) -> Any:
    torch.manual_seed(0)
    config = XLNetConfig(
        vocab_size=20, d_model=32, n_layer=2, n_head=4, d_inner=32, attn_type=kind, dropout=0.0, mem_len=6,
    )  # fmt: skip
    model = XLNetModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model


@pytest.mark.parametrize("kind", ["uni", "bi"])
def test_weights_and_output_of_every_layer_are_xlnets_with_memories(kind: str) -> None:
    model = xlnet(kind)
    ids = torch.randint(20, (2, 13))
    mems = model(ids[:, :6], use_mems=True).mems
    assert [tuple(memory.shape) for memory in mems] == [(6, 2, 32)] * 2
    theirs = model(ids[:, 6:], mems=mems, use_mems=True, output_attentions=True, output_hidden_states=True)
    for layer, block in enumerate(model.layer):
        part = block.rel_attn
        hidden = theirs.hidden_states[layer]  # (B, Q, D)
        whole = torch.cat((mems[layer].transpose(0, 1), hidden), 1)
        query, key, value = (
            torch.einsum("btm,mhd->bhtd", x, matrix)
            for x, matrix in [(hidden, part.q), (whole, part.k), (whole, part.v)]
        )
        context, record = segment_memory(
            query, key, value, position=part.r.permute(1, 2, 0), content_bias=part.r_w_bias,
            position_bias=part.r_r_bias, causal=kind == "uni", record=True,
        )  # fmt: skip
        assert record is not None
        torch.testing.assert_close(record.weights(), theirs.attentions[layer], atol=2e-6, rtol=0)
        attended = part.layer_norm(torch.einsum("bhqd,mhd->bqm", context, part.o) + hidden)
        torch.testing.assert_close(block.ff(attended), theirs.hidden_states[layer + 1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("window", [None, 5])
def test_segment_after_segment_equals_the_whole_text(window: int | None) -> None:
    tensors, own = inputs(20, 20)
    whole, _ = segment_memory(*tensors, **own, causal=True, window=window)
    cache = KeyValueCache(ModelConfig(heads=4, dim=32), batch=2)
    parts = []
    for start, stop in [(0, 6), (6, 7), (7, 20)]:
        query, key, value = (tensor[:, :, start:stop] for tensor in tensors)
        keys, values = cache.append(0, key, value)
        parts.append(segment_memory(query, keys, values, **own, causal=True, window=window)[0])
        cache.advance(stop - start)
        if window is not None:
            cache.keep(window - 1)  # older ones are out of reach: only distances matter
    torch.testing.assert_close(torch.cat(parts, 2), whole, atol=5e-6, rtol=0)


def test_distant_places_lose_no_precision() -> None:
    tensors, own = inputs(4, 5000)
    context, _ = segment_memory(*tensors, **own, causal=True, window=4)
    near = [tensors[0], tensors[1][:, :, -8:], tensors[2][:, :, -8:]]
    torch.testing.assert_close(context, segment_memory(*near, **own, causal=True, window=4)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("record", [False, True])
def test_a_row_without_any_key_is_zero_and_its_gradient_finite(record: bool) -> None:
    tensors, own = inputs(7, 7)
    tensors, own = [t.requires_grad_() for t in tensors], {name: t.requires_grad_() for name, t in own.items()}
    mask = torch.ones(2, 1, 7, 7, dtype=torch.bool)
    mask[0, :, 3] = False
    mask[1] = False
    context, left = segment_memory(*tensors, **own, mask=mask, causal=True, record=record)
    assert torch.equal(context[0, :, 3], torch.zeros(4, 8))
    assert torch.equal(context[1], torch.zeros(4, 7, 8))
    context.sum().backward()
    for tensor in [*tensors, *own.values()]:
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
    if left is not None:
        assert torch.equal(left.weights()[1], torch.zeros(4, 7, 7))


def test_queries_before_the_first_key_see_nothing_when_causal() -> None:
    tensors, own = inputs(7, 4)
    context, _ = segment_memory(*tensors, **own, causal=True)
    assert torch.equal(context[:, :, :3], torch.zeros(2, 4, 3, 8))
    _, expected = four_terms(tensors, own, causal_mask(7, 4)[None, None])
    torch.testing.assert_close(context[:, :, 3:].double(), expected[:, :, 3:], atol=5e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_all_tensors(kind: str) -> None:
    tensors, own = inputs(4, 6, 2)
    ours, _ = options(kind, 4, 6)
    everything = [tensor.double().requires_grad_() for tensor in [*tensors, *own.values()]]

    def run(*all_: Tensor) -> Tensor:
        return segment_memory(*all_[:3], **dict(zip(own, all_[3:], strict=True)), record=True, **ours)[0]

    assert torch.autograd.gradcheck(run, everything, fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
def test_both_paths_give_the_same_gradient(kind: str) -> None:
    gradients = []
    for record in (False, True):
        tensors, own = inputs(7, 9, 2)
        everything = [tensor.requires_grad_() for tensor in [*tensors, *own.values()]]
        ours, _ = options(kind, 7, 9)
        segment_memory(*tensors, **own, record=record, **ours)[0].square().sum().backward()
        gradients.append([tensor.grad for tensor in everything])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-4, rtol=1e-5)


def test_dropout_is_on_the_weights_and_not_in_the_record() -> None:
    tensors, own = inputs(7, 7)
    torch.manual_seed(3)
    context, record = segment_memory(*tensors, **own, dropout=0.5, record=True)
    assert record is not None
    torch.manual_seed(3)
    torch.testing.assert_close(context, F.dropout(record.weights(), 0.5) @ tensors[2])
    torch.testing.assert_close(record.weights().sum(-1), torch.ones(2, 4, 7))


@pytest.mark.parametrize("record", [False, True])
def test_under_autocast_it_is_computed_in_float32(record: bool) -> None:
    tensors, own = inputs(7, 9)
    half = [tensor.bfloat16() for tensor in tensors]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        context, _ = segment_memory(*half, **own, causal=True, record=record)
    assert context.dtype == torch.bfloat16
    _, expected = four_terms(half, own, causal_mask(7, 9)[None, None])
    torch.testing.assert_close(context.double(), expected, atol=1e-4, rtol=2**-8)


def test_scale() -> None:
    tensors, own = inputs(7, 9)
    double = [tensors[0] * 2, *tensors[1:]]
    twice = {**own, "content_bias": 2 * own["content_bias"], "position_bias": 2 * own["position_bias"]}
    expected, _ = segment_memory(*double, **twice)
    context, _ = segment_memory(*tensors, **own, scale=2 * 8**-0.5)
    torch.testing.assert_close(context, expected, atol=1e-5, rtol=0)


def test_fresh_weights_have_the_named_shapes_and_are_seeded() -> None:
    torch.manual_seed(0)
    first = segment_memory_weights(3, 5)
    assert {name: tuple(tensor.shape) for name, tensor in first.items()} == {
        "position": (3, 5, 16), "content_bias": (3, 5), "position_bias": (3, 5),
    }  # fmt: skip
    torch.manual_seed(0)
    assert torch.equal(first["position"], segment_memory_weights(3, 5)["position"])


def test_an_odd_number_of_features_is_named() -> None:
    tensors, own = inputs(4, 4)
    own["position"] = own["position"][..., :-1]
    with pytest.raises(ConfigError, match="position projects 31 sines and cosines; their number must be even"):
        segment_memory(*tensors, **own)
