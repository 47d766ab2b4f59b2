"""How fast a run goes, and how long it will still take."""

from __future__ import annotations

import math
import time

from attn_widgets.config import TrainConfig
from attn_widgets.training.schedule import PARTS, share_done


class Pace:
    """Clock of a run, which goes on where the one before an interrupt stopped.

    Parameters
    ----------
    config
        ``steps``, ``minutes``, ``validate_every``.
    seconds_before
        What the run took before it was resumed.
    tokens
        Tokens of one step, in all processes.
    step_seconds, validation_seconds
        First estimates.
    """

    def __init__(
        self, config: TrainConfig, seconds_before: float, tokens: int, step_seconds: float, validation_seconds: float
    ) -> None:
        self._config, self._tokens, self._before = config, tokens, seconds_before
        self._start = time.perf_counter()
        self._step_seconds, self._validation_seconds = step_seconds, validation_seconds
        self._steps, self._trained = 0, 0.0

    def seconds(self) -> float:
        """Wall time of the run so far."""
        return self._before + time.perf_counter() - self._start

    def add_step(self, seconds: float) -> None:
        """Learn from a step."""
        self._steps += 1
        # The first step of a process also pays for what is made once.
        if self._steps > 1:
            self._trained += seconds
            self._step_seconds = self._trained / (self._steps - 1)

    def add_validation(self, seconds: float) -> None:
        """Learn from a validation."""
        self._validation_seconds = seconds

    @property
    def tokens_per_second(self) -> float:
        """Training throughput; validation does not count."""
        return self._tokens / self._step_seconds

    def share(self, step: int) -> float:
        """Share of the run done."""
        return share_done(self._config, step, self.seconds())

    def planned(self, step: int) -> int:
        """Tell the steps of the whole run; an estimate under ``--minutes``."""
        if self._config.minutes is None:
            return self._config.steps
        left = (1.0 - self.share(step)) * (60 * self._config.minutes - PARTS * self._validation_seconds)
        return step + max(0, round(left / self._step_seconds))

    def seconds_left(self, step: int) -> float:
        """How long the rest will take."""
        if self._config.minutes is not None:
            return max(0.0, 60 * self._config.minutes - self.seconds())
        left = self._config.steps - step
        every = self._config.validate_every or self._config.steps / PARTS
        return left * self._step_seconds + math.ceil(left / every) * self._validation_seconds
