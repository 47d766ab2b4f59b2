"""What is compared: models in the rows, tasks in the columns, and the budget that all of them get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from attn_widgets.errors import ConfigError

QUICK = 16
"""``--quick`` divides the steps by this."""


@dataclass(frozen=True)
class Contender:
    """One model of the comparison.

    Attributes
    ----------
    name
        As the tables call it.
    pairs, text
        Options of the model where a source is read and a target written, and where both are one text (a model that
        cannot read it so reads it apart). ``model`` is one of them; none at all: templates.
    only
        Tasks that it is made for; empty: all.
    """

    name: str
    pairs: Mapping[str, Any]
    text: Mapping[str, Any]
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Course:
    """How a task is learnt, by every contender alike.

    Attributes
    ----------
    steps, batch
        The budget.
    context
        Tokens that a row may have.
    apart
        Whether source and target are apart (encoder–decoders) or one text (language models).
    shown
        What accuracy is broken down by in the tables.
    by_token
        Whether that table counts tokens, since whole answers are too hard for all.
    options
        Options of the transformer that the task needs.
    """

    steps: int
    context: int
    apart: bool
    batch: int = 32
    shown: str = ""
    by_token: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def _gru(attention: str) -> tuple[dict[str, Any], dict[str, Any]]:
    shared = {"attention": attention, "layers": 1}
    return {"model": "seq2seq", **shared}, {"model": "recurrent", **shared}


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("template", {}, {}),
        Contender("n-gram", {"model": "ngram"}, {"model": "ngram"}),
        Contender("GRU", *_gru("none")),
        Contender("GRU additive", *_gru("additive")),
        Contender("GRU dot", *_gru("dot")),
        Contender("GRU general", *_gru("general")),
        Contender("GRU concat", *_gru("concat")),
        Contender("transformer", {"model": "encoder_decoder"}, {"model": "transformer"}),
        Contender("transformer, 1 layer", {}, {"model": "transformer", "layers": 1}, only=("induction",)),
        Contender("convolutional", *({"model": "convseq2seq", "attention": "dot"},) * 2),
    )
}

COURSES = {
    "dates": Course(900, 64, apart=True),
    "reverse": Course(600, 64, apart=True, shown="length", by_token=True),
    "copy": Course(600, 64, apart=True, shown="length", by_token=True),
    "recall": Course(800, 64, apart=False, shown="pairs", options={"positions": "learned", "heads": 1}),
    "induction": Course(500, 64, apart=False, shown="gap"),
    "agreement": Course(140, 64, apart=False, shown="distance"),
}
"""Agreement gets few steps on purpose: with many, every model learns it at every distance."""


class Cell(NamedTuple):
    """One model on one task from one seed.

    Attributes
    ----------
    task, contender
        Names.
    seed
        Of the weights and of the order of the samples.
    steps
        Optimizer steps.
    """

    task: str
    contender: str
    seed: int
    steps: int

    @property
    def name(self) -> str:
        """Fit for a file."""
        contender = self.contender.replace(",", "").replace(" ", "-")
        return f"{self.task}-{contender}-seed{self.seed}-steps{self.steps}"


def cells(tasks: Sequence[str], contenders: Sequence[str], seeds: int, *, quick: bool) -> list[Cell]:
    """List the cells of a comparison, so that the first seed of all comes first; what is given twice counts once.

    Raises
    ------
    ConfigError
        For a task or a model that is not among them, or a model that takes part in none of the tasks.
    """
    for flag, given, known in (("--tasks", tasks, COURSES), ("--models", contenders, CONTENDERS)):
        for name in given:
            if name not in list(known):  # a list compares with anything
                raise ConfigError(f"{flag} {name}: no such one to compare; there are {', '.join(known)}")
    chosen, models = list(dict.fromkeys(tasks)) or list(COURSES), list(dict.fromkeys(contenders))
    for name in models:
        if not any(is_on(CONTENDERS[name], task) for task in chosen):
            raise ConfigError(
                f"--models {name!r} takes part in {', '.join(CONTENDERS[name].only)} alone; given the tasks "
                f"{', '.join(chosen)}: add one of its own, or leave it out"
            )
    found = []
    for seed in range(seeds):
        for task in chosen:
            steps = COURSES[task].steps
            for name in models or CONTENDERS:
                if is_on(CONTENDERS[name], task):
                    found.append(Cell(task, name, seed, max(10, steps // QUICK) if quick else steps))
    return found


def is_on(contender: Contender, task: str) -> bool:
    """Whether a contender takes part in a task."""
    return not contender.only or task in contender.only
