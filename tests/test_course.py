"""What a run tells, when it shows itself, and what it leaves as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from attn_widgets.history import Progress
from attn_widgets.training import fit
from attn_widgets.training.checkpoint import read_checkpoint
from attn_widgets.training.reporting import Reporter
from tests.small_runs import silent, small_config, small_model, small_tokens, train


def test_reports_begin_with_the_start_and_end_with_the_end(tmp_path: Path) -> None:
    reports: list[Progress] = []
    fit(small_model(), small_tokens(), small_config(), folder=tmp_path, report=reports.append, floor=0.693)
    first, last = reports[0], reports[-1]
    assert (first.phase, first.step, first.steps, first.train_loss) == ("start", 0, 6, None)
    assert first.seconds_left > 0
    assert first.tokens_per_second > 0
    assert first.note.startswith("cpu; 1 thread; ")
    assert first.note.endswith("float32")
    assert (last.phase, last.step, last.seconds_left, last.floor) == ("done", 6, 0.0, 0.693)
    assert last.validation is not None
    assert last.validation.step == 6
    assert last.best is not None


def test_a_capped_validation_is_told(tmp_path: Path) -> None:
    reports: list[Progress] = []
    tokens = small_tokens()
    capped = type(tokens)(tokens.train, tokens.validation, tokens.validation_characters, True)
    fit(small_model(), capped, small_config(steps=1), folder=tmp_path, report=reports.append)
    assert reports[0].note.endswith("validation on the first 70 tokens (--validation-tokens)")


@pytest.mark.parametrize("cost", [0.0, 0.001, 0.02, 1.0])
def test_reports_are_rare_enough(cost: float) -> None:
    """Steps of 7 ms for a minute, on a clock that only moves when told."""
    now, calls, spent = 0.0, [], 0.0

    def show(progress: Progress) -> None:
        nonlocal now, spent
        calls.append(now)
        now += cost
        spent += cost

    reporter = Reporter(show, clock=lambda: now)
    while now < 60:
        reporter.offer(lambda: Progress("step", 0, 0))
        now += 0.007
    assert spent <= 0.03 * now + cost
    assert max(sum(1 for t in calls if begin <= t < begin + 1) for begin in calls) <= 9
    assert len(calls) > 400 * (cost < 0.003)
    before = len(calls)
    reporter.offer(lambda: Progress("done", 0, 0), always=True)
    assert len(calls) == before + 1


def test_moments_show_the_model_and_never_disturb(tmp_path: Path) -> None:
    seen: list[tuple[int, bool]] = []

    def look(step: int, model: nn.Module) -> None:
        torch.manual_seed(step)  # whatever a recorder does to the random state
        seen.append((step, model.training))

    options: dict[str, Any] = {"steps": 27, "validate_every": 20}
    config = small_config(moments=5, **options)
    model = small_model(dropout=0.3)
    watched = fit(model, small_tokens(), config, folder=tmp_path / "a", report=silent, on_moment=look)
    assert watched == train(tmp_path / "b", small_model(dropout=0.3), **options)
    assert seen == [(step, False) for step in (0, 1, 3, 9, 27)]
    assert not model.training


def test_moments_before_the_resumed_step_are_not_repeated(tmp_path: Path) -> None:
    steps: list[int] = []
    for total in (9, 27):
        config = small_config(steps=total, moments=5)
        tokens = small_tokens()
        fit(
            small_model(), tokens, config, folder=tmp_path, report=silent, resume=True,
            on_moment=lambda step, model: steps.append(step),
        )  # fmt: skip
    assert steps == [0, 1, 2, 4, 9, 27]


def test_minutes_are_kept_and_the_rate_follows_the_clock(tmp_path: Path) -> None:
    reports: list[Progress] = []
    moments: list[int] = []
    config = small_config(minutes=0.02, validate_every=None, moments=3, steps=1)
    model = small_model()
    history = fit(
        model, small_tokens(), config, folder=tmp_path, report=reports.append,
        on_moment=lambda step, model: moments.append(step),
    )  # fmt: skip
    steps = len(history.train)
    assert steps > 1
    assert reports[0].steps > 1
    assert reports[-1].seconds >= 1.2
    assert history.validation[-1].step == steps
    assert 1 <= len(history.validation) <= 10
    assert moments in ([0, 1, steps], [0, steps])
    saved = read_checkpoint(tmp_path).state
    assert saved["seconds"] >= 1.2
    assert len(fit(model, small_tokens(), config, folder=tmp_path, report=silent, resume=True).train) == steps


def test_threads_and_random_state_are_as_before(tmp_path: Path) -> None:
    before = torch.random.get_rng_state(), torch.get_num_threads()
    train(tmp_path, small_model(dropout=0.5))
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert torch.get_num_threads() == before[1]


def test_two_formats_in_one_process(tmp_path: Path) -> None:
    """accelerate's state is global and refuses a second format unless it is reset."""
    plain = train(tmp_path / "no", mixed_precision="no")
    half = train(tmp_path / "bf16", mixed_precision="bf16")
    again = train(tmp_path / "again", mixed_precision="no")
    assert plain == again
    assert plain != half
    assert [p.loss for p in half.train] == pytest.approx([p.loss for p in plain.train], abs=0.05)
    assert read_checkpoint(tmp_path / "bf16").state["precision"] == "bf16"


def test_training_leaves_the_model_plain(tmp_path: Path) -> None:
    """Autocast wraps the loss, never the model that a person goes on to use."""
    model = small_model()
    forward = type(model).forward
    train(tmp_path, model, mixed_precision="bf16")
    assert model.forward.__func__ is forward
    assert all(p.grad is None for p in model.parameters())
    assert model(torch.zeros(1, 3, dtype=torch.int64)).logits.dtype == torch.float32


CHILD = """
import json, sys
from pathlib import Path
from typing import Any
from tests.small_runs import train
history = train(Path(sys.argv[1]))
slow = [name for name in ("torch._dynamo", "sympy", "torch.distributed.tensor", "transformers") if name in sys.modules]
print(json.dumps([slow, history.to_dict()]))
"""


def test_a_fresh_process_has_the_same_history_and_loads_no_compiler(tmp_path: Path) -> None:
    """torch's compiler takes two seconds to import, and the first report is due before."""
    command = [sys.executable, "-c", CHILD, str(tmp_path / "a")]
    slow, history = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    assert slow == []
    assert history == train(tmp_path / "b").to_dict()
