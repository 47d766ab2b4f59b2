"""The course of a run: what happens between its steps, from the first report to the last.

Knows no corpus, no panel and no magic: it reports through a plain callback.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from attn_widgets.config import TrainConfig
from attn_widgets.errors import TrainingError, TrainingInterrupted
from attn_widgets.history import History, Phase, Point, Progress, Validation
from attn_widgets.text.batches import Data
from attn_widgets.training.checkpoint import Checkpoint, find_checkpoint, pointers, write_checkpoint
from attn_widgets.training.interrupt import Interrupt
from attn_widgets.training.loop import Stepper, borrowed_process
from attn_widgets.training.objective import is_finite
from attn_widgets.training.pace import Pace
from attn_widgets.training.reporting import Reporter
from attn_widgets.training.schedule import is_due, moment_steps, rate_factor, share_done

Report = Callable[[Progress], None]
OnMoment = Callable[[int, nn.Module], None]


def fit(
    model: nn.Module,
    data: Data,
    config: TrainConfig,
    *,
    folder: Path,
    report: Report,
    on_moment: OnMoment | None = None,
    floor: float | None = None,
    resume: bool = False,
    teacher: nn.Module | None = None,
) -> History:
    """Train `model` in place; its checkpoints are in `folder` (see ``checkpoint``).

    The caller holds ``RunLock(folder)``. Under ``accelerate launch`` every process calls this, with
    micro-batches of its own; the first one writes and reports. Torch's global random state and
    number of threads are as before when this returns.

    Parameters
    ----------
    model
        A language model with ``config.context`` and ``parameter_groups()``. Afterwards it holds
        the last weights (``load_weights`` gives the best) and is in ``eval`` mode.
    data
        What to train on and what to score.
    config
        ``steps`` and ``minutes`` are totals: on resume, what was done before counts. Where
        ``mixed_precision`` is ``auto``, a timing decides once; name a format for a history that
        is the same on a machine where both are about as fast.
    folder
        Of the run.
    report
        Called with the start, at most 8 times a second, and with the end.
    on_moment
        Called with the step and the model, in ``eval`` mode, at ``moment_steps``. Moments before
        the step that is resumed are not repeated.
    floor
        Passed on to reports.
    resume
        Whether to go on from the last checkpoint, if there is one.
    teacher
        Model to imitate (knowledge distillation; see ``objective.Teacher``): it takes the same inputs and
        has the same tokens.

    Raises
    ------
    TrainingError
        When loss or gradient is not finite; the step is not taken.
    TrainingInterrupted
        On SIGINT; the last checkpoint holds everything up to that step.
    RunError
        When the checkpoint does not fit, is damaged, or is in the way.
    ConfigError
        When the machine lacks the number format.
    """
    with Interrupt(lambda: _at_once(folder)) as interrupt, borrowed_process() as note:
        saved = find_checkpoint(folder, config, resume)
        stepper = Stepper(model, data, config, saved, teacher)
        show = report if stepper.rank == 0 else _silent
        course = _Course(stepper, data, config, folder, saved, Reporter(show), interrupt, on_moment, floor)
        try:
            return course.run(_notes(stepper, data, note))
        finally:
            stepper.close()


def _silent(progress: Progress) -> None:
    """Show nothing."""


def _at_once(folder: Path) -> str:
    """Tell the person who would not wait what is on disk."""
    last = pointers(folder).get("last", "")
    if not last:
        return f"interrupted at once, before the first checkpoint of run {folder.name!r}"
    return (
        f"interrupted at once: run {folder.name!r} is kept as it was after step {int(last.split('-')[1])}; "
        "attn_widgets.last_run() returns it, --resume goes on"
    )


def _notes(stepper: Stepper, data: Data, threads: str) -> str:
    """One line on what was chosen for the person."""
    formats = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}
    notes = [stepper.device.type if stepper.world == 1 else f"{stepper.world} processes on {stepper.device.type}"]
    count = torch.get_num_threads()
    notes += ["1 thread" if count == 1 else f"{count} threads", threads, formats[stepper.timing.precision]]
    if data.validation_note:
        notes.append(data.validation_note)
    return "; ".join(notes)


class _Course:
    """One run, from where it starts to where it stops."""

    def __init__(
        self, stepper: Stepper, data: Data, config: TrainConfig, folder: Path, saved: Checkpoint | None,
        reporter: Reporter, interrupt: Interrupt, on_moment: OnMoment | None, floor: float | None,
    ) -> None:  # fmt: skip
        self.stepper, self.data, self.config, self.folder = stepper, data, config, folder
        self.reporter, self.interrupt, self.on_moment, self.floor = reporter, interrupt, on_moment, floor
        state: dict[str, Any] = saved.state if saved else {"step": 0, "seconds": 0.0, "history": asdict(History())}
        self.step = self.first_step = int(state["step"])
        self.history = History.from_dict(state["history"])
        self.saved = self._position() if saved else None
        self.seconds = self.seconds_before = float(state["seconds"])
        cost = stepper.timing.token_seconds
        self.pace = Pace(
            config, self.seconds, stepper.tokens_per_step,
            cost * stepper.tokens_per_step / stepper.world, cost * data.validation_count / 3 / stepper.world,
        )  # fmt: skip
        self.agreed_to_stop = False
        self.moments = self._plan_moments()
        self.last_moment = self.first_step if saved else -1

    def run(self, note: str) -> History:
        """Take the steps, and do what is due between them."""
        self._tell("start", note, always=True)
        self._moment()
        while True:
            if self._validation_is_due():
                self._validate()
            if self._checkpoint_is_due():
                self._save()
            if self._is_wanted():
                raise self._interrupted()
            if self._is_over():
                break
            self._take_step()
        self._moment(ends=True)
        self._tell("stopped" if self._has_lost_patience() else "done", always=True)
        if self._is_wanted():  # too late to cut anything short, but Run All must still stop
            raise self._interrupted()
        return self.history

    def _take_step(self) -> None:
        begin = time.perf_counter()
        share = self._share()
        gradients = self.stepper.gradients(self.step, self._is_wanted, self.pace.seconds)
        if gradients is None:
            return
        # A gradient scaler skips the steps in which float16 overflows, and learns from them.
        if not math.isfinite(gradients.loss) or not (math.isfinite(gradients.norm) or self.stepper.scaler is not None):
            raise self._diverged("loss" if not math.isfinite(gradients.loss) else "gradient")
        self.stepper.apply(rate_factor(self.step, share, warmup=self.config.warmup, decay=self.config.decay))
        self.seconds_before, self.seconds, self.agreed_to_stop = self.seconds, gradients.seconds, gradients.stop
        self.step += 1
        self.history.train.append(Point(self.step, gradients.loss))
        self.pace.add_step(time.perf_counter() - begin)
        self._moment()
        self._tell("step")

    def _share(self) -> float:
        return share_done(self.config, self.step, self.seconds)

    def _is_over(self) -> bool:
        return self._share() >= 1.0 or self._has_lost_patience()

    def _has_lost_patience(self) -> bool:
        return 0 < self.config.patience <= self.history.since_best

    def _is_wanted(self) -> bool:
        """Whether to stop: one process asks its own flag, several stop at the same step."""
        return self.interrupt.wanted if self.stepper.world == 1 else self.agreed_to_stop

    def _position(self) -> tuple[int, int]:
        return self.step, len(self.history.validation)

    def _is_validated(self) -> bool:
        return bool(self.history.validation) and self.history.validation[-1].step == self.step

    def _is_due(self, every: int | None) -> bool:
        before = share_done(self.config, self.step - 1, self.seconds_before)
        return self._share() >= 1.0 or is_due(self.step, every, before, self._share())

    def _validation_is_due(self) -> bool:
        return self.step > 0 and not self._is_validated() and self._is_due(self.config.validate_every)

    def _checkpoint_is_due(self) -> bool:
        if self.saved == self._position():
            return False
        every = self.config.checkpoint_every
        return (
            self.step == 0 or self._is_over() or self._is_best()
            or (self._is_validated() if every is None else self._is_due(every))
        )  # fmt: skip

    def _is_best(self) -> bool:
        best = self.history.best
        return best is not None and best.step == self.step

    def _validate(self) -> None:
        begin = time.perf_counter()
        scored = self.stepper.score(self._is_wanted)
        if scored is None:
            return
        nats, count = scored
        self.history.validation.append(Validation(self.step, nats / count, nats / self.data.validation_characters))
        self.pace.add_validation(time.perf_counter() - begin)
        self._tell("validate")

    def _save(self) -> None:
        if self.stepper.rank == 0:
            state = self._state()
            write_checkpoint(self.folder, self.stepper.model, self.stepper.optimizer, state, best=self._is_best())
        self.saved = self._position()

    def _state(self) -> dict[str, Any]:
        scaler = self.stepper.scaler
        return {
            "step": self.step, "seconds": self.pace.seconds(), "history": self.history.to_dict(),
            "precision": self.stepper.timing.precision, "optimizer": self.config.optimizer,
            "scaler": None if scaler is None else scaler.state_dict(),
        }  # fmt: skip

    def _interrupted(self) -> TrainingInterrupted:
        if self.saved != self._position():
            self._save()
        line = (
            f"interrupted: run {self.folder.name!r} is kept as it was after step {self.step} of "
            f"{self.pace.planned(self.step)}; attn_widgets.last_run() returns it, --resume goes on"
        )
        self._tell("interrupted", line, always=True)
        return TrainingInterrupted(line)

    def _diverged(self, what: str) -> TrainingError:
        """Keep the state before the bad step, unless that is already past saving."""
        if self.saved != self._position() and is_finite(self.stepper.model):
            self._save()
        kept = self.saved[0] if self.saved else 0
        also = f" and --embedding-rate {self.config.embedding_rate / 10:g}" if self.config.optimizer == "muon" else ""
        line = (
            f"the {what} is not finite in step {self.step + 1}; the step was not taken, and run {self.folder.name!r} "
            f"is kept as it was after step {kept}; try --learning-rate {self.config.peak_rate / 10:g}{also}"
        )
        self._tell("stopped", line, always=True)
        return TrainingError(line)

    def _plan_moments(self) -> set[int]:
        """Choose the steps of all moments but the last, which is wherever the run ends."""
        return set(moment_steps(self.pace.planned(self.step), self.config.moments)[:-1])

    def _moment(self, *, ends: bool = False) -> None:
        due = self.step > self.last_moment and (self.step in self.moments or (ends and self.config.moments > 0))
        if self.on_moment is None or self.stepper.rank or not due:
            return
        self.last_moment = self.step
        self.stepper.model.eval()
        with torch.random.fork_rng(devices=[]):
            self.on_moment(self.step, self.stepper.model)
        self.stepper.model.train()

    def _tell(self, phase: Phase, note: str = "", *, always: bool = False) -> None:
        self.reporter.offer(lambda: self._progress(phase, note), always=always)

    def _progress(self, phase: Phase, note: str) -> Progress:
        return Progress(
            phase, self.step, self.pace.planned(self.step), self.pace.tokens_per_second, self.pace.seconds(),
            0.0 if phase in ("done", "interrupted", "stopped") else self.pace.seconds_left(self.step),
            self.history.train[-1].loss if self.history.train else None,
            self.history.validation[-1] if self.history.validation else None, self.history.best, self.floor, note,
        )  # fmt: skip
