"""LSH attention against transformers' Reformer layer, and against the softmax over all that meet."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import ReformerConfig
from transformers.models.reformer.modeling_reformer import LSHSelfAttention

from attn_widgets.attention import padding_mask
from attn_widgets.attention.lsh import LshRecord, lsh
from attn_widgets.errors import ConfigError

LENGTHS = [1, 7, 64]
KINDS = ["none", "causal", "padding", "padding+causal", "arbitrary"]


def inputs(length: int, value_heads: int = 4, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    torch.manual_seed(length)
    return torch.randn(2, 4, length, 8).to(dtype), torch.randn(2, value_heads, length, 8).to(dtype)


def options(kind: str, length: int) -> dict[str, Any]:
    ours: dict[str, Any] = {"causal": "causal" in kind}
    if "padding" in kind:
        ours["mask"] = padding_mask(torch.tensor([length, max(1, length - 5)]), length)
    if kind == "arbitrary":
        torch.manual_seed(0)
        ours["mask"] = torch.rand(2, 4, length, length) < 0.6
        ours["mask"][1, :, length // 2] = False
    return ours


def reformer(hashes: int, buckets: int | list[int] | None, chunk: int, causal: bool, length: int) -> LSHSelfAttention:
    torch.manual_seed(1)
    config = ReformerConfig(
        hidden_size=32, num_attention_heads=4, attention_head_size=8, num_hashes=hashes, num_buckets=buckets,
        lsh_attn_chunk_length=chunk, hash_seed=7, is_decoder=causal, max_position_embeddings=length,
        axial_pos_embds=False, lsh_num_chunks_before=1, lsh_num_chunks_after=0,
    )  # fmt: skip
    return LSHSelfAttention(config, 0).eval()


def heads_of(theirs: LSHSelfAttention, x: Tensor) -> tuple[Tensor, Tensor]:
    shared, value = (
        project(x).view(*x.shape[:2], 4, 8).transpose(1, 2) for project in (theirs.query_key, theirs.value)
    )
    return shared, value


class Given(torch.nn.Module):
    """In place of a projection: the vectors as they are."""

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.vectors = vectors

    def forward(self, _: Tensor) -> Tensor:
        return self.vectors


def weights_of(theirs: LSHSelfAttention, x: Tensor, real: Tensor | None) -> Tensor:
    """Their weights over all rounds (B, H, T, T): the output for values that are one at one token each."""
    length, projection, columns = x.shape[1], theirs.value, []
    for one in torch.eye(length, dtype=x.dtype).split(8, 1):
        theirs.value = Given(F.pad(one, (0, 8 - one.shape[1])).repeat(len(x), 1, 4))
        columns.append(theirs(x, attention_mask=real).hidden_states.view(len(x), length, 4, 8).transpose(1, 2))
    theirs.value = projection
    return torch.cat(columns, -1)[..., :length]


CASES = [(1, 4, 8), (2, 4, 8), (4, 8, 8), (3, [2, 4], 5), (2, None, 4), (4, None, 1), (2, 4, 64)]


@pytest.mark.parametrize("kind", ["none", "causal", "padding", "padding+causal"])
@pytest.mark.parametrize(("hashes", "buckets", "chunk"), CASES)
def test_reformers_layer_gives_the_same_output_buckets_weights_and_gradient(
    hashes: int, buckets: int | list[int] | None, chunk: int, kind: str
) -> None:
    length = 40
    theirs = reformer(hashes, buckets, chunk, "causal" in kind, length).double()
    x = torch.randn(2, length, 32, dtype=torch.float64, requires_grad=True)
    ours = options(kind, length)
    real = ours["mask"][:, 0, 0] if "mask" in ours else torch.ones(2, length, dtype=torch.bool)
    given = theirs(x, attention_mask=real if "mask" in ours else None)
    shared, value = heads_of(theirs, x)
    context, record = lsh(
        shared, shared, value, hashes=hashes, chunk=chunk, hash_seed=7, record=True,
        buckets=tuple(buckets) if isinstance(buckets, list) else buckets, **ours,
    )  # fmt: skip
    assert record is not None
    if length > chunk:
        factors = theirs.num_buckets if isinstance(theirs.num_buckets, list) else [theirs.num_buckets]
        apart = math.prod(factors) + (not real.all().item())  # they number the buckets of all rounds through
        assert torch.equal(record.buckets, given.buckets % apart)

    # Rows of padding attend to themselves in theirs and, when nothing is there to see, to nothing in ours.
    output = context.transpose(1, 2).flatten(2)
    torch.testing.assert_close(output[real], given.hidden_states[real], atol=1e-9, rtol=0)
    weights, expected = record.weights().transpose(1, 2), weights_of(theirs, x, real).transpose(1, 2)
    torch.testing.assert_close(weights[real], expected[real], atol=1e-9, rtol=0)
    gradients = [torch.autograd.grad(found[real].square().sum(), x)[0] for found in (output, given.hidden_states)]
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-8, rtol=0)


@pytest.mark.parametrize("causal", [False, True])
def test_one_round_gives_reformers_attention_of_each_chunk(causal: bool) -> None:
    theirs = reformer(1, 8, 8, causal, 64)
    x = torch.randn(2, 64, 32)
    with torch.no_grad():
        given = theirs(x, output_attentions=True)
        shared, value = heads_of(theirs, x)
        _, record = lsh(shared, shared, value, hashes=1, buckets=8, chunk=8, hash_seed=7, causal=causal, record=True)
    assert record is not None
    assert torch.equal(record.buckets, given.buckets)
    expected, met = torch.zeros(2, 2, 4, 64, 64)
    for text in range(2):
        for head in range(4):
            chunks = given.buckets[text, head, 0].argsort(stable=True).view(8, 8)
            for own in range(8):  # they put the chunk before in front, and the last one in front of the first
                cells = text, head, chunks[own][:, None], torch.cat([chunks[own - 1], chunks[own]])
                expected[cells] = given.attention_probs[text, head, own]
                met[cells] = 1
    torch.testing.assert_close(record.weights(), expected, atol=1e-6, rtol=0)
    assert not (record.visible() & (met == 0)).any()
    assert record.visible().sum() > 2 * 4 * 64 * 6


@pytest.mark.parametrize(("length", "padded"), [(65, 80), (77, 80), (90, 96)])
def test_a_length_that_the_chunk_does_not_divide_equals_reformer_on_padded_text(length: int, padded: int) -> None:
    theirs = reformer(2, None, 16, True, padded).double()
    x = torch.randn(2, padded, 32, dtype=torch.float64)
    with torch.no_grad():
        given = theirs(x, attention_mask=(torch.arange(padded) < length).expand(2, -1))
        shared, value = (each[:, :, :length] for each in heads_of(theirs, x))
        context, _ = lsh(shared, shared, value, hashes=2, chunk=16, hash_seed=7, causal=True)
    expected = given.hidden_states.view(2, padded, 4, 8).transpose(1, 2)[:, :, :length]
    torch.testing.assert_close(context, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("causal", [False, True])
def test_in_float32_reformer_agrees_where_a_token_is_not_alone(causal: bool) -> None:
    theirs = reformer(2, 8, 8, causal, 64)
    x = torch.randn(2, 64, 32)
    with torch.no_grad():
        given = theirs(x).hidden_states.view(2, 64, 4, 8).transpose(1, 2)
        shared, value = heads_of(theirs, x)
        context, record = lsh(
            shared, shared, value, hashes=2, buckets=8, chunk=8, hash_seed=7, causal=causal, record=True
        )
    assert record is not None
    alone = record.visible().diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(context[~alone], given[~alone], atol=1e-5, rtol=0)
    # Theirs add log 2 to the score -1e5 of a token itself, which float32 rounds to steps of 1/128; ours are exact.
    torch.testing.assert_close(context[alone], value[alone], atol=1e-6, rtol=0)
    torch.testing.assert_close(given[alone], value[alone], atol=1e-2, rtol=1e-2)


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
