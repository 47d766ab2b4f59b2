"""A student learns from a teacher's probabilities, as torch's own divergence says, with any kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attn_widgets import api
from attn_widgets.api import state
from attn_widgets.errors import ConfigError, RunError
from attn_widgets.models.base import ModelOutput
from attn_widgets.run import Run
from attn_widgets.text.batches import IGNORED
from attn_widgets.training import fit, load_weights
from attn_widgets.training.objective import NextTokenLoss, Teacher, divergence
from tests.small_runs import VOCABULARY, silent, small_config, small_model, small_tokens
from tests.tiny import TEXT, TINY

TASK: dict[str, Any] = {**TINY, "context": 64, "validation_tokens": 300}


class Fixed(torch.nn.Module):
    """Gives the same logits whatever it reads."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, ids: torch.Tensor) -> ModelOutput:
        return ModelOutput(1.0 * self.logits)


def logits(seed: int, *shape: int) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 10.0])
def test_the_divergence_is_torchs(temperature: float) -> None:
    teacher, student = logits(0, 7, 11), logits(1, 7, 11)
    logs = F.log_softmax(teacher / temperature, -1), F.log_softmax(student / temperature, -1)
    expected = F.kl_div(logs[1], logs[0], reduction="batchmean", log_target=True)
    torch.testing.assert_close(divergence(teacher, student, temperature), expected)
    assert divergence(teacher, teacher, temperature).abs() < 1e-6


