"""The number format: decided by timing where the processor has it, recorded, and kept on resume."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from attn_widgets.errors import ConfigError
from attn_widgets.training import precision
from attn_widgets.training.checkpoint import POINTERS, read_checkpoint
from attn_widgets.training.objective import NextTokenLoss
from attn_widgets.training.precision import has_bf16, time_precisions
from tests.small_runs import small_model, train

CPU = torch.device("cpu")


def ids(batch: int, context: int) -> torch.Tensor:
    return torch.zeros(batch, context, dtype=torch.int64)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the oracle is Linux's list of processor flags")
def test_the_processor_is_asked() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    assert has_bf16(CPU) == bool({"amx_bf16", "avx512_bf16"} & set(flags))


@pytest.mark.parametrize("wanted", ["no", "bf16"])
def test_a_named_format_is_kept_and_timed(wanted: precision.Precision) -> None:
    loss = NextTokenLoss(small_model())
    chosen, seconds = time_precisions(loss, [ids(3, 6), ids(3, 6)], wanted)
    assert chosen == wanted
    assert 0 < seconds < 1
    assert all(p.grad is None for p in loss.parameters())


def test_auto_takes_bf16_only_when_it_is_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the steps move: which of them costs what is the test's to say."""
    now, cost = 0.0, {"no": 0.0, "bf16": 0.0}

    def step(loss: object, tensors: object, chosen: precision.Precision) -> None:
        nonlocal now
        now += cost[chosen]

    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    monkeypatch.setattr(precision, "_one_step", step)
    monkeypatch.setattr(precision.time, "perf_counter", lambda: now)
    loss = NextTokenLoss(small_model())
    for plain, half, expected in [(0.01, 0.007, "bf16"), (0.01, 0.009, "no"), (0.01, 0.3, "no"), (0.2, 0.1, "bf16")]:
        cost["no"], cost["bf16"] = plain, half
        chosen, seconds = time_precisions(loss, [ids(3, 6), ids(3, 6)], "auto")
        assert chosen == expected
        assert seconds == pytest.approx(cost[chosen] / 18)


def test_a_large_model_is_timed_on_a_part() -> None:
    shapes: list[torch.Size] = []
    model = small_model(dim=64, context=256, layers=2)
    model.register_forward_pre_hook(lambda module, arguments: shapes.append(arguments[0].shape))
    full = 6 * model.num_parameters() * 256 * 300
    assert full > precision.WORK
    time_precisions(NextTokenLoss(model), [ids(300, 256), ids(300, 256)], "no")
    assert all(6 * model.num_parameters() * shape.numel() <= precision.WORK for shape in shapes)
    assert shapes[0][1] == 256


def test_auto_is_recorded_and_kept_on_resume(tmp_path: Path) -> None:
    train(tmp_path, mixed_precision="auto")
    recorded = read_checkpoint(tmp_path).state["precision"]
    assert recorded in (("no", "bf16") if has_bf16(CPU) else ("no",))
    train(tmp_path / "half", mixed_precision="bf16", steps=4)
    assert (tmp_path / "half" / POINTERS).exists()
    resumed = train(tmp_path / "half", mixed_precision="auto", steps=6, resume=True)
    assert read_checkpoint(tmp_path / "half").state["precision"] == "bf16"
    assert resumed.train[-1].step == 6


def test_fp16_without_a_gpu_is_refused(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        assert train(tmp_path, mixed_precision="fp16").train
        return
    with pytest.raises(ConfigError, match="--mixed-precision fp16 needs a GPU"):
        train(tmp_path, mixed_precision="fp16")
    assert not (tmp_path / POINTERS).exists()
