"""Training against a plain loop on torch's own parts; the same history however it is interrupted."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_widgets.errors import RunError, TrainingError, TrainingInterrupted
from attn_widgets.history import History, Progress
from attn_widgets.text.batches import sample
from attn_widgets.training import fit, load_weights
from attn_widgets.training.checkpoint import pointers, read_checkpoint
from tests.small_runs import small_config, small_model, small_tokens, train


def plain_loop(steps: int, accumulate: int, clip: float) -> tuple[list[float], nn.Module]:
    """AdamW, clipping and schedule written out on torch's own parts."""
    model, tokens = small_model(), small_tokens()
    matrices = [p for name, p in model.named_parameters() if name.startswith("blocks") and p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], betas=(0.9, 0.95)
    )
    losses = []
    for step in range(steps):
        rate = 0.01 * min(1, (step + 1) / 2, (1 - step / steps) / 0.4)
        for group in optimizer.param_groups:
            group["lr"] = rate
        drawn = [sample(tokens.train, 6, 3, 0, step, micro) for micro in range(accumulate)]
        inputs, targets = (torch.cat([torch.from_numpy(d[i]) for d in drawn]) for i in range(2))
        loss = F.cross_entropy(model(inputs).logits.transpose(1, 2), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return losses, model


@pytest.mark.parametrize("accumulate", [1, 3])
def test_losses_and_weights_are_those_of_a_plain_loop(tmp_path: Path, accumulate: int) -> None:
    """Accumulated micro-batches are one large batch."""
    model = small_model()
    options = {"learning_rate": 0.01, "weight_decay": 0.1, "clip": 0.5, "steps": 8}
    history = train(tmp_path, model, optimizer="adamw", accumulate=accumulate, **options)
    losses, expected = plain_loop(8, accumulate, 0.5)
    assert [p.step for p in history.train] == list(range(1, 9))
    assert [p.loss for p in history.train] == pytest.approx(losses, abs=2e-5)
    for own, other in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(own, other, atol=2e-5, rtol=0)


def test_validation_covers_the_whole_split(tmp_path: Path) -> None:
    model, tokens = small_model(), small_tokens()
    history = train(tmp_path, model)
    ids = torch.from_numpy(tokens.validation.astype("int64"))
    nats = 0.0
    with torch.no_grad():
        for start in range(0, len(ids) - 1, 6):
            stop = min(start + 6, len(ids) - 1)
            logits = model(ids[None, start:stop]).logits[0]
            nats += F.cross_entropy(logits, ids[start + 1 : stop + 1], reduction="sum").item()
    newest = history.validation[-1]
    assert [v.step for v in history.validation] == [2, 4, 6]
    assert newest.loss == pytest.approx(nats / (len(ids) - 1), rel=1e-6)
    assert newest.nats_per_character == pytest.approx(nats / tokens.validation_characters, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_it_learns(tmp_path: Path, optimizer: str) -> None:
    options = {"learning_rate": 0.03, "embedding_rate": 0.03, "validate_every": None}
    history = train(tmp_path, steps=60, batch=16, optimizer=optimizer, **options)
    # From the last token alone, steps of 0, 1, 2 have the odds 1 : 2 : 1: 1.04 nats. The start is log 11 = 2.4.
    assert history.validation[-1].loss < 1.3
    assert len(history.validation) == 10


OPTIONS: list[dict[str, Any]] = [
    {"optimizer": "muon", "accumulate": 1, "dropout": 0.0},
    {"optimizer": "muon", "accumulate": 3, "dropout": 0.2},
    {"optimizer": "adamw", "accumulate": 3, "dropout": 0.2, "steps": 4, "validate_every": 3, "checkpoint_every": 1},
    {"optimizer": "muon", "accumulate": 2, "dropout": 0.1, "patience": 1, "learning_rate": 3.0, "embedding_rate": 1.0},
]


def interrupted_at(passes: int, folder: Path, options: dict[str, Any]) -> History | None:
    """Train, with a real SIGINT in the middle of the given forward pass; None if it never came to it."""
    options = dict(options)
    model = small_model(dropout=options.pop("dropout"))
    left = passes

    def count(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGINT)

    model.register_forward_pre_hook(count)
    try:
        return train(folder, model, **options)
    except TrainingInterrupted:
        return None


@pytest.mark.parametrize("options", OPTIONS)
def test_interrupted_anywhere_and_resumed_the_history_is_that_of_an_unbroken_run(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """In every micro-batch and every validation, bit for bit, weights and all."""
    unbroken = interrupted_at(0, tmp_path / "unbroken", options)
    assert unbroken == interrupted_at(0, tmp_path / "twice", options) is not None
    last = load_weights(tmp_path / "unbroken", "last")
    passes = 1  # the first few passes time the number format
    while (whole := interrupted_at(passes, tmp_path / f"{passes}", options)) is None:
        rest = dict(options)
        resumed = train(tmp_path / f"{passes}", small_model(dropout=rest.pop("dropout")), resume=True, **rest)
        assert resumed == unbroken, passes
        weights = load_weights(tmp_path / f"{passes}", "last")
        assert all(torch.equal(weights[name], last[name]) for name in last), passes
        passes += 1
    assert whole == unbroken
    assert passes > 6


def test_a_finished_run_resumes_to_itself_and_more_steps_go_on(tmp_path: Path) -> None:
    history = train(tmp_path)
    assert train(tmp_path, resume=True) == history
    longer = train(tmp_path, resume=True, steps=9)
    assert longer.train[:6] == history.train
    assert [p.step for p in longer.train] == list(range(1, 10))
    # The schedule is that of the new total: the same as a run of nine steps whose first six had other rates.
    assert [v.step for v in longer.validation] == [2, 4, 6, 8, 9]


def test_a_resume_without_a_checkpoint_begins(tmp_path: Path) -> None:
    assert train(tmp_path / "a", resume=True) == train(tmp_path / "b")


def test_runs_in_the_way_and_other_optimizers_are_refused(tmp_path: Path) -> None:
    train(tmp_path / "mine", optimizer="adamw")
    with pytest.raises(RunError, match="'mine' holds checkpoints already; give --resume, --overwrite"):
        train(tmp_path / "mine", optimizer="adamw")
    with pytest.raises(RunError, match="--optimizer muon cannot go on where adamw stopped"):
        train(tmp_path / "mine", resume=True, optimizer="muon")
    with pytest.raises(RunError, match="does not fit the model"):
        train(tmp_path / "mine", small_model(dim=16), resume=True, optimizer="adamw")


def test_early_stopping_keeps_the_best(tmp_path: Path) -> None:
    reports: list[Progress] = []
    model = small_model()
    config = small_config(steps=200, patience=2, learning_rate=2.0, embedding_rate=2.0, validate_every=1)
    history = fit(model, small_tokens(), config, folder=tmp_path, report=reports.append)
    best = history.best
    assert best is not None
    assert len(history.train) < 200
    assert len(history.validation) - 1 - history.validation.index(best) == 2
    assert reports[-1].phase == "stopped"
    assert pointers(tmp_path) == {"last": f"step-{len(history.train):06d}", "best": f"step-{best.step:06d}"}
    assert read_checkpoint(tmp_path, "best").state["history"]["validation"][-1]["loss"] == best.loss


@pytest.mark.parametrize("poison", ["weight", "gradient"])
def test_what_is_not_finite_stops_before_the_step(tmp_path: Path, poison: str) -> None:
    model = small_model()
    reports: list[Progress] = []

    def spoil(step: int, model: nn.Module) -> None:
        weight = model.get_parameter("blocks.0.mlp.up.weight")
        if step == 3 and poison == "weight":
            weight.data[0, 0] = float("nan")
        elif step == 3:
            weight.register_hook(lambda gradient: gradient * float("inf"))

    config = small_config(steps=3**6, validate_every=1000, moments=8)  # moments at powers of three
    with pytest.raises(TrainingError) as caught:
        fit(model, small_tokens(), config, folder=tmp_path, report=reports.append, on_moment=spoil)
    what, kept = ("loss", 0) if poison == "weight" else ("gradient", 3)
    assert f"the {what} is not finite in step 4" in str(caught.value)
    assert f"as it was after step {kept}; try --learning-rate 0.002 and --embedding-rate 0.001" in str(caught.value)
    assert reports[-1].phase == "stopped"
    saved = read_checkpoint(tmp_path)
    assert saved.state["step"] == kept
    assert all(bool(torch.isfinite(w).all()) for w in saved.weights.values())
    if poison == "gradient":
        assert all(torch.equal(saved.weights[name], p) for name, p in model.named_parameters())


def test_a_run_that_diverges_keeps_its_best(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not finite in step \d+; .*try --learning-rate 1e\+29$"):
        train(tmp_path, optimizer="adamw", learning_rate=1e30, warmup=0, validate_every=1)
    assert all(bool(torch.isfinite(w).all()) for w in load_weights(tmp_path, "best").values())
