from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attn_widgets.capture import Segment, capture_trace, generation_trace, model_hash, reading
from attn_widgets.errors import AttnError
from attn_widgets.models import Transformer
from attn_widgets.trace import MASKED, NOT_CAPTURED, AttentionTrace, DotProductRecord, Predictions
from tests.small_models import make

make_model = partial(make, kv_heads=2)


def make_ids(length: int) -> np.ndarray:
    return np.random.default_rng(length).integers(0, 50, length).astype(np.int32)


def words(length: int) -> list[str]:
    return [f"t{i}" for i in range(length)]


def torch_weights(model: Transformer, ids: Sequence[int] | np.ndarray, window: int | None = None) -> list[Tensor]:
    """Each layer's weights (H, Q, Q): torch's fused attention applied to identity values, one full pass."""
    found: list[Tensor] = []

    def look(module: torch.nn.Module, args: tuple[Tensor, object]) -> None:
        x, now = args
        query, key, _ = module.project(x, now.rotary)  # type: ignore[operator, attr-defined]
        size = query.shape[2]
        band = torch.ones(size, size, dtype=torch.bool).tril()
        band = band if window is None else band.triu(1 - window)
        values = torch.eye(size).expand(1, key.shape[1], size, size)
        found.append(F.scaled_dot_product_attention(query, key, values, attn_mask=band, enable_gqa=True)[0])

    hooks = [block.attention.register_forward_pre_hook(look) for block in model.blocks]  # type: ignore[union-attr]
    with torch.no_grad():
        model(torch.as_tensor(np.asarray(ids, np.int64))[None], window=window)
    for hook in hooks:
        hook.remove()
    return found


def check_weights(trace: AttentionTrace, expected: Sequence[Tensor]) -> None:
    for layer, head in trace.iter_heads():
        np.testing.assert_allclose(trace.weights(layer, head), expected[layer][head].numpy(), atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"positions": "learned"}, {"positions": "sinusoidal", "kv_heads": None}])
@pytest.mark.parametrize("length", [1, 7, 16])
def test_weights_of_a_text(options: dict[str, Any], length: int) -> None:
    model, ids = make_model(**options), make_ids(length)
    trace = capture_trace(model, ids, words(length), str)
    assert repr(trace) == f"AttentionTrace(layers=2, heads=4, tokens={length})"
    assert trace.tokens == trace.key_tokens == tuple(words(length))
    check_weights(trace, torch_weights(model, ids))


@pytest.mark.parametrize("piece", [5, 16, 256])
def test_a_text_beyond_the_context_sees_the_last_keys(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", piece)
    model, ids = make_model(), make_ids(50)
    trace = capture_trace(model, torch.as_tensor(ids), words(50), str)
    check_weights(trace, torch_weights(model, ids, window=16))
    assert trace.visible(0, 0).sum(axis=1).max() == 16
    with torch.no_grad():
        logits = model(torch.as_tensor(ids).long()[None], window=16).logits[0]
    assert trace.predictions is not None
    np.testing.assert_allclose(trace.predictions.probabilities, logits.softmax(-1).max(-1).values, atol=1e-5)


def test_predictions_are_the_likeliest_next_tokens() -> None:
    model, ids = make_model(), make_ids(9)
    trace = capture_trace(model, ids, words(9), lambda i: f"‹{i}›")
    with torch.no_grad():
        top = model(torch.as_tensor(ids).long()[None]).logits[0].softmax(-1).max(-1)
    assert trace.predictions is not None
    assert trace.predictions.tokens == tuple(f"‹{i}›" for i in top.indices.tolist())
    np.testing.assert_allclose(trace.predictions.probabilities, top.values.numpy(), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.uint32])
def test_ids_of_any_integer_type(dtype: type) -> None:
    model, ids = make_model(), make_ids(6)
    expected = capture_trace(model, ids, words(6), str)
    found = capture_trace(model, ids.astype(dtype), words(6), str)
    np.testing.assert_array_equal(found.weights(1, 1), expected.weights(1, 1))


def test_nothing_is_left_changed() -> None:
    model, ids = make_model(dropout=0.5), make_ids(12)
    expected = torch_weights(model, ids)
    model.train()
    model.blocks[1].eval()  # a mode of its own, as when a part is frozen
    modes = [module.training for module in model.modules()]
    before, random = model_hash(model), torch.get_rng_state()
    trace = capture_trace(model, ids, words(12), str)
    check_weights(trace, expected)  # no dropout
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert model_hash(model) == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_modes_come_back_after_an_error() -> None:
    model = make_model().train()
    with pytest.raises(AttnError):
        capture_trace(model, make_ids(3), words(3), str, ablate=[(9, 9)])
    assert all(module.training for module in model.modules())


def test_records_own_their_memory() -> None:
    trace = capture_trace(make_model(), make_ids(10), words(10), str)
    ranges = 2 * 2 * 10 * 8  # start and stop of each layer
    assert trace.nbytes == 2 * (4 + 2) * 10 * 8 * 4 + ranges + 10 * 4
    for block in trace.blocks:
        assert isinstance(block.record, DotProductRecord)
        for array in (block.record.query, block.record.key):
            assert array.base is None
            assert array.dtype == np.float32


def test_half_precision_models_leave_float32() -> None:
    model, ids = make_model().bfloat16(), make_ids(10)
    trace = capture_trace(model, ids, words(10), str)
    assert trace.weights(0, 0).dtype == np.float32
    np.testing.assert_allclose(trace.weights(0, 0).sum(axis=1), 1, atol=1e-6)


