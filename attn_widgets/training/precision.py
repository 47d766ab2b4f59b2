"""Which number format trains faster here, decided once by timing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

Precision = Literal["no", "bf16", "fp16"]
BUDGET = 0.4  # seconds for the whole comparison
WORK = 4e9  # multiplications and additions in one timed step at most
WORTH = 0.8  # bf16 must take at most this share of float32's time, for it costs accuracy


class Timing(NamedTuple):
    """A number format and what a token costs in it.

    Attributes
    ----------
    precision
        ``no`` is float32.
    token_seconds
        Of the forward and backward pass.
    """

    precision: Precision
    token_seconds: float


def has_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 itself; emulated it is many times slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known = torch.cpu.get_capabilities() if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities") else {}
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))


def time_precisions(
    loss: nn.Module, tensors: Sequence[Tensor], wanted: Literal["auto", "no", "bf16", "fp16"]
) -> Timing:
    """Time training steps without taking them.

    Parameters
    ----------
    loss
        Maps `tensors` to losses, of which the first is minimised; its gradients are None afterwards.
    tensors
        A batch on the model's device, rows first; the last are targets (batch, query). A large model is timed on a
        part of them.
    wanted
        ``auto`` compares float32 with bf16 where the processor has it.
    """
    tensors = _part(loss, tensors)
    device, tokens = tensors[-1].device, tensors[-1].numel()
    candidates: list[Precision] = [wanted] if wanted != "auto" else ["no"]
    if wanted == "auto" and has_bf16(device):
        candidates.append("bf16")
    seconds = _fastest([partial(_one_step, loss, tensors, p) for p in candidates])
    chosen = len(candidates) - 1 if seconds[-1] < WORTH * seconds[0] else 0
    return Timing(candidates[chosen], seconds[chosen] / tokens)


def _part(loss: nn.Module, tensors: Sequence[Tensor]) -> list[Tensor]:
    """As many rows as keep one step well under a second; of one long text a part of the row."""
    parameters = sum(p.numel() for p in loss.parameters())
    tokens = max(16, int(WORK / (6 * parameters)))
    rows = max(1, min(tensors[-1].shape[0], tokens // tensors[-1].shape[1]))
    short = [tensor[:rows] for tensor in tensors]
    return [tensor[:, :tokens] for tensor in short] if len(tensors) == 2 else short


def _one_step(loss: nn.Module, tensors: Sequence[Tensor], precision: Precision) -> None:
    device = tensors[-1].device
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    with torch.autocast(device.type, dtype, enabled=precision != "no"):
        value: Tensor = loss(*tensors)[0]
    value.backward()  # type: ignore[no-untyped-call]
    loss.zero_grad(set_to_none=True)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _fastest(actions: list[Callable[[], None]]) -> list[float]:
    """Least time of each action, in turns, after one run of each to warm up if time allows."""
    begin = time.perf_counter()
    best = [float("inf")] * len(actions)
    for turn in range(4):
        for i, action in enumerate(actions):
            start = time.perf_counter()
            action()
            taken = time.perf_counter() - start
            best[i] = taken if turn <= 1 else min(best[i], taken)  # the first time does not count
        if time.perf_counter() - begin > BUDGET * (turn + 1) / (turn + 2):
            break
    return best
