"""The recurrent language model in training: its parameters, their first values and gradients, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.models.recurrent import Recurrent
from attn_widgets.training.optimizers import make_optimizer
from tests.small_recurrent import OPTIONS, VOCAB, ids, make


@pytest.mark.parametrize("options", OPTIONS)
def test_parameters_by_role(options: dict[str, Any]) -> None:
    model = make(**options)
    groups = model.parameter_groups()
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    # Input and recurrent map of each layer; query, key and value, output and combining map.
    assert len(groups["matrices"]) == 2 * model.config.layers + 4 * (model.attention is not None)
    assert all(parameter.ndim == 2 and VOCAB not in parameter.shape for parameter in groups["matrices"])
    assert len(groups["embeddings"]) == 2 - model.config.tied
    stacks = model.stacked_rows()
    assert len(stacks) == 2 * model.config.layers + (model.attention is not None)
    for parameter, rows in stacks.items():
        assert sum(rows) == len(parameter)
        assert any(parameter is matrix for matrix in groups["matrices"])
    gates = 4 if model.config.cell == "lstm" else 3
    assert sum(rows == (16,) * gates for rows in stacks.values()) == 2 * model.config.layers


def test_number_of_parameters() -> None:
    # Two layers of three gates with two maps and two biases each; head and embedding.
    assert make(attention="none").num_parameters() == 2 * 3 * (2 * 16**2 + 2 * 16) + 2 * VOCAB * 16
    # Query, key, value and output map, and one from both to one.
    assert make().num_parameters() == make(attention="none").num_parameters() + 6 * 16**2
    assert make(tied=True).num_parameters() == make().num_parameters() - VOCAB * 16


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_it_begins_with_orthogonal_recurrent_maps_and_knows_nothing(cell: Any) -> None:
    torch.manual_seed(0)
    model = Recurrent(ModelConfig(model="recurrent", cell=cell, dim=32), 50)
    for name, parameter in model.recurrence.cells.named_parameters():
        if "weight_hh" in name:
            for gate in parameter.split(32):
                torch.testing.assert_close(gate @ gate.T, torch.eye(32), atol=1e-5, rtol=0)
        if "bias" in name:
            forget = cell == "lstm" and "bias_ih" in name
            assert parameter.detach().split(32)[1].unique().tolist() == [float(forget)]
    loss = F.cross_entropy(model(ids(64)).logits.flatten(0, 1), ids(64).flatten())
    assert abs(loss.item() - torch.tensor(50.0).log().item()) < 0.1


@pytest.mark.parametrize("options", OPTIONS)
def test_every_parameter_gets_a_gradient_and_both_paths_give_the_same(options: dict[str, Any]) -> None:
    gradients = []
    for record in (False, True):
        model = make(torch.float64, **options).train()
        logits = model(ids(), record=record).logits
        F.cross_entropy(logits[:, :-1].flatten(0, 1), ids()[:, 1:].flatten()).backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients[0].values())
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-11, rtol=0)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_autocast_and_bfloat16(cell: Any) -> None:
    model = make(cell=cell, dropout=0.0).train()
    exact = model(ids()).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(ids()).logits
        logits.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert (logits.float() - exact).abs().max() < 0.05 * exact.abs().max()
    half = make(torch.bfloat16, cell=cell)
    with torch.no_grad():
        logits = half(ids(), cache=half.new_cache(2)).logits
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - make(cell=cell)(ids(), window=8).logits).abs().max() < 0.1 * exact.abs().max()


def test_dropout_acts_in_training_alone_and_everywhere() -> None:
    model = make(dropout=0.5)
    torch.testing.assert_close(model(ids()).logits, make()(ids()).logits)
    model.train()
    seen: list[float] = []
    original = F.dropout

    def count(x: Tensor, p: float = 0.5, *args: Any, **more: Any) -> Tensor:
        seen.append(p)
        return original(x, p, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "dropout", count)
        assert not torch.equal(model(ids(), record=True).logits, model(ids(), record=True).logits)
    assert seen == [0.5] * 8  # twice: the embedding, the states, the weights, what predicts
    assert model.recurrence.cells.dropout == 0.5  # between the layers


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("options", [{}, {"attention": "none", "cell": "lstm"}])
def test_a_small_text_is_learned(options: dict[str, Any], optimizer: Any) -> None:
    torch.manual_seed(0)
    model = Recurrent(ModelConfig(**{"model": "recurrent", "layers": 1, "dim": 32, **options}), VOCAB)
    steps = make_optimizer(model, TrainConfig(optimizer=optimizer, learning_rate=0.02))
    text, losses = ids(20, 1), []
    for _ in range(80):
        loss = F.cross_entropy(model(text[:, :-1]).logits[0], text[0, 1:])
        losses.append(loss.item())
        steps.zero_grad()
        loss.backward()
        steps.step()
    assert losses[-1] < 0.1 < 2.5 < losses[0]


def test_state_is_parameters_alone_and_loads_strictly() -> None:
    model = make(attention="additive")
    other = Recurrent(model.config, VOCAB).eval()
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(ids()).logits, other(ids()).logits)
