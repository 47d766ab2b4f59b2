"""LSH attention against transformers' Reformer layer."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import ReformerConfig
from transformers.models.reformer.modeling_reformer import LSHSelfAttention

from attn_widgets.attention.lsh import lsh
from tests.lsh_cases import options


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
