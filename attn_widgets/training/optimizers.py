"""Muon for the hidden matrices with AdamW for the rest, or AdamW alone.

``torch.optim.Muon`` iterates in bfloat16, one matrix at a time, which is thirty times slower than
float32 on a processor without bfloat16 instructions. This one stacks matrices of equal shape,
iterates in the number format that training uses, and works on the small Gram matrix where a
matrix is long.
"""

from __future__ import annotations

import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from attn_widgets.config import TrainConfig

QUINTIC = (3.4445, -4.7750, 2.0315)  # steepest at zero; singular values end in about 0.7–1.2
ITERATIONS = 5
MOMENTUM = 0.95


def orthogonalise(matrices: Tensor) -> Tensor:
    """Bring all singular values near one: five quintic Newton–Schulz iterations.

    Parameters
    ----------
    matrices
        (matrix, row, column), rows at most as many as columns; each is handled on its own.

    Returns
    -------
    Tensor
        U S' Vᵀ for each U S Vᵀ, of the same shape and dtype, S' roughly in 0.7–1.2
        (Keller Jordan, "Muon", 2024: x ← a x + b (x xᵀ) x + c (x xᵀ)² x).
    """
    x: Tensor = matrices / matrices.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    if matrices.shape[-1] >= 2 * matrices.shape[-2]:
        return _by_gram(x)
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _by_gram(x: Tensor) -> Tensor:
    """Do the same iteration on x xᵀ alone: each factor is a polynomial in it, so that all commute."""
    a, b, c = QUINTIC
    gram = x @ x.mT  # (matrix, row, row)
    identity = torch.eye(gram.shape[-1], dtype=x.dtype, device=x.device)
    product = identity
    for i in range(ITERATIONS):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c) + a * identity
        product = factor @ product if i else factor
        if i < ITERATIONS - 1:
            gram = factor @ gram @ factor
    return product @ x


class Groups(Optimizer):
    """Parameter groups, each updated by the ``method`` that it names: ``muon`` or ``adamw``.

    One optimizer and not two, because a gradient scaler must see one. AdamW is torch's fused kernel,
    called as a function: the first touch of ``torch.optim.AdamW`` imports torch's compiler, which
    takes two seconds and is not used here. For the same reason two methods skip its decorator.

    Parameters
    ----------
    groups
        ``params``, ``method``, ``lr`` and ``weight_decay`` (decoupled). A matrix under Muon moves by
        lr · √max(1, rows / columns) in every singular direction.
    betas
        Decay of AdamW's moments.
    dtype
        Number format of Muon's iteration.
    stacked
        Rows of each map in a matrix that stacks several (query, key and value): each is
        orthogonalised on its own.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        betas: tuple[float, float] = (0.9, 0.95),
        dtype: torch.dtype = torch.float32,
        stacked: Mapping[nn.Parameter, tuple[int, ...]] | None = None,
    ) -> None:
        self._betas, self._dtype, self._stacked = betas, dtype, stacked or {}
        super().__init__(groups, {"method": "adamw", "lr": 1e-3, "weight_decay": 0.0})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add one more group."""
        inspect.unwrap(Optimizer.add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        inspect.unwrap(Optimizer.zero_grad)(self, set_to_none)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if group["method"] == "muon":
                self._muon(parameters, group["lr"], group["weight_decay"])
            elif parameters:
                self._adamw(parameters, group["lr"], group["weight_decay"])
        return loss

    def _adamw(self, parameters: list[Tensor], rate: float, decay: float) -> None:
        for p in parameters:
            if not self.state[p]:
                self.state[p].update(
                    step=torch.zeros((), device=p.device), exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p)
                )
        held = [self.state[p] for p in parameters]
        gradients = [p.grad for p in parameters if p.grad is not None]
        adamw(
            parameters, gradients, [h["exp_avg"] for h in held], [h["exp_avg_sq"] for h in held], [],
            [h["step"] for h in held], fused=True, amsgrad=False, beta1=self._betas[0], beta2=self._betas[1],
            lr=rate, weight_decay=decay, eps=1e-8, maximize=False,
        )  # fmt: skip

    def _muon(self, parameters: list[Tensor], rate: float, decay: float) -> None:
        nesterov = [piece for p in parameters for piece in self._maps(p, self._momentum(p))]
        maps = [piece for p in parameters for piece in self._maps(p, p)]
        for weight, update in zip(maps, self._orthogonal(nesterov), strict=True):
            if decay:
                weight.mul_(1 - rate * decay)
            weight.add_(update, alpha=-rate * math.sqrt(max(1.0, weight.shape[0] / weight.shape[1])))

    def _maps(self, parameter: Tensor, values: Tensor) -> Sequence[Tensor]:
        """Split values of a parameter's shape into the linear maps that it stacks, as views."""
        rows = self._stacked.get(cast(nn.Parameter, parameter))
        return [values] if rows is None else torch.split_with_sizes(values, rows)

    def _momentum(self, parameter: Tensor) -> Tensor:
        """Add the gradient to the running mean, and look one step ahead of it."""
        gradient = parameter.grad
        assert gradient is not None
        held = self.state[parameter]
        if "momentum" not in held:
            held["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = held["momentum"]
        momentum.lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(momentum, MOMENTUM)

    def _orthogonal(self, updates: Sequence[Tensor]) -> list[Tensor]:
        """Orthogonalise each update, equal shapes in one batch; tall ones lie down for it."""
        lying = [u.mT if u.shape[0] > u.shape[1] else u for u in updates]
        alike: defaultdict[torch.Size, list[int]] = defaultdict(list)
        for i, update in enumerate(lying):
            alike[update.shape].append(i)
        result = list(updates)
        for members in alike.values():
            done = orthogonalise(torch.stack([lying[i] for i in members]).to(self._dtype))
            for i, update in zip(members, done.to(lying[members[0]].dtype), strict=True):
                result[i] = update if lying[i] is updates[i] else update.mT
        return result


def make_optimizer(model: nn.Module, config: TrainConfig, dtype: torch.dtype = torch.float32) -> Optimizer:
    """Make the optimizer that `config` asks for.

    Parameters
    ----------
    model
        Its ``parameter_groups()`` tell hidden matrices, embeddings and gains apart, its
        ``stacked_rows()`` the maps within a matrix.
    config
        ``optimizer``, rates, betas and weight decay.
    dtype
        Number format of Muon's iteration.

    Returns
    -------
    Optimizer
        Each group holds its ``peak`` rate (see ``set_rates``).
    """
    roles: dict[str, list[nn.Parameter]] = cast(Any, model).parameter_groups()
    muon = config.optimizer == "muon"
    groups: list[dict[str, Any]] = [
        {"params": roles["matrices"], "method": config.optimizer, "lr": config.peak_rate,
         "weight_decay": config.weight_decay},
        {"params": roles["embeddings"] + roles["gains"], "method": "adamw",
         "lr": config.embedding_rate if muon else config.peak_rate},
    ]  # fmt: skip
    optimizer = Groups(groups, (config.beta1, config.beta2), dtype, cast(Any, model).stacked_rows())
    for group in optimizer.param_groups:
        group["peak"] = group["lr"]
    return optimizer


def set_rates(optimizer: Optimizer, factor: float) -> None:
    """Set every group's learning rate to `factor` times its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
