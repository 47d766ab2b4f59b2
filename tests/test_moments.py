"""Moments of a training: small enough to keep, and what is kept is what the whole trace says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from attn_widgets.capture import capture_trace
from attn_widgets.config import ModelConfig
from attn_widgets.models import Transformer
from attn_widgets.run.moments import compact
from attn_widgets.trace import DotProductRecord, WeightsRecord


@pytest.mark.parametrize(
    ("shape", "tokens", "kind"),
    [
        ({"layers": 2, "heads": 16, "dim": 128}, 300, DotProductRecord),
        ({"layers": 12, "heads": 2, "dim": 256}, 60, WeightsRecord),
    ],
)
def test_moments_of_big_models_are_cut(shape: dict[str, int], tokens: int, kind: type, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Transformer(ModelConfig(context=512, **shape), 50)
    ids = torch.randint(50, (tokens,))
    whole = capture_trace(model, ids, list(map(str, ids.tolist())), str)
    limit = 200_000
    small = compact(whole, limit)
    assert whole.nbytes > limit >= small.nbytes > 0.9 * limit
    assert isinstance(small.blocks[0].record, kind)
    some = slice(0, len(small.tokens))
    for layer, head in small.iter_heads():
        np.testing.assert_allclose(small.weights(layer, head), whole.weights(layer, head, some, some), atol=2e-3)
        assert np.array_equal(small.states(layer, head), whole.states(layer, head, some, some))
    small.save(tmp_path / "small.safetensors")
    assert (tmp_path / "small.safetensors").stat().st_size < limit + 20_000
    assert compact(small, limit) is small
