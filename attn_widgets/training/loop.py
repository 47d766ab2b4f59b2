"""Training steps on accelerate: gradients, their agreement between processes, the update.

Everything random in a step is a function of the seed and the step (samples of the text, dropout),
so that a step can be dropped and taken again. The only file that imports accelerate.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import broadcast_object_list, parse_flag_from_env
from torch import Tensor, nn

from attn_widgets.config import TrainConfig
from attn_widgets.errors import ConfigError
from attn_widgets.text.batches import Data
from attn_widgets.threads import choose_threads
from attn_widgets.training.checkpoint import Checkpoint, restore
from attn_widgets.training.objective import SCORED_AT_ONCE, NextTokenLoss, Teacher, on_device, total_loss
from attn_widgets.training.optimizers import make_optimizer, set_rates
from attn_widgets.training.precision import Timing, time_precisions


class Gradients(NamedTuple):
    """What the processes agree on once the gradients of a step are there.

    Attributes
    ----------
    loss
        Cross-entropy of the targets, mean over all micro-batches of all processes, nats per token.
    norm
        Of the gradient, before clipping.
    stop
        Whether any process was asked to stop.
    seconds
        What the clock of the run said.
    """

    loss: float
    norm: float
    stop: bool
    seconds: float


@contextlib.contextmanager
def borrowed_process() -> Iterator[str]:
    """Set torch's threads and random state for training and put them back; yield a note on threads.

    accelerate's state is global to the process and refuses a second training with another number
    format: it is forgotten before and after.
    """
    before = torch.get_num_threads()
    threads, note = choose_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    _forget_accelerate()
    try:
        with torch.random.fork_rng():
            yield note
    finally:
        torch.set_num_threads(before)
        _forget_accelerate()


def _process() -> PartialState:
    """Join the processes of ``accelerate launch``, if it started this one.

    Without a GPU accelerate would overlook the others unless it is told, and each would train its own copy.
    """
    started = "LOCAL_RANK" in os.environ
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or (started and not torch.accelerator.is_available())
    return PartialState(cpu=bool(cpu))


def _forget_accelerate() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized() and PartialState._shared_state:
        PartialState().destroy_process_group()
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


class Stepper:
    """Takes the steps of a run, alone or with the other processes of ``accelerate launch``.

    Parameters
    ----------
    model
        Trained in place; moved to the process's device.
    data, config
        What to train on, and how.
    saved
        The checkpoint to go on from.
    teacher
        Model to imitate; it stays as it is.

    Attributes
    ----------
    optimizer
        The one that holds the state to save.
    timing
        The number format and what a token costs in it, forward and backward.
    """

    def __init__(
        self, model: nn.Module, data: Data, config: TrainConfig, saved: Checkpoint | None,
        teacher: nn.Module | None = None,
    ) -> None:  # fmt: skip
        process = _process()
        self.device = cast(torch.device, process.device)
        self.rank, self.world = process.process_index, process.num_processes
        self.model, self._data, self._config = model.to(self.device).train(), data, config
        self._context = int(cast(Any, model).config.context)
        wise = None
        if teacher is not None:
            wise = Teacher(teacher.to(self.device).eval(), config.distill_weight, config.distill_temperature)
        loss = NextTokenLoss(self.model, config.label_smoothing, wise)
        self.timing = self._decide(loss, saved)
        dtype = torch.bfloat16 if self.timing.precision == "bf16" else torch.float32
        self.optimizer = make_optimizer(model, config, dtype)
        if saved is not None:
            restore(saved, model, self.optimizer)
        self._accelerator = Accelerator(mixed_precision=self.timing.precision, cpu=self.device.type == "cpu")
        self._loss, self._optimizer = self._accelerator.prepare(loss, self.optimizer, device_placement=[True, False])
        self._parameters = list(model.parameters())
        self.scaler: torch.amp.GradScaler | None = self._accelerator.scaler
        if self.scaler is not None and saved is not None and saved.state.get("scaler"):
            self.scaler.load_state_dict(saved.state["scaler"])

    def _decide(self, loss: nn.Module, saved: Checkpoint | None) -> Timing:
        """Time the number formats; what one process found, or the run began with, holds for all."""
        wanted = self._config.mixed_precision
        if wanted == "fp16" and self.device.type == "cpu":
            raise ConfigError("--mixed-precision fp16 needs a GPU, and this machine has none; try bf16 or auto")
        if wanted == "auto" and saved is not None:
            wanted = saved.state["precision"]
        timing = [time_precisions(loss, self._batch(0, 0), wanted)]
        if self.world > 1:
            broadcast_object_list(timing)
        return timing[0]

    def _batch(self, step: int, micro: int) -> list[Tensor]:
        config, own = self._config, micro * self.world + self.rank
        return on_device(self._data.batch(self._context, config.batch, config.seed, step, own), self.device)

    @property
    def tokens_per_step(self) -> int:
        """Tokens of one step, in all processes."""
        rows: int = self._config.batch * self._config.accumulate * self.world
        return rows * self._data.tokens_per_row(self._context)

    def gradients(self, step: int, stop: Callable[[], bool], seconds: Callable[[], float]) -> Gradients | None:
        """Compute the clipped gradients of a step from all its micro-batches.

        Parameters
        ----------
        step
            Steps done before this one.
        stop
            Asked between micro-batches, by a process that is alone.
        seconds
            The clock of the run; processes agree on its mean.

        Returns
        -------
        Gradients or None
            None when stopped: nothing has changed.
        """
        self._seed(step)
        self._optimizer.zero_grad()
        count = self._config.accumulate
        total = torch.zeros((), device=self.device)
        for micro in range(count):
            exchange = micro == count - 1
            with contextlib.nullcontext() if exchange else self._accelerator.no_sync(self._loss):
                loss, told = self._loss(*self._batch(step, micro))
                self._accelerator.backward(loss / count)
            total += told.detach() / count
            if self.world == 1 and not exchange and stop():
                return None
        self._accelerator.unscale_gradients()
        # accelerate's own clipping imports torch's distributed tensors: two seconds, for nothing here.
        norm = nn.utils.clip_grad_norm_(self._parameters, self._config.clip or float("inf"))
        return self._agree(total, norm, stop(), seconds())

    def _seed(self, step: int) -> None:
        """Make dropout a function of seed, step and process."""
        sequence = np.random.SeedSequence((self._config.seed, step, self.rank))
        seed = int(sequence.generate_state(1, np.uint64)[0])
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes 0.2 ms
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _agree(self, loss: Tensor, norm: Tensor, stop: bool, seconds: float) -> Gradients:
        """Mean over the processes. The one place where the processor waits for a GPU."""
        own = torch.stack([loss, norm.to(loss)])
        if self.world == 1:
            mean_loss, mean_norm = own.tolist()
            return Gradients(mean_loss, mean_norm, stop, seconds)
        own = torch.cat([own.double(), own.new_tensor([float(stop), seconds], dtype=torch.float64)])
        mean_loss, mean_norm, wish, clock = self._mean(own)
        return Gradients(mean_loss, mean_norm, wish > 0, clock)

    def apply(self, factor: float) -> None:
        """Take the step, at `factor` times the peak rates."""
        set_rates(self.optimizer, factor)
        self._optimizer.step()

    def score(self, stop: Callable[[], bool]) -> tuple[float, int] | None:
        """Score the whole validation split, in float32.

        Returns
        -------
        tuple or None
            Total nats and number of tokens; None when a process that is alone was stopped.
        """
        batches = self._data.validation_batches(self._context, SCORED_AT_ONCE)
        if self.world == 1:
            return total_loss(self.model, batches, self.device, stop)
        own = (batch for i, batch in enumerate(batches) if i % self.world == self.rank)
        scored = total_loss(self.model, own, self.device) or (0.0, 0)
        nats, count = self._mean(torch.tensor(scored, dtype=torch.float64, device=self.device))
        return nats * self.world, round(count * self.world)

    def _mean(self, own: Tensor) -> list[float]:
        """Mean of each number over the processes."""
        return cast(Tensor, self._accelerator.reduce(own, "mean")).tolist()

    def close(self) -> None:
        """Leave the model as a plain one that is not training."""
        self._optimizer.zero_grad()
        self.model.eval()
