"""The transformer's own promises: both attention paths, ablation, windows, errors, parameters, dropout."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any, get_args, get_type_hints

import pytest
import torch
import torch.nn.functional as F

from attn_widgets.attention import MECHANISMS, scaled_dot
from attn_widgets.config import ModelConfig
from attn_widgets.errors import AttnError, ConfigError
from attn_widgets.models import KeyValueCache, Transformer
from tests.small_models import OPTIONS, ids, make


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("window", [None, 3])
def test_logits_do_not_depend_on_the_record(options: dict[str, Any], window: int | None) -> None:
    model = make(torch.float64, **options)
    plain = model(ids(), window=window)
    recorded = model(ids(), record=True, window=window)
    torch.testing.assert_close(plain.logits, recorded.logits, atol=1e-12, rtol=0)
    assert plain.records is None
    assert len(recorded.records) == 2
    single = make(**options)
    difference = single(ids(), window=window).logits - single(ids(), record=True, window=window).logits
    assert difference.abs().max() <= 1e-6 * single(ids()).logits.abs().max()


@pytest.mark.parametrize("options", OPTIONS)
def test_no_token_sees_later_ones(options: dict[str, Any]) -> None:
    model = make(torch.float64, **options)
    changed = ids()
    changed[:, 7] = (changed[:, 7] + 1) % 50
    before, after = model(ids()).logits, model(changed).logits
    torch.testing.assert_close(before[:, :7], after[:, :7], atol=1e-12, rtol=0)
    assert (before[:, 7:] - after[:, 7:]).abs().amax(-1).min() > 1e-6


def test_a_window_reaches_as_far_as_layers_times_window() -> None:
    model = make(torch.float64)  # two layers of window 3: a row's logits depend on the 2 · (3 - 1) tokens before it
    changed = ids(16)
    changed[:, 5] = (changed[:, 5] + 1) % 50
    difference = (model(ids(16), window=3).logits - model(changed, window=3).logits).abs().amax((0, 2))
    assert (difference > 1e-9).tolist() == [5 <= row <= 9 for row in range(16)]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("record", [False, True])
def test_ablation_equals_zeroed_columns_of_the_output_map(options: dict[str, Any], record: bool) -> None:
    model = make(torch.float64, **options)
    other: Any = copy.deepcopy(model)
    with torch.no_grad():
        for layer, head in [(0, 1), (1, 0), (1, 3)]:
            other.blocks[layer].attention.output.weight[:, 8 * head : 8 * head + 8] = 0
    ablated = model(ids(), ablate={(0, 1), (1, 0), (1, 3)}, record=record).logits
    torch.testing.assert_close(ablated, other(ids()).logits, atol=1e-12, rtol=0)
    assert (ablated - model(ids()).logits).abs().max() > 1e-3


def test_ablating_a_head_that_is_not_there() -> None:
    model = make()
    for pair, name in [((9, 0), "L9H0"), ((0, 4), "L0H4"), ((-1, 0), "L-1H0")]:
        with pytest.raises(AttnError) as error:
            model(ids(), ablate=[pair])
        assert str(error.value) == f"--ablate {name}: the model has layers 0–1 and heads 0–3"


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_positions_that_end_refuse_longer_texts(positions: Any) -> None:
    model = make(positions=positions)
    assert model(ids(16)).logits.shape == (2, 16, 50)
    message = f"{positions} positions end at --context 16; given 17 tokens; try --context 17 or fewer tokens"
    with pytest.raises(ConfigError, match=message):
        model(ids(17))
    cache = KeyValueCache(model.config, 2)
    model(ids(16), cache=cache)
    with pytest.raises(ConfigError, match=message):
        model(ids(1), cache=cache)
    assert cache.position == 16


def test_rotary_positions_go_on() -> None:
    assert make()(ids(40)).logits.isfinite().all()


@pytest.mark.parametrize("options", OPTIONS)
def test_parameter_groups_hold_each_parameter_once_by_its_role(options: dict[str, Any]) -> None:
    model = make(**options)
    groups = model.parameter_groups()
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    maps = 5 if options.get("mlp") == "swiglu" else 4
    assert len(groups["matrices"]) == 2 * maps
    assert all(parameter.ndim == 2 and 50 not in parameter.shape for parameter in groups["matrices"])
    outer = 1 + (not options.get("tied", False)) + (options.get("positions") == "learned")
    assert len(groups["embeddings"]) == outer


@pytest.mark.parametrize("kv_heads", [4, 1])
def test_stacked_rows_are_the_query_key_and_value_maps(kv_heads: int) -> None:
    model = make(kv_heads=kv_heads)
    for parameter, rows in model.stacked_rows().items():
        assert sum(rows) == len(parameter)
    block: Any = model.blocks[0]
    x = torch.randn(1, 3, 32)
    maps = block.attention.qkv.weight.split_with_sizes(model.stacked_rows()[block.attention.qkv.weight])
    for ours, weight in zip(block.attention.project(x, None), maps, strict=True):  # (B, heads, Q, d)
        torch.testing.assert_close(ours.transpose(1, 2).flatten(2), x @ weight.T, atol=1e-6, rtol=1e-5)


def test_number_of_parameters() -> None:
    # 2 layers of (4 + 8) · 32² and two gains, a last gain, embedding and head.
    assert make().num_parameters() == 2 * (12 * 32**2 + 2 * 32) + 32 + 2 * 50 * 32
    assert make(tied=True).num_parameters() == make().num_parameters() - 50 * 32


@pytest.mark.parametrize("options", OPTIONS)
def test_every_parameter_gets_a_gradient_and_both_paths_give_the_same(options: dict[str, Any]) -> None:
    gradients = []
    for record in (False, True):
        model = make(torch.float64, **options).train()
        logits = model(ids(), record=record).logits
        F.cross_entropy(logits[:, :-1].flatten(0, 1), ids()[:, 1:].flatten()).backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients[0].values())
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-12, rtol=0)


def test_a_small_text_is_learned() -> None:
    torch.manual_seed(0)
    model = Transformer(ModelConfig(dim=32), 50)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    text = ids(20, 1)
    losses: list[float] = []
    for _ in range(40):
        loss = F.cross_entropy(model(text[:, :-1]).logits[0], text[0, 1:])
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(losses[0] - torch.tensor(50.0).log().item()) < 0.1  # an untrained model knows nothing
    assert losses[-1] < 0.05


def test_dropout_acts_in_training_alone_and_everywhere() -> None:
    model = make(dropout=0.5)
    torch.testing.assert_close(model(ids()).logits, make()(ids()).logits)
    model.train()
    assert not torch.equal(model(ids()).logits, model(ids()).logits)
    seen: list[float] = []
    original = F.dropout

    def count(x: torch.Tensor, p: float = 0.5, *args: Any, **more: Any) -> torch.Tensor:
        seen.append(p)
        return original(x, p, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "dropout", count)
        model(ids(), record=True)
    assert seen == [0.5] * 7  # the embedding; in each layer the weights, attention's and the feed-forward's output


def test_autocast_gives_finite_gradients() -> None:
    model = make(qk_norm=True).train()
    exact = model(ids()).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(ids()).logits
        loss = logits.float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert (logits.float() - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("options", OPTIONS)
def test_a_bfloat16_model_runs(options: dict[str, Any]) -> None:
    exact = make(**options)(ids()).logits
    logits = make(torch.bfloat16, **options)(ids(), record=True).logits
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - exact).abs().max() < 0.1 * exact.abs().max()


def test_state_is_parameters_alone_and_loads_strictly() -> None:
    model, other = make(), Transformer(make().config, 50).eval()
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(ids()).logits, other(ids()).logits)


def test_the_dict_names_what_the_options_offer() -> None:
    assert {*MECHANISMS, "none"} == set(get_args(get_type_hints(ModelConfig)["attention"]))
    assert MECHANISMS["scaled_dot"] is scaled_dot


COMPILE = """
import torch
from attn_widgets.config import ModelConfig
from attn_widgets.models import Transformer
torch.manual_seed(0)
model = Transformer(ModelConfig(layers=1, dim=16, kv_heads=2, qk_norm=True), 20)
ids = torch.randint(20, (2, 9))
compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
loss = compiled(ids).logits.square().sum()
torch.testing.assert_close(loss, model(ids).logits.square().sum())
loss.backward()
"""


@pytest.mark.slow
def test_compile_traces_the_model_whole() -> None:
    # A process of its own: run-time checks of shapes cannot be traced.
    subprocess.run([sys.executable, "-W", "ignore", "-c", COMPILE], check=True, timeout=300)
