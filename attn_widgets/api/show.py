"""Where training is shown: a panel in a notebook, a bar in a terminal, or final lines alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from attn_widgets.history import History, Progress
from attn_widgets.progress import ProgressBar, is_plain
from attn_widgets.training import is_main_process

if TYPE_CHECKING:
    from attn_widgets.run import Run

SURE = 0.95
"""A skill of which this share is right is mastered."""


def in_notebook() -> bool:
    """Whether this process is a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def is_quiet(show: bool) -> bool:
    """Whether nothing may be printed on the way: as asked for, or in the second process of a launch."""
    return not show or is_plain() or not is_main_process()


def progress_view(
    parameters: int, history: History | None, about: Mapping[str, str | int] | None = None
) -> Callable[[Progress], None]:
    """Return what shows the loop's reports, with a line before the first step.

    `history` is a resumed run's; `about` is what a saved loss curve says of the run.
    """
    notebook = in_notebook()
    if notebook:
        from attn_widgets.panels.training import TrainingPanel

        panel = TrainingPanel(history, about=about)
        update = panel.update
    else:
        update = ProgressBar().update

    def show(progress: Progress) -> None:
        if progress.phase == "start":
            print(f"{parameters:,} parameters; about {duration(progress.seconds_left)}; {progress.note}", flush=True)
            if notebook:
                from IPython.display import display

                display(panel)  # type: ignore[no-untyped-call]
        update(progress)

    return show


def ignore(progress: Progress) -> None:
    """Show nothing."""


def line(text: str) -> None:
    """Show one line at once."""
    print(text, flush=True)


def ignore_line(text: str) -> None:
    """Show nothing."""


def summary(run: Run) -> str:
    """Describe a trained run: skill table, perplexity, and where it is kept."""
    best, parts = run.history.best, []
    if has_skills(run):
        parts.append(repr(run.skills()))
    if run.corpus.task_from is not None:
        parts.append(repr(run.score()))
    if best is not None and run.model_config.model == "encoder" and run.corpus.labels:
        parts.append(f"{best.loss:.3f} nats per class")
    elif best is not None:
        floor = "" if run.corpus.floor is None else f", the grammar's floor {run.corpus.floor:.3f}"
        parts.append(
            f"perplexity {run.perplexity:.3f}; {best.loss:.3f} nats per token{floor}; "
            f"{best.nats_per_character:.3f} nats per character"
        )
    parts.append(f"kept in {run.folder}")
    return "\n".join(parts)


def plain_summary(run: Run) -> str:
    """Describe a trained run in facts that hold on every machine."""
    minutes = run.train_config.minutes
    if run.model_config.model == "ngram":
        done = f"its n-grams of up to {run.model_config.order} tokens are counted"
    else:
        done = f"{len(run.history.train)} steps" if minutes is None else f"{minutes:g} minutes"
    lines = [f"trained on {run.corpus.name}: {done}"]
    if has_skills(run):
        lines += [f"{score.skill}: accuracy ≥ {SURE}: {score.accuracy >= SURE}" for score in run.skills()]
    return "\n".join(lines)


def has_skills(run: Run) -> bool:
    """Whether the corpus has skills that this run can be asked for."""
    return not run.skills_missing


def duration(seconds: float) -> str:
    """``45 s`` or ``3 min``."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{seconds / 60:.0f} min"
