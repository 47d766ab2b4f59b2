from __future__ import annotations

import numpy as np
import pytest
import torch

from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.metrics import distance, entropy, previous_token, resting, resting_heads


def test_entropy_is_that_of_torch_distributions() -> None:
    weights = np.random.default_rng(0).dirichlet(np.full(9, 0.3), size=6).astype(np.float32)
    expected = torch.distributions.Categorical(probs=torch.tensor(weights, dtype=torch.float64)).entropy()
    np.testing.assert_allclose(entropy(weights), expected.numpy(), atol=1e-6)


def test_entropy_of_one_key_and_of_equal_keys() -> None:
    found = entropy(np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0, 0, 0, 0], [np.nan, 0, 1, 0]], np.float32))
    np.testing.assert_allclose(found, [0, np.log(4), 0, np.nan])
    assert not np.signbit(found[:1]).any()


def test_distance_counts_tokens() -> None:
    causal = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.5, 0.25, 0.25]], np.float32)
    np.testing.assert_allclose(distance(causal), [0, 0.5, 1.25])
    np.testing.assert_allclose(distance(causal[2:]), [1.25])  # rows are the last ones unless placed
    np.testing.assert_allclose(distance(causal[:1], np.array([2])), [2])


def test_weight_on_the_token_before() -> None:
    causal = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.5, 0.25, 0.25]], np.float32)
    np.testing.assert_allclose(previous_token(causal), [np.nan, 0.5, 0.25])
    np.testing.assert_allclose(previous_token(causal[1:]), [0.5, 0.25])


def test_resting_leaves_the_first_row_out() -> None:
    assert resting(np.array([[1, 0], [0.25, 0.75]], np.float32)) == 0.25
    assert np.isnan(resting(np.ones((1, 1), np.float32)))


def test_heads_that_rest_on_the_first_token() -> None:
    sharp = np.eye(4, dtype=np.float32)
    rests = np.zeros((4, 4), np.float32)
    rests[:, 0] = [1, 0.9, 0.8, 0.7]
    trace = AttentionTrace.from_arrays(
        np.stack([np.stack([sharp, rests]), np.stack([rests, np.full_like(sharp, np.nan)])])
    )
    found = resting_heads(trace)
    assert [head[:2] for head in found] == [(0, 1), (1, 0)]
    assert found[0].weight == pytest.approx(0.8)
    assert resting_heads(trace, least=0.81) == []
