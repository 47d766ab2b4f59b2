"""Records of a trace say what the torch records say from which they were made."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attn_widgets.attention.additive import additive, additive_weights
from attn_widgets.attention.concat import concat, concat_weights
from attn_widgets.attention.luong import dot, general, general_weights
from attn_widgets.attention.scaled_dot import scaled_dot
from attn_widgets.capture.records import trace_record
from attn_widgets.errors import AttnError
from attn_widgets.trace import VALUE, AdditiveRecord, DotProductRecord, WeightsRecord
from tests.attention_cases import DIM, HEADS, KINDS, inputs, options


def mechanisms() -> dict[str, Any]:
    torch.manual_seed(5)
    return {
        "scaled_dot": scaled_dot,
        "dot": dot,
        "general": partial(general, **general_weights(HEADS, DIM)),
        "additive": partial(additive, **additive_weights(HEADS, DIM)),
        "concat": partial(concat, **concat_weights(HEADS, DIM)),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", list(mechanisms()))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 7, 64])
def test_weights_and_masks_are_those_of_torch(length: int, kind: str, name: str, dtype: torch.dtype) -> None:
    attend = mechanisms()[name]
    query, key, value = (tensor.requires_grad_() for tensor in inputs(length, 2, dtype))
    arguments, seen = options(kind, length)
    _, record = attend(query, key, value, record=True, **arguments)
    expected = record.weights().detach()
    for row in (0, 1):
        made = trace_record(record, row)
        assert (made.heads, made.queries, made.keys) == (HEADS, length, length)
        for head in range(HEADS):
            np.testing.assert_allclose(made.weights(head), expected[row, head].numpy(), atol=3e-6)
            np.testing.assert_array_equal(made.states(head) == VALUE, seen[row, head].numpy())


@pytest.mark.parametrize(("name", "made"), [("dot", DotProductRecord), ("additive", AdditiveRecord)])
def test_ranges_need_no_mask(name: str, made: type) -> None:
    query, key, value = inputs(7, 2)
    attend = mechanisms()[name]
    for kind in ("none", "causal", "window", "padding", "padding+causal"):
        arguments, _ = options(kind, 7)
        record = trace_record(attend(query, key, value, record=True, **arguments)[1], 1)
        assert isinstance(record, made)
        assert "mask" not in record.arrays()
        assert record.arrays()["key"].shape[0] == 2  # grouped as it was
    gap = torch.ones(1, 1, 1, 7, dtype=torch.bool)
    gap[..., 3] = False
    record = trace_record(attend(query, key, value, mask=gap, causal=True, record=True)[1], 1)
    assert isinstance(record, made)
    np.testing.assert_array_equal(record.arrays()["mask"], gap[0, 0].expand(7, 7).numpy())
    np.testing.assert_array_equal(record.states(0) == VALUE, (gap[0, 0] & torch.ones(7, 7).tril().bool()).numpy())


def test_padding_on_the_left_is_a_range_and_hides_whole_rows() -> None:
    query, key, value = inputs(7)
    mask = (torch.arange(7) >= 2)[None, None, None]
    record = trace_record(dot(query, key, value, mask=mask, causal=True, record=True)[1])
    assert isinstance(record, DotProductRecord)
    assert record.mask is None
    np.testing.assert_array_equal(record.stop - record.start, [0, 0, 1, 2, 3, 4, 5])
    biased = torch.ones(7, 7).tril().bool() & mask[0, 0]
    expected = F.scaled_dot_product_attention(query[:1], key[:1], torch.eye(7).expand(1, HEADS, 7, 7),
                                              attn_mask=biased | ~biased.any(-1, keepdim=True), scale=1.0)  # fmt: skip
    np.testing.assert_allclose(record.weights(2)[2:], expected[0, 2, 2:].numpy(), atol=2e-6)
    assert not record.weights(2)[:2].any()


def test_cross_attention_and_a_cache_have_more_keys_than_queries() -> None:
    query, key, value = inputs(9, 2)
    for attend in mechanisms().values():
        for causal in (False, True):
            _, record = attend(query[:, :, -2:], key, value, causal=causal, record=True)
            made = trace_record(record, 1)
            assert (made.queries, made.keys) == (2, 9)
            np.testing.assert_allclose(made.weights(3), record.weights()[1, 3].numpy(), atol=3e-6)
            assert (made.states(3) == VALUE).sum() == (17 if causal else 18)


def test_vectors_are_copied() -> None:
    query, key, value = inputs(7)
    record = trace_record(dot(query, key, value, record=True)[1])
    before = record.weights(1)
    query.zero_()
    key.zero_()
    np.testing.assert_array_equal(record.weights(1), before)


class Given:
    """A record of a user's own mechanism."""

    def __init__(self, weights: Tensor) -> None:
        self.given = weights

    def weights(self) -> Tensor:
        return self.given


class Masked(Given):
    seen: Tensor | None = None

    def visible(self) -> Tensor | None:
        return self.seen


def test_weights_of_any_mechanism_are_kept() -> None:
    weights = torch.rand(2, HEADS, 5, 7, dtype=torch.bfloat16, requires_grad=True)
    for record in (weights, Given(weights), Masked(weights)):
        made = trace_record(record, 1)
        assert isinstance(made, WeightsRecord)
        assert made.mask is None
        np.testing.assert_array_equal(made.weights(2), weights[1, 2].detach().float().numpy())


@pytest.mark.parametrize("shape", [(1, 1, 1, 7), (2, 1, 5, 7), (2, HEADS, 5, 7), (1, HEADS, 1, 7)])
def test_what_a_record_says_is_visible_is_kept(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    record = Masked(torch.rand(2, HEADS, 5, 7))
    record.seen = torch.rand(shape) < 0.5
    made = trace_record(record, 1)
    expected = record.seen.expand(2, HEADS, 5, 7)[1].numpy()
    for head in range(HEADS):
        np.testing.assert_array_equal(made.states(head) == VALUE, expected[head])
        np.testing.assert_array_equal(made.weights(head), record.given[1, head].numpy() * expected[head])


def test_what_is_no_record_is_named() -> None:
    with pytest.raises(AttnError, match="str is no record of attention"):
        trace_record("weights")
    with pytest.raises(AttnError, match=r"\(batch, head, query, key\); given the shape \(4, 5, 5\)"):
        trace_record(torch.rand(4, 5, 5))
    for record in (torch.rand(2, 4, 5, 5), dot(*inputs(5), record=True)[1]):
        for row in (2, -1):
            with pytest.raises(AttnError, match=f"row {row} does not exist; the batch has 2: 0 to 1"):
                trace_record(record, row)
