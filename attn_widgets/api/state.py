"""What this process did last: its newest run and generation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from attn_widgets.api.store import listed, run_names
from attn_widgets.errors import RunError
from attn_widgets.run import Run

if TYPE_CHECKING:
    from attn_widgets.run import Generation


class Last(NamedTuple):
    """A run, and what it generated last."""

    run: Run
    generation: Generation | None = None


_last: Last | None = None


def remember(run: Run, generation: Generation | None = None) -> None:
    """Make a run, and perhaps its generation, the last ones."""
    global _last
    _last = Last(run, generation)


def last(runs: str | Path = "attn_runs") -> Last:
    """Return the last run and its last generation.

    Raises
    ------
    RunError
        When nothing was trained or named in this process.
    """
    if _last is None:
        raise RunError(f"nothing is trained yet: train first, or name a run with --run NAME; {listed(runs)}")
    return _last


def last_run() -> Run:
    """Return the run that was trained last, or was named last, in this process.

    After an interrupt ``run = %attn_train`` assigns nothing; this is the run then.

    Raises
    ------
    RunError
        When there is none.
    """
    return last().run


def open_run(run: Run | str | None, runs: str | Path) -> Run:
    """Return a run: itself, by its name, or the last one.

    Raises
    ------
    RunError
        When there is no such run.
    """
    if run is None:
        return last(runs).run
    if isinstance(run, Run):
        return run
    if not any((folder / "run.json").is_file() for folder in (Path(run), Path(runs) / run)):
        raise RunError(f"--run {run}: no such run; {listed(runs)}")
    return Run.load(run, runs)


def newest(runs: str | Path) -> str:
    """Name of the run on disk that was touched last.

    Raises
    ------
    RunError
        When there is none.
    """
    names = run_names(runs)
    if not names:
        raise RunError(f"nothing is trained yet: train first; {listed(runs)}")
    return names[0]
