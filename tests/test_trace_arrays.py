"""Traces of raw arrays: shapes, masks and tokens that fit, and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attn_widgets.errors import AttnError
from attn_widgets.trace import (
    AttentionTrace,
)
from tests.small_traces import FIVE, RANDOM, only_line


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        (FIVE[1, 1, 1], (1, 1)),
        (FIVE[1, 1], (1, 4)),
        (FIVE[:, 1], (2, 4)),
        (FIVE[:, 1:2], (2, 4)),
    ],
)
@pytest.mark.parametrize("library", [np.asarray, torch.tensor, np.ndarray.tolist])
def test_dimensions_two_to_five(given: np.ndarray, sizes: tuple[int, int], library: Any) -> None:
    trace = AttentionTrace.from_arrays(library(given))
    assert (trace.layers, trace.heads) == sizes
    expected = given.reshape(*sizes, 5, 6)
    for layer, head in trace.iter_heads():
        np.testing.assert_array_equal(trace.weights(layer, head), expected[layer, head])
    assert (trace.tokens, trace.key_tokens) == (tuple("01234"), tuple("012345"))


def test_lists_of_layers_as_transformers_gives_them() -> None:
    layers = tuple(torch.tensor(layer) for layer in FIVE)
    trace = AttentionTrace.from_arrays(layers, batch=2, tokens=list("abcde"), key_tokens=list("uvwxyz"))
    for layer, head in trace.iter_heads():
        np.testing.assert_array_equal(trace.weights(layer, head), FIVE[layer, 2, head])
    different = AttentionTrace.from_arrays([FIVE[0, 0], FIVE[1, 0, :2, :3, :3]])  # heads, rows and keys may differ
    assert different.heads == (4, 2)
    assert different.blocks[1].key_tokens == ("0", "1", "2")


def test_a_random_transformers_model_comes_through() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_layer=2, n_head=4, n_embd=16, vocab_size=11, n_positions=8, attn_implementation="eager"
    )
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config).eval()
    attentions = model(torch.tensor([[1, 2, 3, 4, 5]]), output_attentions=True).attentions  # requires grad
    trace = AttentionTrace.from_arrays(attentions, tokens=list("abcde"))
    np.testing.assert_array_equal(trace.weights(1, 3), attentions[1][0, 3].detach().numpy())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array([[1, 0], [3, -2]]), [[1, 0], [3, -2]]),
        (np.array([[True, False], [True, True]]), [[1, 0], [1, 1]]),
        (np.array([[0.5, np.nan], [np.inf, -7]]), [[0.5, np.nan], [np.inf, -7]]),
        (torch.tensor([[0.5, 0.25], [1.5, 0]], dtype=torch.bfloat16), [[0.5, 0.25], [1.5, 0]]),
        (torch.tensor([[0.5, 0.25], [1.5, 0]], dtype=torch.float16), [[0.5, 0.25], [1.5, 0]]),
        (torch.tensor([[0.5, 0.25], [1.5, 0]], requires_grad=True), [[0.5, 0.25], [1.5, 0]]),
        (np.array([[1e300, 0], [0, 0]]), [[np.inf, 0], [0, 0]]),
        (torch.tensor([[0.5, 0.25], [1.5, 0]]).T, [[0.5, 1.5], [0.25, 0]]),
    ],
)
def test_values_are_taken_as_they_are(given: Any, expected: list[list[float]]) -> None:
    found = AttentionTrace.from_arrays(given).weights(0, 0)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_a_trace_does_not_change_with_its_source() -> None:
    given = np.eye(3, dtype=np.float32)
    trace = AttentionTrace.from_arrays(given)
    given[:] = 7
    trace.weights(0, 0)[:] = 8
    np.testing.assert_array_equal(trace.weights(0, 0), np.eye(3))


@pytest.mark.parametrize("shape", [(6, 6), (4, 6, 6), (2, 1, 6, 6), (2, 4, 6, 6)])
def test_masks_broadcast(shape: tuple[int, ...]) -> None:
    weights = RANDOM.random((2, 4, 6, 6)).astype(np.float32)
    mask = RANDOM.random(shape) < 0.6
    trace = AttentionTrace.from_arrays(weights, mask=torch.tensor(mask))
    full = np.broadcast_to(mask, weights.shape)
    for layer, head in trace.iter_heads():
        np.testing.assert_array_equal(trace.visible(layer, head), full[layer, head])
        np.testing.assert_array_equal(trace.weights(layer, head), np.where(full[layer, head], weights[layer, head], 0))
    one_for_all = AttentionTrace.from_arrays(weights, mask=np.tri(6, dtype=bool))
    assert one_for_all.nbytes == weights.nbytes + 2 * 36  # one mask a layer, not one a head


def test_masks_go_with_their_layer_and_batch() -> None:
    mask = RANDOM.random(FIVE.shape) < 0.5
    trace = AttentionTrace.from_arrays(FIVE, batch=1, mask=mask)
    np.testing.assert_array_equal(trace.visible(1, 2), mask[1, 1, 2])
    padding = RANDOM.random((3, 1, 1, 6)) < 0.5
    trace = AttentionTrace.from_arrays(list(FIVE), batch=-1, mask=padding)
    np.testing.assert_array_equal(trace.visible(0, 3), np.broadcast_to(padding[2, 0], (5, 6)))
    trace = AttentionTrace.from_arrays(list(FIVE), batch=0, mask=list(mask))
    np.testing.assert_array_equal(trace.visible(1, 3), mask[1, 0, 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": np.zeros(3)}, "weights have 1 dimensions, (3,); 2 to 5 work"),
        ({"weights": np.zeros((1,) * 6)}, "weights have 6 dimensions"),
        ({"weights": np.zeros((2, 0, 3))}, "weights holds nothing: its shape is (2, 0, 3)"),
        ({"weights": np.zeros((0, 4, 3, 3))}, "weights holds nothing: its shape is (0, 4, 3, 3)"),
        ({"weights": []}, "weights are empty; transformers returns none unless attn_implementation='eager'"),
        ({"weights": None}, "weights is None; load the model with attn_implementation='eager'"),
        ({"weights": [None, None]}, "weights[0] is None; load the model with attn_implementation='eager'"),
        ({"weights": "abc"}, "weights holds <U3 values; numbers work"),
        ({"weights": [[0.5], [0.5, 0.5]]}, "weights has rows of unequal length"),
        ({"weights": np.zeros((2, 2), complex)}, "weights holds complex128 values; numbers work"),
        ({"weights": FIVE}, "weights holds a batch of 3; give batch=0 to batch=2"),
        ({"weights": list(FIVE)}, "weights[0] holds a batch of 3; give batch=0 to batch=2"),
        ({"weights": FIVE, "batch": 3}, "batch=3 does not exist; weights holds a batch of 3: 0 to 2"),
        ({"weights": FIVE[0, 0], "batch": 1}, "batch=1 was given, but weights has no batch axis; leave it out"),
        ({"weights": FIVE[0, 0], "tokens": list("abcdef")}, "6 tokens given, but the weights have 5 query rows"),
        ({"weights": FIVE[0, 0], "key_tokens": list("ab")}, "2 key_tokens given, but the weights have 6 keys"),
        ({"weights": np.eye(3), "tokens": "abc"}, "tokens is one text; give a list with the text of each token"),
        ({"weights": np.eye(3), "tokens": ["a", 7, "b"]}, "tokens[1] is 7; give texts"),
        ({"weights": np.eye(3), "mask": np.ones((3, 2), bool)}, "mask of the shape (3, 2) does not broadcast"),
        ({"weights": np.eye(3), "mask": np.eye(3)}, "mask holds float64 values; give booleans"),
        ({"weights": list(FIVE), "batch": 0, "mask": [np.eye(3) > 0]}, "mask is a list of 1, weights of 2 layers"),
        ({"weights": np.eye(3), "kind": "middle"}, "kind='middle' is none of 'decoder', 'encoder', 'cross'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    arguments: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    with pytest.raises(AttnError) as error:
        AttentionTrace.from_arrays(**arguments)
    assert message in only_line(error)


def test_one_list_of_tokens_is_enough_for_a_square() -> None:
    assert AttentionTrace.from_arrays(np.eye(3), tokens=list("abc")).key_tokens == tuple("abc")
    assert AttentionTrace.from_arrays(np.eye(3), key_tokens=list("abc")).tokens == tuple("abc")
