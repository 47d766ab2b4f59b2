"""What this process did last: the run that it trained or generated with, and the generation."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from attn_widgets.api.holding import recover
from attn_widgets.api.store import listed, run_names
from attn_widgets.errors import ConfigError, RunError

if TYPE_CHECKING:
    from attn_widgets.run import Generation, Run


class Last(NamedTuple):
    """A run, and what it generated last."""

    run: Run
    generation: Generation | None = None


_last: Last | None = None


def remember(run: Run, generation: Generation | None = None) -> None:
    """Make a run, and perhaps its generation, the last ones."""
    global _last
    _last = Last(run, generation)


def last_generation(run: Run) -> Generation | None:
    """Return what this process did last, if that was to generate with `run`."""
    return _last.generation if _last is not None and _last.run.folder == run.folder else None


def last_run(runs: str | Path = "attn_runs") -> Run:
    """Return the run that this process trained, or generated with, last.

    After an interrupt ``run = %attn_train`` assigns nothing; this is the run then.

    Parameters
    ----------
    runs
        Where an error looks for runs to name.

    Raises
    ------
    RunError
        When there is none; a run on disk is opened with ``Run.load``.
    """
    if _last is None:
        raise RunError(f"nothing is trained yet: train first, or name a run with --run NAME; {listed(runs)}")
    return _last.run


def open_run(run: Run | str | Path | None, runs: str | Path) -> Run:
    """Return a run: itself, by its name or folder, or the last one.

    Raises
    ------
    ConfigError
        When `run` is something else.
    RunError
        When there is no such run.
    """
    from attn_widgets.run import Run

    if run is None:
        return last_run(runs)
    if isinstance(run, Run):
        return run
    if not isinstance(run, str | Path):
        raise ConfigError(f"run must be a run or its name; given {reprlib.repr(run)}")
    recover(runs)
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
    recover(runs)
    names = run_names(runs)
    if not names:
        raise RunError(f"nothing is trained yet: train first; {listed(runs)}")
    return names[0]
