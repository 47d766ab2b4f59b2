"""Additive attention in tiles: they join without a seam, and a long text needs the memory of a few."""

from __future__ import annotations

import sys
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from attn_widgets.attention.additive import additive, additive_weights
from tests.additive_cases import trained
from tests.attention_cases import DIM, HEADS, KINDS, inputs, options

module = sys.modules[additive.__module__]  # the package offers the function under the module's name


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("queries", [1, 7, 12])
def test_tiles_join_without_a_seam(queries: int, kind: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = inputs(12, 2)
    arguments, _ = options(kind, 12)
    mask = arguments.get("mask")
    if mask is not None and mask.shape[2] > 1:
        arguments["mask"] = mask[:, :, -queries:]
    whole, whole_record = additive(query[:, :, -queries:], key, value, **trained(), record=True, **arguments)
    assert whole_record is not None
    weights = whole_record.weights()
    monkeypatch.setattr(module, "TILE", 2 * HEADS * 12 * DIM * rows)
    context, record = additive(query[:, :, -queries:], key, value, **trained(), record=True, **arguments)
    assert record is not None
    torch.testing.assert_close(context, whole, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(record.weights(), weights, atol=1e-6, rtol=1e-6)


class Memory(TorchDispatchMode):
    """Numbers in the largest tensor that any operation made, and the most bytes that were held at a time."""

    largest = held = most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.numel())
                self.hold(tensor.untyped_storage())
        return out

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, Any] = {}

    def hold(self, storage: Any) -> None:
        if storage._cdata in self.known:
            return
        self.known[storage._cdata] = weakref.finalize(storage, self.free, storage._cdata, storage.nbytes())
        self.held += storage.nbytes()
        self.most = max(self.most, self.held)

    def free(self, place: int, size: int) -> None:
        del self.known[place]
        self.held -= size


@pytest.mark.parametrize("causal", [False, True])
def test_a_long_text_needs_the_memory_of_a_few_tiles_in_both_passes(
    causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tile, length = 1 << 14, 512
    monkeypatch.setattr(module, "TILE", tile)
    tensors = [torch.randn(1, 2, length, 8, requires_grad=True) for _ in range(3)]
    with Memory() as memory:
        context, _ = additive(*tensors, **additive_weights(2, 8), causal=causal)
        context.sum().backward()
    assert all(tensor.grad is not None and tensor.grad.any() for tensor in tensors)
    assert memory.largest <= tile
    hidden, inputs = 2 * length * length * 8, 2 * length * 8
    assert 4 * (tile + inputs) < memory.most < 4 * (4 * tile + 8 * inputs) < 4 * hidden / 20


@pytest.mark.parametrize(("queries", "window"), [(512, None), (100, None), (512, 64)])
def test_causal_tiles_are_as_large_as_each_other(
    queries: int, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each larger than the one before it, malloc would get every one anew from the system: n^3.5 in place of n^2."""
    pairs = 2048
    monkeypatch.setattr(module, "TILE", pairs * 2 * 8)
    query, key = torch.zeros(1, 2, queries, 8), torch.zeros(1, 2, 512, 8)
    terms = module.AdditiveRecord(query, key, torch.zeros(2, 8), torch.zeros(2, 8), None, True, window)
    spans = list(module._spans(terms))
    assert [first for first, *_ in spans] == [0, *(last for _, last, *_ in spans[:-1])]
    assert spans[-1].last == queries
    sizes = [(last - first) * (stop - low) for first, last, low, stop in spans]
    assert max(sizes) <= pairs
    assert min(sizes[:-1]) > 0.7 * pairs


def test_scores_need_one_tile_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tile, length = 1 << 18, 256
    monkeypatch.setattr(module, "TILE", tile)
    tensors = torch.randn(3, 1, 2, length, 32)
    with torch.no_grad(), Memory() as memory:
        additive(*tensors, **additive_weights(2, 32), causal=True)
    assert memory.largest <= tile
    assert memory.most < 4 * 1.7 * tile  # inputs take 0.2
