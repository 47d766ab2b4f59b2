"""Muon against torch.optim.Muon and the singular values; AdamW against torch.optim.AdamW."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from attn_widgets.training.optimizers import ITERATIONS, QUINTIC, Groups, make_optimizer, orthogonalise, set_rates
from tests.small_runs import small_config, small_model

SHAPES = [(8, 8), (24, 24), (24, 8), (8, 32), (32, 8), (5, 9)]


def by_singular_values(matrix: Tensor) -> Tensor:
    """The iteration as a scalar function of every singular value."""
    u, s, v = torch.linalg.svd(matrix.double() / matrix.double().norm(), full_matrices=False)
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        s = a * s + b * s**3 + c * s**5
    return u @ torch.diag(s) @ v


def step_both(
    ours: torch.optim.Optimizer, theirs: torch.optim.Optimizer, pairs: list[tuple[nn.Parameter, nn.Parameter]]
) -> None:
    for own, other in pairs:
        own.grad = torch.randn_like(own)
        other.grad = own.grad.clone()
    ours.step()
    theirs.step()


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8, 12), (4, 8, 32), (1, 16, 64)])
def test_the_iteration_is_a_polynomial_in_each_singular_value(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    expected = torch.stack([by_singular_values(m) for m in matrices])
    torch.testing.assert_close(orthogonalise(matrices).double(), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("shape", [(2, 16, 16), (2, 16, 64)])
def test_singular_values_end_near_one(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
    # A random square matrix has singular values near zero, which five iterations cannot lift all the way.
    assert values.max() < 1.25
    assert values.quantile(0.2) > 0.6


def test_a_matrix_of_low_rank_stays_bounded() -> None:
    torch.manual_seed(2)
    flat = torch.randn(1, 16, 2) @ torch.randn(1, 2, 64)
    values = torch.linalg.svdvals(orthogonalise(flat))[0]
    assert ((values[:2] > 0.6) & (values[:2] < 1.25)).all()
    assert (values[2:] < 1e-2).all()
    assert torch.equal(orthogonalise(torch.zeros(1, 4, 4)), torch.zeros(1, 4, 4))


def test_muon_follows_torchs_within_its_bfloat16() -> None:
    torch.manual_seed(3)
    pairs = [(nn.Parameter(torch.randn(shape)), nn.Parameter(torch.empty(shape))) for shape in SHAPES]
    for own, other in pairs:
        other.data.copy_(own.data)
    ours = Groups([{"params": [own for own, _ in pairs], "method": "muon", "lr": 0.1, "weight_decay": 0.1}])
    theirs = torch.optim.Muon([other for _, other in pairs], lr=0.1, weight_decay=0.1, momentum=0.95)
    for _ in range(5):
        step_both(ours, theirs, pairs)
    for own, other in pairs:
        # Five updates of size 0.1 · √max(1, rows / columns): within 3 % of them.
        update = 0.1 * max(1, own.shape[0] / own.shape[1]) ** 0.5 * min(own.shape) ** 0.5
        assert (own - other).norm() < 0.03 * 5 * update


def test_adamw_is_torchs_fused_one_bit_for_bit() -> None:
    torch.manual_seed(4)
    pairs = [(nn.Parameter(torch.randn(shape)), nn.Parameter(torch.empty(shape))) for shape in [(7, 5), (5,)]]
    for own, other in pairs:
        other.data.copy_(own.data)
    ours = Groups([{"params": [own for own, _ in pairs], "lr": 0.01, "weight_decay": 0.1}], betas=(0.8, 0.9))
    theirs = torch.optim.AdamW([o for _, o in pairs], lr=0.01, weight_decay=0.1, betas=(0.8, 0.9), fused=True)
    for factor in (1.0, 0.5, 0.1):
        for group in (*ours.param_groups, *theirs.param_groups):
            group["lr"] = 0.01 * factor
        step_both(ours, theirs, pairs)
    assert all(torch.equal(own, other) for own, other in pairs)


@pytest.mark.parametrize(("optimizer", "methods"), [("muon", ["muon", "adamw"]), ("adamw", ["adamw", "adamw"])])
def test_each_parameter_is_in_one_group(optimizer: str, methods: list[str]) -> None:
    model = small_model(tied=True, norm="layer", bias=True, positions="learned", qk_norm=True)
    made = make_optimizer(model, small_config(optimizer=optimizer, weight_decay=0.25))
    grouped = [p for group in made.param_groups for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped}) == len(list(model.parameters()))
    assert [group["method"] for group in made.param_groups] == methods
    assert [group["weight_decay"] for group in made.param_groups] == [0.25, 0.0]
    assert all(p.ndim == 2 for p in made.param_groups[0]["params"])


def test_rates_are_a_share_of_each_groups_peak() -> None:
    made = make_optimizer(small_model(), small_config(optimizer="muon", learning_rate=0.08, embedding_rate=0.004))
    set_rates(made, 0.5)
    assert [group["lr"] for group in made.param_groups] == [0.04, 0.002]


def test_parameters_without_gradient_stay() -> None:
    model = small_model()
    made = make_optimizer(model, small_config())
    before = [p.detach().clone() for p in model.parameters()]
    made.zero_grad()
    made.step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_the_state_dict_survives_a_round_trip() -> None:
    """accelerate and others load it; the next step must then be the same."""
    torch.manual_seed(6)
    models = [small_model(), small_model()]
    first, second = (make_optimizer(model, small_config()) for model in models)
    pairs = list(zip(models[0].parameters(), models[1].parameters(), strict=True))
    step_both(first, second, pairs)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    step_both(first, second, pairs)
    assert all(torch.equal(own, other) for own, other in pairs)
