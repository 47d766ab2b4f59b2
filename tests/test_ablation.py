from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from attn_widgets.capture import compare_ablation, reading
from attn_widgets.errors import AttnError
from attn_widgets.models import Transformer
from tests.small_models import make


def without_columns(model: Transformer, heads: list[tuple[int, int]]) -> Transformer:
    """The same model, whose output projection does not read these heads: the oracle."""
    changed = copy.deepcopy(model)
    for layer, head in heads:
        with torch.no_grad():
            changed.blocks[layer].attention.output.weight[:, 8 * head : 8 * (head + 1)] = 0  # type: ignore[union-attr, index]
    return changed


@pytest.mark.parametrize("heads", [[(0, 1)], [(1, 3)], [(0, 0), (0, 3), (1, 2)], [(0, h) for h in range(4)]])
@pytest.mark.parametrize(("bias", "length"), [(False, 10), (True, 16), (False, 40)])
def test_switching_off_is_zeroing_the_columns_of_the_output_projection(
    heads: list[tuple[int, int]], bias: bool, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE", 16)
    model, ids = make(kv_heads=2, bias=bias), torch.tensor(np.random.default_rng(0).integers(0, 50, length))
    with torch.no_grad():
        before = model(ids[None], window=16).logits[0].softmax(-1)
        after = without_columns(model, heads)(ids[None], window=16).logits[0].softmax(-1)
    found = compare_ablation(model, ids, str, heads)
    assert found.before.tokens == tuple(map(str, before.argmax(-1).tolist()))
    assert found.after.tokens == tuple(map(str, after.argmax(-1).tolist()))
    np.testing.assert_allclose(found.before.probabilities, before.max(-1).values, atol=1e-5)
    np.testing.assert_allclose(found.after.probabilities, after.max(-1).values, atol=1e-5)
    np.testing.assert_allclose(found.still, after.gather(-1, before.argmax(-1, keepdim=True))[:, 0], atol=1e-5)
    assert found.changed == tuple((before.argmax(-1) != after.argmax(-1)).nonzero()[:, 0].tolist())
    assert np.abs(found.before.probabilities - found.still).max() > 1e-2  # these heads do something


def test_without_heads_nothing_changes() -> None:
    model, ids = make(kv_heads=2), np.arange(9)
    found = compare_ablation(model, ids, str, [])
    np.testing.assert_array_equal(found.before.probabilities, found.after.probabilities)
    np.testing.assert_array_equal(found.before.probabilities, found.still)
    assert found.changed == ()


def test_a_head_that_is_not_there() -> None:
    with pytest.raises(AttnError, match="L0H4"):
        compare_ablation(make(kv_heads=2), np.arange(3), str, [(0, 4)])
