"""`compare`: every kind of model on every task."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_widgets.api.heavy import load_torch
from attn_widgets.comparison.grid import Cell, cells
from attn_widgets.config import CompareConfig
from attn_widgets.errors import ConfigError, TrainingInterrupted
from attn_widgets.flags import VERBS, build, help_text, keywords
from attn_widgets.progress import is_plain

if TYPE_CHECKING:
    from attn_widgets.comparison import Comparison


def compare(tasks: str | Sequence[str] = (), *, show: bool = True, **options: Any) -> Comparison:
    """Train every kind of model on every task, and tell which one meets which.

    Every cell gets the same items and the same number of steps; the first seed of all cells comes first. Finished
    cells are kept, so that the same call goes on where one was interrupted.

    Parameters
    ----------
    tasks
        Names; all when empty.
    show
        Whether to print a line for each finished cell.
    **options
        Every flag below under its Python name.

    Raises
    ------
    ConfigError
        For a task, model or option that is not there.
    TrainingInterrupted
        When interrupted; what is finished is kept.
    """
    given = keywords(VERBS["compare"], options)
    config = build(CompareConfig, given)
    seeds = 1 if config.quick and "seeds" not in given else config.seeds
    if not isinstance(tasks, Iterable):
        raise ConfigError(f"tasks must be a text or a list of texts; given {tasks!r:.40}; try compare('dates')")
    chosen = (tasks,) if isinstance(tasks, str) else tuple(tasks)
    wanted = cells(chosen, config.models, seeds, quick=config.quick)
    load_torch()
    from attn_widgets.comparison.run import gather, run_cells

    folder, began = Path(config.folder).expanduser().absolute(), time.monotonic()

    def done(cell: Cell, result: dict[str, Any], left: int) -> None:
        if show and not is_plain():
            accuracy, spent = result["score"]["accuracy"], time.monotonic() - began
            what = f"{cell.task}, {cell.contender}, seed {cell.seed}: {accuracy:.3f} right"
            print(f"{what} ({result['seconds']:.0f} s; {left} left after {spent:.0f} s)", flush=True)

    try:
        found = run_cells(wanted, folder, processes=config.processes or os.cpu_count() or 1, done=done)
    except KeyboardInterrupt:
        finished = len(gather(wanted, folder).results)
        line = f"interrupted: {finished} of {len(wanted)} cells are kept in {folder}; the same command goes on"
        raise TrainingInterrupted(line) from None
    found.save(folder / "comparison.json")
    return found


compare.__doc__ = f"{compare.__doc__}\n    {help_text(VERBS['compare'], 'Flags:', everything=True)}"
