"""Reading with a cache equals reading the whole text at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from attn_widgets.models import KeyValueCache, Transformer
from tests.small_models import OPTIONS, ids, make

PIECES = [[30], [1] * 30, [7, 1, 1, 5, 16], [16, 14], [3, 27]]


def read(model: Transformer, text: torch.Tensor, pieces: list[int], cache: KeyValueCache, **more: Any) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([model(piece, cache=cache, **more).logits for piece in text.split(pieces, 1)], 1)


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("options", [o for o in OPTIONS if "positions" not in o])
def test_rotary_past_the_context_equals_the_band(options: dict[str, Any], record: bool, pieces: list[int]) -> None:
    text = ids(30)
    for dtype, close in ((torch.float64, 1e-11), (torch.float32, 1e-5)):
        model = make(dtype, **options)
        whole = model(text, window=16).logits
        cache = KeyValueCache(model.config, 2, 4)
        parts = read(model, text, pieces, cache, record=record)
        assert (parts - whole).abs().max() <= close * whole.abs().max()
        assert cache.position == cache.length == 30
    assert (model(text).logits - whole).abs().max() > 1e-3  # the band hides something


@pytest.mark.parametrize("pieces", [[12], [1] * 12, [5, 1, 1, 5]])
@pytest.mark.parametrize("options", OPTIONS)
def test_within_the_context_equals_the_plain_pass(options: dict[str, Any], pieces: list[int]) -> None:
    model = make(torch.float64, **options)
    parts = read(model, ids(), pieces, KeyValueCache(model.config, 2))
    torch.testing.assert_close(parts, model(ids()).logits, atol=1e-11, rtol=0)


@pytest.mark.parametrize("window", [1, 5, 100])
def test_a_window_of_ones_own(window: int) -> None:
    model = make(torch.float64)
    parts = read(model, ids(30), [9, 1, 1, 19], KeyValueCache(model.config, 2), window=window)
    torch.testing.assert_close(parts, model(ids(30), window=window).logits, atol=1e-11, rtol=0)


def test_records_of_a_cached_text_give_the_weights_of_the_whole() -> None:
    model = make(torch.float64, kv_heads=2)
    text = ids(30)
    whole = model(text, record=True, window=16).records
    cache = KeyValueCache(model.config, 2, 4)
    pieces = [11, 1, 1, 8, 1, 8]
    outputs = [model(piece, cache=cache, record=True) for piece in text.split(pieces, 1)]
    for layer in range(2):
        stop = 0
        for length, output in zip(pieces, outputs, strict=True):
            start, stop = stop, stop + length
            record = output.records[layer]
            assert record.query.shape[2] == length
            assert record.key.shape[2] == stop
            # The cache grew twice since the first of these records was made; its view still holds.
            expected = whole[layer].weights()[:, :, start:stop]
            torch.testing.assert_close(record.weights(), expected[..., :stop], atol=1e-12, rtol=0)
            assert not expected[..., stop:].any()


def test_capacity_doubles_and_nothing_is_lost() -> None:
    model = make()
    cache = KeyValueCache(model.config, 2, 3)
    read(model, ids(2), [2], cache)
    assert cache.capacity == 3
    first = cache.keys(0).clone()
    read(model, ids(2), [1, 1], cache)
    assert cache.capacity == 6
    assert torch.equal(cache.keys(0)[:, :, :2], first)
    read(model, ids(20), [20], cache)
    assert cache.capacity == 24


def test_keeping_the_last_keys_changes_nothing_within_the_window() -> None:
    model = make(torch.float64)
    cache = KeyValueCache(model.config, 2)
    with torch.no_grad():
        model(ids(20), cache=cache)
        kept = cache.keys(1)
        before = kept.clone()
        cache.keep(15)
        assert (cache.position, cache.length) == (20, 15)
        parts = read(model, ids(30)[:, 20:], [1, 9], cache)
    torch.testing.assert_close(kept, before, atol=0, rtol=0)  # a view taken earlier is left alone
    text = torch.cat((ids(20), ids(30)[:, 20:]), 1)
    torch.testing.assert_close(parts, model(text, window=16).logits[:, 20:], atol=1e-11, rtol=0)


def test_keep_more_than_there_is() -> None:
    model = make()
    cache = KeyValueCache(model.config, 2)
    read(model, ids(5), [5], cache)
    cache.keep(9)
    assert cache.length == 5
    cache.keep(0)
    assert (cache.position, cache.length) == (5, 0)


def test_a_step_that_failed_leaves_the_cache_as_it_was() -> None:
    model = make(torch.float64)
    cache = KeyValueCache(model.config, 2, 4)
    text = ids(12)
    first = read(model, text[:, :6], [6], cache)

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    handle = model.blocks[1].register_forward_pre_hook(fail)  # the first layer has written, the second not
    with pytest.raises(KeyboardInterrupt):
        read(model, text[:, 6:], [6], cache)
    handle.remove()
    assert cache.position == 6
    rest = read(model, text[:, 6:], [6], cache)
    torch.testing.assert_close(torch.cat((first, rest), 1), model(text).logits, atol=1e-11, rtol=0)


def test_one_cache_serves_with_and_without_inference_mode() -> None:
    model = make(torch.float64)
    cache = KeyValueCache(model.config, 2, 3)
    with torch.inference_mode():
        first = model(ids(20)[:, :9], cache=cache).logits.clone()
    rest = model(ids(20)[:, 9:], cache=cache).logits  # with gradients on: the graph does not reach into the cache
    rest.sum().backward()
    torch.testing.assert_close(torch.cat((first, rest), 1), model(ids(20), window=16).logits, atol=1e-11, rtol=0)


def test_a_bfloat16_cache_follows_the_model() -> None:
    model = make(torch.bfloat16)
    cache = KeyValueCache(model.config, 2)
    read(model, ids(5), [5], cache)
    assert cache.keys(0).dtype == torch.bfloat16
