"""Sliding-window attention against torch's masked attention; Longformer is in `test_sliding_window_longformer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from attn_widgets.attention import padding_mask, scaled_dot
from attn_widgets.attention.sliding_window import WINDOW, WindowRecord, sliding_window
from attn_widgets.errors import ConfigError

KINDS = ["none", "causal", "padding", "padding+causal", "arbitrary", "arbitrary+causal"]
GLOBALS = [(), (3, 50, 5, 149, 3)]
SIZES = [(1, 4), (7, 5), (64, 1), (64, 4), (64, 100), (150, 1), (150, 4), (150, 5), (150, 40)]  # 150: in blocks


def inputs(length: int, kv_heads: int = 4, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    torch.manual_seed(length)
    return [torch.randn(2, heads, length, 8).to(dtype) for heads in (4, kv_heads, kv_heads)]


def options(kind: str, length: int, window: int, everywhere: tuple[int, ...]) -> tuple[dict[str, Any], Tensor]:
    """Our arguments, and the same as a full Boolean mask made entry by entry."""
    causal = "causal" in kind
    near = [
        [i - window < j <= i if causal else abs(i - j) <= window // 2 for j in range(length)] for i in range(length)
    ]
    shared = [
        [(i in everywhere or j in everywhere) and not (causal and j > i) for j in range(length)] for i in range(length)
    ]
    seen = (torch.tensor(near) | torch.tensor(shared)).expand(2, 4, -1, -1)
    ours: dict[str, Any] = {"window": window, "global_positions": everywhere, "causal": causal}
    if "padding" in kind:
        ours["mask"] = padding_mask(torch.tensor([length, max(1, length // 2)]), length)
    if "arbitrary" in kind:
        torch.manual_seed(0)
        ours["mask"] = torch.rand(2, 4, length, length) < 0.6
        ours["mask"][1, :, length // 2] = False
    return ours, seen & ours["mask"] if "mask" in ours else seen


def torchs(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    """torch's attention, on rows that see something; zeros for the others."""
    some = seen.any(-1, keepdim=True)
    key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))
    return F.scaled_dot_product_attention(query, key, value, seen | ~some).masked_fill(~some, 0.0)


@pytest.mark.parametrize("everywhere", GLOBALS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("length", "window"), SIZES)
def test_context_and_weights_equal_torchs_under_a_mask(
    length: int, kind: str, window: int, everywhere: tuple[int, ...]
) -> None:
    query, key, value = inputs(length, 2)
    ours, seen = options(kind, length, window, everywhere)
    expected = torchs(query, key, value, seen)
    context, record = sliding_window(query, key, value, record=True, **ours)
    torch.testing.assert_close(context, expected, atol=1e-6, rtol=0)
    assert record is not None
    assert torch.equal(record.visible().expand_as(seen), seen)
    torch.testing.assert_close(record.weights() @ value.repeat_interleave(2, 1), expected, atol=1e-6, rtol=0)
    silent, none = sliding_window(query, key, value, **ours)
    assert none is None
    assert torch.equal(silent, context)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_grouped_heads_and_a_mask_for_all_texts(kv_heads: int) -> None:
    query, key, value = inputs(150, kv_heads)
    ours, seen = options("arbitrary", 150, 6, (1,))
    ours["mask"] = ours["mask"][:1, :1]
    seen = options("none", 150, 6, (1,))[1] & ours["mask"]
    context, _ = sliding_window(query, key, value, **ours)
    torch.testing.assert_close(context, torchs(query, key, value, seen), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_equals_torchs_float32_on_the_same_numbers(kind: str) -> None:
    query, key, value = inputs(150, 2, torch.bfloat16)
    ours, seen = options(kind, 150, 6, (0, 40))
    context, record = sliding_window(query, key, value, record=True, **ours)
    exact = torchs(query.float(), key.float(), value.float(), seen)
    assert context.dtype == torch.bfloat16
    torch.testing.assert_close(context.float(), exact, atol=1e-2, rtol=2**-7)
    assert record is not None
    wide = value.float().repeat_interleave(2, 1)
    torch.testing.assert_close(record.weights() @ wide, exact, atol=1e-6, rtol=0)


def test_under_autocast_the_record_holds_what_the_kernel_saw() -> None:
    query, key, value = inputs(150)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        context, record = sliding_window(query, key, value, causal=True, window=4, record=True)
    assert record is not None
    assert context.dtype == record.query.dtype == torch.bfloat16
    half = [x.bfloat16().float() for x in (query, key, value)]
    expected = torchs(half[0], half[1], half[2], options("causal", 150, 4, ())[1])
    torch.testing.assert_close(context.float(), expected, atol=1e-2, rtol=2**-7)


@pytest.mark.parametrize("length", [37, 110])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str, length: int) -> None:
    tensors = [x.double().requires_grad_() for x in inputs(length, 2)]
    ours, seen = options(kind, length, 4, (0, 35))
    assert torch.autograd.gradcheck(lambda *qkv: sliding_window(*qkv, **ours)[0], tensors, fast_mode=True)
    gradients = []
    for attend in (lambda *qkv: sliding_window(*qkv, **ours)[0], lambda *qkv: torchs(*qkv, seen)):
        gradients.append(torch.autograd.grad(attend(*tensors).square().sum(), tensors))
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-10, rtol=0)


