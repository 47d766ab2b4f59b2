"""LSH attention against the softmax over all that meet; Reformer's own layer is in `test_lsh_reformer`."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from attn_widgets.attention.lsh import LshRecord, lsh
from attn_widgets.errors import ConfigError
from tests.lsh_cases import inputs, options

LENGTHS = [1, 7, 64]
KINDS = ["none", "causal", "padding", "padding+causal", "arbitrary"]


def meetings(record: LshRecord, length: int) -> Tensor:
    """How often each token meets each other, by a loop over the sorted rounds (B, H, T, T)."""
    batch, heads, rounds, padded = record.buckets.shape
    count = torch.zeros(batch, heads, padded, padded)
    for b in range(batch):
        for h in range(heads):
            line = torch.cat([record.buckets[b, h, r].argsort(stable=True) for r in range(rounds)])
            chunks = line.view(-1, record.chunk)
            for own in range(len(chunks)):
                before = [chunks[own - 1]] if len(chunks) > 1 else []
                for reached in [*before, chunks[own]]:
                    count[b, h, chunks[own][:, None], reached] += 1
    return count[..., :length, :length]


def softmax_over_meetings(shared: Tensor, count: Tensor, seen: Tensor) -> Tensor:
    """softmax(q · k / |k| + log count) over the visible; a token itself only where nothing else is."""
    others = seen & (count > 0) & ~torch.eye(count.shape[-1], dtype=torch.bool)
    alone = ~others.any(-1, keepdim=True) & torch.eye(count.shape[-1], dtype=torch.bool) & seen
    scores = shared @ F.normalize(shared, dim=-1).transpose(-1, -2) + count.log()
    return scores.masked_fill(~(others | alone), -math.inf).softmax(-1).nan_to_num(0.0)


def all_seen(ours: dict[str, Any], length: int) -> Tensor:
    seen = ours.get("mask", torch.ones(1, 1, 1, 1, dtype=torch.bool)).expand(2, 4, length, length)
    return seen.tril() if ours["causal"] else seen


@pytest.mark.parametrize("value_heads", [4, 2])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", LENGTHS)
def test_context_and_weights_are_the_softmax_over_all_that_meet(length: int, kind: str, value_heads: int) -> None:
    shared, value = inputs(length, value_heads)
    ours = options(kind, length)
    context, record = lsh(shared, shared, value, hashes=2, chunk=10, record=True, **ours)
    assert record is not None
    count = meetings(record, length)
    weights = softmax_over_meetings(shared, count, all_seen(ours, length))
    torch.testing.assert_close(record.weights(), weights, atol=1e-5, rtol=0)
    assert torch.equal(record.visible(), weights > 0)
    torch.testing.assert_close(context, weights @ value.repeat_interleave(4 // value_heads, 1), atol=1e-5, rtol=0)
    silent, none = lsh(shared, shared.clone(), value, hashes=2, chunk=10, **ours)  # an equal key will do
    assert none is None
    assert torch.equal(silent, context)


@pytest.mark.parametrize("scale", [None, 0.7])
def test_a_text_of_one_chunk_is_torchs_attention_without_oneself(scale: float | None) -> None:
    shared, value = inputs(64)
    key = F.normalize(shared, dim=-1) * 8**0.5
    others = ~torch.eye(64, dtype=torch.bool)
    expected = F.scaled_dot_product_attention(shared, key, value, others, scale=scale)
    context, _ = lsh(shared, shared, value, chunk=64, scale=scale)
    torch.testing.assert_close(context, expected, atol=1e-5, rtol=0)


def test_more_rounds_come_closer_to_full_attention() -> None:
    torch.manual_seed(0)
    shared, value = torch.randn(2, 4, 256, 8) * 3, torch.randn(2, 4, 256, 8)
    full, _ = lsh(shared, shared, value, chunk=256)
    errors = [(lsh(shared, shared, value, hashes=h, chunk=16)[0] - full).square().mean().item() for h in (1, 4, 16)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_computed_in_float32(kind: str) -> None:
    shared, value = inputs(64, 2, torch.bfloat16)
    ours = options(kind, 64)
    context, record = lsh(shared, shared, value, record=True, **ours)
    exact, wide = lsh(shared.float(), shared.float(), value.float(), record=True, **ours)
    assert context.dtype == torch.bfloat16
    assert torch.equal(context, exact.bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast, _ = lsh(shared, shared, value, **ours)
        assert record is not None
        assert wide is not None
        assert torch.equal(record.weights(), wide.weights())
    assert torch.equal(cast, context)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str) -> None:
    shared, value = (x.double().requires_grad_() for x in inputs(23, 2))
    ours = options(kind, 23)

    def attend(shared: Tensor, value: Tensor) -> Tensor:
        return lsh(shared, shared, value, hashes=2, chunk=5, **ours)[0]

    assert torch.autograd.gradcheck(attend, (shared, value), fast_mode=True)


def test_a_row_without_any_key_is_zero_and_its_gradient_finite() -> None:
    shared, value = (x.requires_grad_() for x in inputs(40))
    mask = torch.ones(2, 1, 40, 40, dtype=torch.bool)
    mask[0, :, 3] = False
    mask[1] = False
    with torch.autograd.set_detect_anomaly(True):
        context, record = lsh(shared, shared, value, mask=mask, causal=True, hashes=3, chunk=7, record=True)
        context.sum().backward()
    assert torch.equal(context[0, :, 3], torch.zeros(4, 8))
    assert torch.equal(context[1], torch.zeros(4, 40, 8))
    for tensor in (shared, value):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert torch.equal(tensor.grad[1], torch.zeros(4, 40, 8))
    assert record is not None
    assert not record.visible()[1].any()
    assert torch.equal(record.weights()[1], torch.zeros(4, 40, 40))
    sums = record.weights()[0].sum(-1)
    torch.testing.assert_close(sums[:, 4:], torch.ones(4, 36))
    torch.testing.assert_close(context[0, :, 0], value[0, :, 0])  # the first token has only itself


def test_nan_shows_in_the_rows_that_meet_it_and_nowhere_else() -> None:
    shared, value = inputs(64)
    shared[0, 1, 20] = math.nan
    _, record = lsh(shared, shared, value, causal=True, record=True)
    assert record is not None
    weights = record.weights()
    meets = record.visible()[0, 1, :, 20]
    assert 0 < meets.sum() < 63
    rows = weights[0, 1].isnan().any(-1)
    rows[20] = False
    assert torch.equal(rows, meets.index_fill(0, torch.tensor(20), False))
    assert not weights[0, 0].isnan().any()
    assert not weights[1].isnan().any()


def test_dropout_keeps_the_mean_and_is_not_in_the_record() -> None:
    torch.manual_seed(0)
    shared = torch.randn(16, 4, 64, 8)
    context, record = lsh(shared, shared, torch.ones(16, 4, 64, 1), dropout=0.5, record=True)
    assert abs(context.mean().item() - 1) < 0.02
    assert context.std() > 0.05
    assert record is not None
    torch.testing.assert_close(record.weights().sum(-1), torch.ones(16, 4, 64))


def test_the_seed_alone_decides_the_buckets_and_torchs_own_generator_is_left_alone() -> None:
    shared, value = inputs(64)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (lsh(shared, shared, value, hash_seed=seed, record=True)[1] for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(first, LshRecord)
    assert isinstance(second, LshRecord)
    assert isinstance(other, LshRecord)
    assert torch.equal(first.buckets, second.buckets)
    assert not torch.equal(first.buckets, other.buckets)
    assert first.shared.data_ptr() == shared.data_ptr()


def cost(length: int, record: bool, chunk: int = 16) -> tuple[int, int]:
    """Floating-point operations and bytes kept for the gradient, the other count that a length can blow up."""
    shared, value = (x.requires_grad_() for x in inputs(length))
    kept: list[int] = []

    def keep(x: Tensor) -> Tensor:
        kept.append(x.untyped_storage().nbytes())
        return x

    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        context, _ = lsh(shared, shared, value, hashes=2, chunk=chunk, record=record, causal=True)
        context.sum().backward()
    return counter.get_total_flops(), max(kept)


@pytest.mark.parametrize("record", [False, True])
def test_cost_grows_with_an_exponent_below_1_2_where_full_attentions_is_2(record: bool) -> None:
    operations, largest = zip(*(cost(length, record) for length in (1024, 4096)), strict=True)
    assert math.log(operations[1] / operations[0], 4) < 1.2
    assert math.log(largest[1] / largest[0], 4) < 1.05
    full = [cost(length, record, chunk=length)[0] for length in (512, 1024)]
    assert math.log(full[1] / full[0], 2) == pytest.approx(2, abs=0.01)
    assert operations[0] < full[1] / 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"buckets": 5}, r"--buckets 5: must be even and at least 2; try 4 or 6"),
        ({"buckets": 0}, r"--buckets 0: must be even and at least 2; try 2 or 4"),
        ({"buckets": (4, 3)}, r"--buckets \(4, 3\): must be even and at least 2; try 2 or 4"),
        ({"hashes": 0}, r"--hashes 0 and --chunk 16 must be at least 1"),
        ({"chunk": 0}, r"--hashes 4 and --chunk 0 must be at least 1"),
        ({"window": 8}, r"--window 8 does not go with --attention lsh; --chunk is its width"),
    ],
)
def test_what_cannot_work_is_named(wrong: dict[str, Any], message: str) -> None:
    shared, value = inputs(64)
    with pytest.raises(ConfigError, match=message):
        lsh(shared, shared, value, **wrong)


def test_cross_attention_is_refused_with_what_works() -> None:
    shared, _ = inputs(7)
    memory, value = inputs(64)
    with pytest.raises(ConfigError, match=r"given 7 queries and 64 keys; .* try --attention scaled_dot"):
        lsh(shared, memory, value)


def test_a_key_that_is_not_the_query_is_refused() -> None:
    shared, value = inputs(64)
    with pytest.raises(ConfigError, match=r"shares queries and keys; .* pass the query as key too"):
        lsh(shared, shared + 1e-3, value)


def test_value_heads_that_do_not_divide_are_named() -> None:
    shared, value = inputs(4, value_heads=3)
    with pytest.raises(ConfigError, match="3 value heads do not divide 4 query heads"):
        lsh(shared, shared, value)