def test_provenance() -> None:
    model, ids = make_model(), make_ids(3)
    meta = capture_trace(model, ids, ["I", "love", "to"], str, ablate=[(1, 2), (0, 3)], meta={"step": 7}).meta
    assert meta == {"model": model_hash(model), "text": "I love to", "ablate": "L0H3 L1H2", "step": 7}
    assert capture_trace(model, ids, ["a", "b", "c"], str, meta={"text": "abc"}).meta["text"] == "abc"
    digest = model_hash(model)
    assert len(digest) == 12
    assert int(digest, 16) >= 0
    assert model_hash(make_model()) == digest
    with torch.no_grad():
        model.blocks[0].mlp_norm.weight[3] += 1e-6  # type: ignore[union-attr, index]
    assert model_hash(model) != digest
    assert model_hash(make_model().bfloat16()) != digest


def test_switched_off_heads_change_what_later_layers_see() -> None:
    model, ids = make_model(), make_ids(8)
    whole, without = (capture_trace(model, ids, words(8), str, ablate=heads) for heads in ([], [(0, 1)]))
    np.testing.assert_array_equal(whole.weights(0, 1), without.weights(0, 1))
    assert np.abs(whole.weights(1, 0) - without.weights(1, 0)).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "ids", "tokens", "message"),
    [
        ({}, [], 0, "the text has no tokens; give at least one"),
        ({}, [1, 2], 3, "2 ids, but 3 tokens; each id needs its text"),
        ({}, [1, 50], 2, "token 50 does not exist; the model's vocabulary is 0 to 49"),
        ({}, [-1, 1], 2, "token -1 does not exist; the model's vocabulary is 0 to 49"),
        (
            {"positions": "learned"},
            [1] * 17,
            17,
            "the text has 17 tokens, but --positions learned end at --context 16; "
            "give at most 16 tokens, or train with --positions rotary",
        ),
    ],
)
def test_what_cannot_be_read(options: dict[str, Any], ids: list[int], tokens: int, message: str) -> None:
    with pytest.raises(AttnError) as error:
        capture_trace(make_model(**options), np.array(ids, np.int64), words(tokens), str)
    assert str(error.value) == message


# traces of several segments


def left(model: Transformer, ids: np.ndarray, rows: int) -> tuple[list[Tensor], list[Tensor], float]:
    """Queries of the last rows and all keys of each layer, as one pass leaves them."""
    with torch.inference_mode():
        records = model(torch.as_tensor(ids).long()[None], record=True).records
    assert records is not None
    return [r.query[0, :, -rows:] for r in records], [r.key[0] for r in records], records[0].scale


def test_a_window_that_was_filled_again() -> None:
    model, ids = make_model(positions="learned"), make_ids(20)
    first, second = left(model, ids[:16], 16), left(model, ids[8:19], 3)  # 16 read; then 8 to 15 again, and 3 more
    trace = generation_trace(
        [Segment(0, 0, *first, 16), Segment(16, 8, *second, 16)],
        words(20),  # the last one was chosen, but never read
        Predictions(tuple(map(str, range(20))), np.arange(20, dtype=np.float32)),
        {"text": "x"},
    )
    assert trace.tokens == trace.key_tokens == tuple(words(19))
    assert trace.predictions is not None
    assert trace.predictions.tokens[-1] == "18"
    assert trace.meta == {"text": "x"}
    before, after = torch_weights(model, ids[:16]), torch_weights(model, ids[8:19])
    for layer, head in trace.iter_heads():
        found = trace.weights(layer, head)
        np.testing.assert_allclose(found[:16, :16], before[layer][head], atol=1e-5)
        np.testing.assert_allclose(found[16:, 8:], after[layer][head][-3:], atol=1e-5)
        assert not found[16:, :8].any()
        assert (trace.states(layer, head)[16:, :8] == MASKED).all()


def test_segments_of_a_sliding_cache_join_to_the_band() -> None:
    model, ids = make_model(), make_ids(40)
    with torch.inference_mode():
        records = model(torch.as_tensor(ids).long()[None], record=True, window=16).records
    assert records is not None
    segments = [
        Segment(
            row, key, [r.query[0, :, row:stop] for r in records], [r.key[0, :, key:stop] for r in records],
            records[0].scale, 16,
        )
        for row, key, stop in [(0, 0, 20), (20, 4, 33), (33, 17, 40)]
    ]  # fmt: skip
    trace = generation_trace(segments, words(40))
    check_weights(trace, torch_weights(model, ids, window=16))
    band = np.tri(40, dtype=bool) & ~np.tri(40, k=-16, dtype=bool)
    np.testing.assert_array_equal(trace.visible(1, 3), band)


def test_rows_that_were_never_read_are_not_captured() -> None:
    model, ids = make_model(positions="learned"), make_ids(20)
    trace = generation_trace([Segment(4, 4, *left(model, ids[4:], 16), 16)], words(20))
    assert (trace.states(0, 0)[:4] == NOT_CAPTURED).all()
    assert (trace.states(0, 0)[4:, :4] == MASKED).all()
    np.testing.assert_allclose(trace.weights(1, 2)[4:, 4:], torch_weights(model, ids[4:])[1][2], atol=1e-5)


def test_segments_need_tokens() -> None:
    model, ids = make_model(), make_ids(6)
    with pytest.raises(AttnError, match="6 rows were recorded, but only 5 tokens given"):
        generation_trace([Segment(0, 0, *left(model, ids, 6), None)], words(5))
    with pytest.raises(AttnError, match="a trace needs at least one token that was read"):
        generation_trace([], words(5))
