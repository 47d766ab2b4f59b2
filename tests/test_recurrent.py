"""The recurrent language model against torch's cells and attention, put together by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attn_widgets.attention import MECHANISMS
from attn_widgets.config import DENSE, ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.recurrent import Recurrent
from tests.small_recurrent import OPTIONS, VOCAB, ids, make


def torchs_cells(model: Recurrent) -> nn.GRU | nn.LSTM:
    """Cells of torch's own with the model's weights."""
    config = model.config
    kind: Any = nn.LSTM if config.cell == "lstm" else nn.GRU
    cells = kind(config.dim, config.dim, config.layers, batch_first=True)
    cells.load_state_dict(model.recurrence.cells.state_dict())
    return cells.to(model.embedding.weight.dtype)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("length", [1, 7, 64])
def test_without_attention_it_is_torchs_cells_between_embedding_and_head(cell: Any, length: int) -> None:
    model = make(attention="none", cell=cell)
    expected = torchs_cells(model)(model.embedding(ids(length)))[0] @ model.head.weight.T
    torch.testing.assert_close(model(ids(length)).logits, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("length", [1, 7, 64])
@pytest.mark.parametrize("bias", [False, True])
def test_with_attention_it_is_torchs_multihead_attention_over_its_cells(cell: Any, length: int, bias: bool) -> None:
    model = make(cell=cell, bias=bias)
    heads, combine = model.attention, model.combine
    assert heads is not None
    assert combine is not None
    theirs = nn.MultiheadAttention(16, 4, bias=bias, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat((heads.query.weight, heads.key_value.weight)))
        theirs.out_proj.weight.copy_(heads.output.weight)
        if bias:
            theirs.in_proj_bias.copy_(torch.cat((heads.query.bias, heads.key_value.bias)))
            theirs.out_proj.bias.copy_(heads.output.bias)
    states = torchs_cells(model)(model.embedding(ids(length)))[0]
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    context, weights = theirs(states, states, states, attn_mask=later, average_attn_weights=False)
    expected = torch.tanh(combine(torch.cat((context, states), -1))) @ model.head.weight.T  # Luong et al., equation 5
    output = model(ids(length), record=True)
    torch.testing.assert_close(output.logits, expected, atol=1e-5, rtol=0)
    assert output.records is not None
    torch.testing.assert_close(output.records[0].weights(), weights, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", DENSE)
def test_each_mechanism_gets_the_heads_of_the_states_and_its_own_weights(name: Any) -> None:
    model = make(torch.float64, attention=name)
    heads = model.attention
    assert heads is not None
    assert heads.attend is MECHANISMS[name]
    states = torchs_cells(model)(model.embedding(ids()))[0]
    key, value = (
        (states @ weight.T).view(2, 12, 4, 4).transpose(1, 2) for weight in heads.key_value.weight.split((16, 16))
    )
    query = (states @ heads.query.weight.T).view(2, 12, 4, 4).transpose(1, 2)
    context, record = MECHANISMS[name](query, key, value, causal=True, record=True, **heads.weights)
    output = model(ids(), record=True)
    assert output.records is not None
    torch.testing.assert_close(output.records[0].weights(), record.weights(), atol=1e-10, rtol=0)
    combine: Any = model.combine
    context = context.transpose(1, 2).flatten(2) @ heads.output.weight.T
    expected = torch.tanh(combine(torch.cat((context, states), -1))) @ model.head.weight.T
    torch.testing.assert_close(output.logits, expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("pieces", [[30], [1] * 30, [7, 1, 1, 5, 16]])
def test_reading_with_a_cache_equals_reading_at_once(options: dict[str, Any], pieces: list[int]) -> None:
    for dtype, close in ((torch.float64, 1e-11), (torch.float32, 1e-5)):
        model = make(dtype, **options)
        cache = model.new_cache(2, 4)
        with torch.no_grad():
            whole = model(ids(30), window=8).logits
            parts = torch.cat([model(piece, cache=cache).logits for piece in ids(30).split(pieces, 1)], 1)
            assert (parts - whole).abs().max() <= close * whole.abs().max()
        assert cache.position == cache.length == 30
        if model.attention is not None:
            assert (model(ids(30)).logits - whole).abs().max() > 1e-4  # the band hides something


def test_keeping_the_last_keys_changes_nothing_within_the_window() -> None:
    model = make(torch.float64)
    cache = model.new_cache(2)
    with torch.no_grad():
        model(ids(20), cache=cache)
        cache.keep(7)
        assert (cache.position, cache.length) == (20, 7)
        parts = torch.cat([model(piece, cache=cache).logits for piece in ids(30)[:, 20:].split([1, 9], 1)], 1)
        text = torch.cat((ids(20), ids(30)[:, 20:]), 1)
        torch.testing.assert_close(parts, model(text, window=8).logits[:, 20:], atol=1e-11, rtol=0)


def test_a_step_that_failed_leaves_the_cache_as_it_was() -> None:
    model = make(torch.float64)
    cache = model.new_cache(2)

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with torch.no_grad():
        first = model(ids()[:, :6], cache=cache).logits
        handle = model.attention.output.register_forward_pre_hook(fail)  # type: ignore[union-attr]
        with pytest.raises(KeyboardInterrupt):  # the cells have read, and keys were written
            model(ids()[:, 6:], cache=cache)
        handle.remove()
        assert cache.position == 6
        rest = model(ids()[:, 6:], cache=cache).logits
        torch.testing.assert_close(torch.cat((first, rest), 1), model(ids(), window=8).logits, atol=1e-11, rtol=0)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_one_cache_serves_with_and_without_inference_mode(cell: Any) -> None:
    model = make(torch.float64, cell=cell)
    cache = model.new_cache(2)
    with torch.inference_mode():
        first = model(ids()[:, :7], cache=cache).logits.clone()
    rest = model(ids()[:, 7:], cache=cache).logits  # with gradients on: the graph does not reach into the cache
    rest.sum().backward()
    torch.testing.assert_close(torch.cat((first, rest), 1), model(ids(), window=8).logits, atol=1e-11, rtol=0)


@pytest.mark.parametrize("options", OPTIONS)
def test_logits_do_not_depend_on_the_record_and_no_token_sees_later_ones(options: dict[str, Any]) -> None:
    model = make(torch.float64, **options)
    output = model(ids(), record=True)
    torch.testing.assert_close(model(ids()).logits, output.logits, atol=1e-12, rtol=0)
    assert model(ids()).records is None
    assert len(output.records) == len(model.kinds()) == (model.attention is not None)
    changed = ids()
    changed[:, 7] = (changed[:, 7] + 1) % VOCAB
    after = model(changed).logits
    torch.testing.assert_close(output.logits[:, :7], after[:, :7], atol=1e-12, rtol=0)
    assert (output.logits[:, 7:] - after[:, 7:]).abs().amax(-1).min() > 1e-9


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("name", DENSE)
def test_ablation_equals_zeroed_columns_of_the_output_map(name: Any, record: bool) -> None:
    model = make(torch.float64, attention=name)
    plain, ablated = model(ids()).logits, model(ids(), ablate={(0, 1), (0, 3)}, record=record).logits
    assert model.attention is not None
    with torch.no_grad():
        model.attention.output.weight[:, 4:8] = 0
        model.attention.output.weight[:, 12:] = 0
    torch.testing.assert_close(ablated, model(ids()).logits, atol=1e-12, rtol=0)
    assert (ablated - plain).abs().max() > 1e-3


def test_a_head_that_is_not_there_is_named() -> None:
    for pair, name in [((1, 0), "L1H0"), ((0, 4), "L0H4"), ((0, -1), "L0H-1")]:
        with pytest.raises(ConfigError) as error:
            make()(ids(), ablate=[pair])
        assert str(error.value) == f"--ablate {name}: the model has one attention layer, 0, and heads 0–3"
    with pytest.raises(ConfigError, match="--ablate L0H0: the model has --attention none, no head to switch off"):
        make(attention="none")(ids(), ablate=[(0, 0)])


def uniform(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> tuple[Tensor, None]:
    return value.cumsum(2) / torch.arange(1, value.shape[2] + 1)[:, None], None


def test_a_mechanism_of_ones_own() -> None:
    own: Any = "uniform"
    config = ModelConfig(model="recurrent", attention=own, dim=16)
    with pytest.raises(ConfigError, match="--attention uniform is not known here"):
        Recurrent(config, VOCAB)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MECHANISMS, own, uniform)
        model = Recurrent(config, VOCAB)
    states = torchs_cells(model)(model.embedding(ids()))[0]
    with torch.no_grad():
        heads: Any = model.attention
        heads.output.weight.copy_(torch.eye(16))
        heads.key_value.weight[16:] = torch.eye(16)
    means = torch.stack([states[:, : n + 1].mean(1) for n in range(12)], 1)  # of the states up to each one
    combine: Any = model.combine
    expected = torch.tanh(combine(torch.cat((means, states), -1))) @ model.head.weight.T
    torch.testing.assert_close(model(ids()).logits, expected, atol=1e-6, rtol=0)
