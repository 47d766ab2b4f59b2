"""Masks against torch's bottom-right bias and transformers' sliding-window rule."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention.bias import causal_lower_right
from transformers.masking_utils import sliding_window_causal_mask_function

from attn_widgets.attention import causal_mask, padding_mask


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 9), (4, 4), (3, 7), (64, 64)])
def test_causal_mask_equals_torchs_lower_right(queries: int, keys: int) -> None:
    theirs = causal_lower_right(queries, keys)._materialize(torch.device("cpu"))
    assert torch.equal(causal_mask(queries, keys), theirs)


@pytest.mark.parametrize(("queries", "keys", "window"), [(5, 5, 1), (7, 7, 3), (2, 9, 4), (6, 6, 6), (1, 8, 3)])
def test_window_equals_transformers_sliding_window(queries: int, keys: int, window: int) -> None:
    rule = sliding_window_causal_mask_function(window)
    rows, columns = torch.arange(keys - queries, keys)[:, None], torch.arange(keys)[None]
    assert torch.equal(causal_mask(queries, keys, window), rule(0, 0, rows, columns))


def test_more_queries_than_keys_leaves_the_first_rows_blind() -> None:
    assert causal_mask(4, 2).tolist() == [[False, False], [False, False], [True, False], [True, True]]


def test_padding_mask_hides_what_stands_behind_each_text() -> None:
    mask = padding_mask(torch.tensor([3, 0, 5]), 5)
    assert mask.shape == (3, 1, 1, 5)
    assert mask[:, 0, 0].int().tolist() == [[1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]