@pytest.mark.parametrize("length", [40, 110])
def test_a_row_without_any_key_is_zero_and_its_gradient_finite(length: int) -> None:
    tensors = [x.requires_grad_() for x in inputs(length)]
    mask = torch.ones(2, 1, length, length, dtype=torch.bool)
    mask[0, :, 3] = False
    mask[1] = False
    context, record = sliding_window(*tensors, mask=mask, causal=True, window=4, global_positions=(3,), record=True)
    assert torch.equal(context[0, :, 3], torch.zeros(4, 8))
    assert torch.equal(context[1], torch.zeros(4, length, 8))
    context.sum().backward()
    for tensor in tensors:
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert torch.equal(tensor.grad[1], torch.zeros(4, length, 8))
    assert record is not None
    assert torch.equal(record.weights()[1], torch.zeros(4, length, length))
    torch.testing.assert_close(record.weights()[0].sum(-1)[:, 4:], torch.ones(4, length - 4))


@pytest.mark.parametrize("everywhere", [(), (2, 140)])
@pytest.mark.parametrize("queries", [1, 3, 40])
def test_last_queries_over_more_keys_equal_the_last_rows_of_the_square(
    queries: int, everywhere: tuple[int, ...]
) -> None:
    query, key, value = inputs(150, 2)
    ours, seen = options("arbitrary+causal", 150, 5, everywhere)
    expected = torchs(query, key, value, seen)[:, :, -queries:]
    ours["mask"] = ours["mask"][:, :, -queries:]
    context, record = sliding_window(query[:, :, -queries:], key, value, record=True, **ours)
    torch.testing.assert_close(context, expected, atol=1e-6, rtol=0)
    assert record is not None
    assert torch.equal(record.visible(), seen[:, :, -queries:])


@pytest.mark.parametrize("keys", [7, 110])
def test_queries_before_the_first_key_see_nothing(keys: int) -> None:
    query, _, _ = inputs(150)
    _, key, value = inputs(keys)
    context, _ = sliding_window(query, key, value, causal=True, window=3, global_positions=(0,))
    assert torch.equal(context[:, :, : 150 - keys], torch.zeros(2, 4, 150 - keys, 8))
    expected = torchs(query[:, :, 150 - keys :], key, value, options("causal", keys, 3, (0,))[1])
    torch.testing.assert_close(context[:, :, 150 - keys :], expected, atol=1e-6, rtol=0)


def test_without_keys_the_context_is_zero_and_without_queries_empty() -> None:
    query, key, value = inputs(150)
    context, _ = sliding_window(query, key[:, :, :0], value[:, :, :0], causal=True, window=3)
    assert torch.equal(context, torch.zeros(2, 4, 150, 8))
    assert sliding_window(query[:, :, :0], key, value, causal=True, window=3)[0].shape == (2, 4, 0, 8)


@pytest.mark.parametrize("causal", [False, True])
def test_without_a_window_the_documented_one(causal: bool) -> None:
    query, key, value = inputs(64)
    context, _ = sliding_window(query, key, value, causal=causal, scale=0.3)
    seen = options("causal" if causal else "none", 64, WINDOW, ())[1]
    expected = F.scaled_dot_product_attention(query, key, value, seen, scale=0.3)
    torch.testing.assert_close(context, expected, atol=1e-6, rtol=0)


def test_dropout_keeps_the_mean_and_is_not_in_the_record() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(16, 4, 128, 8), torch.randn(16, 4, 128, 8), torch.ones(16, 4, 128, 1)
    context, record = sliding_window(query, key, value, window=8, global_positions=(5,), dropout=0.5, record=True)
    assert abs(context.mean().item() - 1) < 0.02
    assert context.std() > 0.05
    assert record is not None
    torch.testing.assert_close(record.weights().sum(-1), torch.ones(16, 4, 128))


class Largest(TorchDispatchMode):
    """Remembers the most numbers that any tensor made within it holds."""

    numbers = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, Tensor):
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // tensor.element_size())
        return made


def cost(attend: Callable[..., Any], length: int, **given: Any) -> tuple[int, int]:
    """Floating-point operations and numbers of the largest tensor, forwards and backwards."""
    tensors = [x.requires_grad_() for x in inputs(length)]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, Largest() as largest:
        context, _ = attend(*tensors, **given)
        context.sum().backward()
    return counter.get_total_flops(), largest.numbers


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_cost_is_linear_in_length_where_full_attentions_is_quadratic(causal: bool, record: bool) -> None:
    given = {"window": 32, "global_positions": (0, 9), "causal": causal, "record": record}
    operations, numbers = zip(*(cost(sliding_window, length, **given) for length in (1024, 4096)), strict=True)
    assert 3.5 < operations[1] / operations[0] < 4.5
    assert 3.5 < numbers[1] / numbers[0] < 4.5
    if not causal and not record:
        full = cost(scaled_dot, 1024)
        assert operations[0] < full[0] / 5
        assert cost(scaled_dot, 2048)[0] == 4 * full[0]


def test_record_holds_views() -> None:
    query, key, value = inputs(7, 2)
    _, record = sliding_window(query, key, value, causal=True, global_positions=(9, 3, 3), record=True)
    assert isinstance(record, WindowRecord)
    assert record.query.data_ptr() == query.data_ptr()
    assert record.key.data_ptr() == key.data_ptr()
    assert record.global_positions == (3,)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 0}, r"--window 0 must be at least 1"),
        ({"global_positions": (3, -1)}, r"global positions count from 0; given -1"),
    ],
)
def test_what_cannot_work_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sliding_window(*inputs(4), **wrong)


def test_cross_attention_is_refused_with_what_works() -> None:
    query, _, _ = inputs(4)
    _, key, value = inputs(7)
    with pytest.raises(ConfigError, match=r"as many queries as keys.* given 4 and 7; .* try --attention scaled_dot"):
        sliding_window(query, key, value)


def test_key_heads_that_do_not_divide_are_named() -> None:
    with pytest.raises(ConfigError, match="3 key heads do not divide 4 query heads"):
        sliding_window(*inputs(4, kv_heads=3))