def test_by_hand_and_with_an_excluded_token() -> None:
    """Teacher (3/4, 1/4, 0), student (1/2, 1/4, 1/4): KL = 3/4 · log(3/2)."""
    teacher, student = torch.tensor([[3.0, 1.0, 0.0]]).log(), torch.tensor([[2.0, 1.0, 1.0]]).log()
    assert divergence(teacher, student, 1.0).item() == pytest.approx(0.75 * np.log(1.5), rel=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_loss_is_the_papers_and_skips_what_is_not_predicted(weight: float) -> None:
    teacher, student = Fixed(logits(2, 2, 5, 11)), Fixed(logits(3, 2, 5, 11))
    targets = torch.randint(11, (2, 5), generator=torch.Generator().manual_seed(4))
    targets[0, :3] = IGNORED
    ids = torch.zeros(2, 5, dtype=torch.int64)
    loss, told = NextTokenLoss(student, teacher=Teacher(teacher, weight, 3.0))(ids, targets)
    asked = targets != IGNORED
    hard = F.cross_entropy(student.logits[asked], targets[asked])
    soft = F.kl_div(
        F.log_softmax(student.logits[asked] / 3, -1), F.softmax(teacher.logits[asked] / 3, -1), reduction="batchmean"
    )
    torch.testing.assert_close(loss, (1 - weight) * hard + weight * 9 * soft)
    torch.testing.assert_close(told, hard)
    loss.backward()
    assert teacher.logits.grad is None
    assert student.logits.grad is not None
    assert bool(student.logits.grad[0, :3].eq(0).all())


def test_label_smoothing_changes_what_is_minimised_and_not_what_is_told() -> None:
    student, ids = Fixed(logits(5, 2, 4, 11)), torch.zeros(2, 4, dtype=torch.int64)
    loss, told = NextTokenLoss(student, 0.2)(ids, ids)
    flat = student.logits.detach().flatten(0, 1)
    torch.testing.assert_close(loss, F.cross_entropy(flat, ids.flatten(), label_smoothing=0.2))
    torch.testing.assert_close(told, F.cross_entropy(flat, ids.flatten()))
    told.backward()
    assert student.logits.grad is not None
    assert not student.logits.grad.any()


def test_a_student_of_a_teacher_alone_comes_to_say_the_same(tmp_path: Path) -> None:
    """The loss that is left is the teacher's own: its entropy, where it is right about the text."""
    tokens, teacher, student = small_tokens(), small_model(dim=16), small_model()
    fit(teacher, tokens, small_config(steps=150, validate_every=150), folder=tmp_path / "teacher", report=silent)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    ids = torch.from_numpy(np.stack([tokens.train[at : at + 6] for at in range(0, 300, 6)]).astype(np.int64))

    def distance() -> float:
        with torch.no_grad():
            wise, own = (model(ids).logits.flatten(0, 1) for model in (teacher, student))
            return divergence(wise, own, 1.0).item()

    start = distance()
    config = small_config(steps=150, validate_every=150, distill_weight=1.0, distill_temperature=1.0)
    history = fit(student, tokens, config, folder=tmp_path / "student", report=silent, teacher=teacher)
    assert distance() < 0.05 * start
    with torch.no_grad():
        own = F.log_softmax(teacher(ids).logits.flatten(0, 1), -1)
        entropy = -(own.exp() * own).sum(-1).mean().item()
    assert history.train[0].loss > 2.0
    assert np.mean([point.loss for point in history.train[-30:]]) == pytest.approx(entropy, abs=0.2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_weight_zero_is_training_without_a_teacher(tmp_path: Path) -> None:
    config, teacher = small_config(distill_weight=0.0), small_model(dim=16)
    taught = fit(small_model(), small_tokens(), config, folder=tmp_path / "a", report=silent, teacher=teacher)
    assert taught == fit(small_model(), small_tokens(), config, folder=tmp_path / "b", report=silent)


def test_a_tables_worth_of_knowledge_teaches_too() -> None:
    """An n-gram teacher excludes tokens; nothing of that becomes NaN."""
    wise = torch.full((1, 3, VOCABULARY), -torch.inf)
    wise[..., 0] = 0.0
    student = Fixed(torch.zeros(1, 3, VOCABULARY))
    ids = torch.zeros(1, 3, dtype=torch.int64)
    loss, _ = NextTokenLoss(student, teacher=Teacher(Fixed(wise), 1.0, 2.0))(ids, ids)
    assert loss.item() == pytest.approx(4 * np.log(VOCABULARY))


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_last", None)


STEADY: dict[str, Any] = {"warmup": 0, "decay": 0.0, "validate_every": 1}


def test_resuming_a_student_gives_the_history_of_an_unbroken_one() -> None:
    api.train(text=TEXT, show=False, name="wise", **{**TINY, "dim": 32, "seed": 3})
    taught = {**TINY, **STEADY, "teacher": "wise", "dropout": 0.1}
    api.train(text=TEXT, show=False, name="broken", **{**taught, "steps": 2})
    resumed = api.train(text=TEXT, show=False, name="broken", resume=True, steps=4)
    unbroken = api.train(text=TEXT, show=False, name="unbroken", **{**taught, "steps": 4})
    assert resumed.history == unbroken.history
    assert Run.load("unbroken").train_config.teacher == "wise"
    weights = load_weights(unbroken.folder, "last")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in load_weights(resumed.folder, "last").items())
    alone = api.train(text=TEXT, show=False, **{**taught, "steps": 4, "teacher": None})
    assert alone.history != unbroken.history


@pytest.mark.parametrize(
    ("teacher", "student"),
    [("seq2seq", "encoder_decoder"), ("transformer", "recurrent"), ("ngram", "transformer")],
)
def test_any_model_teaches_any_other_that_reads_the_same(teacher: str, student: str) -> None:
    options = {"context": TASK["context"]} if teacher == "ngram" else TASK
    api.train("reverse", show=False, name="wise", model=teacher, **options)
    run = api.train("reverse", show=False, model=student, teacher="wise", **TASK)
    alone = api.train("reverse", show=False, model=student, **TASK)
    assert run.history != alone.history
    assert all(np.isfinite(point.loss) for point in run.history.train)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "nobody"}, "--teacher nobody: no such run; runs in attn_runs: wise"),
        (
            {"teacher": "wise", "text": TEXT.replace("cat", "rat")},
            "--teacher wise has other tokens than this run; "
            "train both on the same text with the same --tokenizer and --vocab-size",
        ),
        ({"teacher": "wise", "context": 17}, "--context 17 is more than --teacher wise has learnt; try --context 16"),
        (
            {"teacher": "wise", "model": "ngram"},
            "--teacher wise cannot teach --model ngram, which counts; leave one out",
        ),
        (
            {"teacher": "wise", "name": "wise", "overwrite": True},
            "--teacher wise would be replaced by its own student; take another --name",
        ),
    ],
)  # fmt: skip
def test_teachers_that_cannot_be(options: dict[str, Any], message: str) -> None:
    api.train(text=TEXT, show=False, name="wise", **TINY)
    with pytest.raises((ConfigError, RunError)) as caught:
        api.train(**{"text": TEXT, "show": False, **({} if options.get("model") == "ngram" else TINY), **options})
    assert str(caught.value) == message
    assert [path.name for path in Path("attn_runs").glob("[!.]*")] == ["wise"]
    assert len(Run.load("wise").history.train) == 3


def test_a_teacher_that_learnt_on_is_another_one() -> None:
    api.train(text=TEXT, show=False, name="wise", **{**TINY, "validate_every": 1})
    api.train(text=TEXT, show=False, name="student", teacher="wise", **TINY)
    api.train(text=TEXT, show=False, name="wise", overwrite=True, **{**TINY, "seed": 9})
    with pytest.raises(RunError) as caught:
        api.train(text=TEXT, show=False, name="student", resume=True, steps=5)
    assert str(caught.value) == (
        "--teacher wise is not what it was when run 'student' began; train anew with --overwrite"
    )
