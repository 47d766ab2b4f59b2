"""What a training run reports and remembers: plain data, no torch.

Losses are cross-entropies in nats per token. Nats per character are the only figure that
compares runs with different tokenizers.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

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

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> History:
        """Undo `to_dict`."""
        return cls([Point(**p) for p in data["train"]], [Validation(**v) for v in data["validation"]])

    def to_json(self) -> str:
        """One JSON text."""
        return json.dumps(self.to_dict())


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
