"""What a training run reports and remembers: plain data, no torch.

Losses are cross-entropies in nats per token. Nats per character are the only figure that
compares runs with different tokenizers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

Phase = Literal["start", "step", "validate", "done", "interrupted", "stopped"]


@dataclass(frozen=True)
class Point:
    """Mean training loss of one step."""

    step: int
    loss: float


@dataclass(frozen=True)
class Validation:
    """Loss over the held-out split after `step` steps."""

    step: int
    loss: float
    nats_per_character: float


@dataclass
class History:
    """The losses of a run, in order of steps."""

    train: list[Point] = field(default_factory=list)
    validation: list[Validation] = field(default_factory=list)

    @property
    def best(self) -> Validation | None:
        """The validation with the lowest loss (the first of equals)."""
        return min(self.validation, key=lambda v: v.loss, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data; floats survive `json` bit for bit."""
        return asdict(self)

    @property
    def turn(self) -> Validation | None:
        """The best validation, once all later ones are worse; None while it is the last one."""
        best = self.best
        return best if best is not None and best is not self.validation[-1] else None

    @property
    def since_best(self) -> int:
        """How many validations there were after the best one."""
        best = self.best
        return 0 if best is None else len(self.validation) - 1 - self.validation.index(best)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> History:
        """Undo `to_dict`."""
        return cls([Point(**p) for p in data["train"]], [Validation(**v) for v in data["validation"]])

    def to_json(self) -> str:
        """One JSON text."""
        return json.dumps(self.to_dict())


class Beaten(NamedTuple):
    """The best n-gram model that a validation loss has come below.

    Attributes
    ----------
    order, loss
        Which one, and its loss.
    step
        Of the first validation below it.
    left
        The best one that is still ahead, as (order, loss); None when there is none.
    """

    order: int
    loss: float
    step: int
    left: tuple[int, float] | None


def beaten(rungs: Iterable[tuple[int, float]], validations: Sequence[Validation]) -> Beaten | None:
    """Say which n-gram model the validations have beaten; None before the first.

    A higher order need not be the better model on a small text: the loss counts.
    """
    lowest = min((v.loss for v in validations), default=float("inf"))
    below = [(loss, order) for order, loss in rungs if loss > lowest]
    above = [(loss, order) for order, loss in rungs if loss <= lowest]
    if not below:
        return None
    loss, order = min(below)
    step = next(v.step for v in validations if v.loss < loss)
    return Beaten(order, loss, step, max(above)[::-1] if above else None)


@dataclass(frozen=True)
class Progress:
    """One report of the training loop to whoever shows it.

    Attributes
    ----------
    phase
        Where the loop is.
    step, steps
        Steps done, and planned (an estimate under ``--minutes``).
    tokens_per_second
        Training throughput so far, validation time excluded.
    seconds, seconds_left
        Wall time since the start, and an estimate of what is left.
    train_loss
        Mean loss of the newest step, nats per token.
    validation
        The newest validation, if there was one.
    best
        The best validation so far.
    floor
        Exact entropy of the grammar in nats per token, where the corpus has one.
    note
        One line for the person (device, threads, precision, caps), or ''.
    rungs
        Pairs (order, loss in nats per token) of n-gram models on the same validation tokens; empty until known.
    """

    phase: Phase
    step: int
    steps: int
    tokens_per_second: float = 0.0
    seconds: float = 0.0
    seconds_left: float = 0.0
    train_loss: float | None = None
    validation: Validation | None = None
    best: Validation | None = None
    floor: float | None = None
    note: str = ""
    rungs: tuple[tuple[int, float], ...] = ()
