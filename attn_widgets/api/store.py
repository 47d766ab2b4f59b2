"""Where runs are kept: their names and folders."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from attn_widgets.config import StoreConfig
from attn_widgets.errors import ConfigError, RunError
from attn_widgets.training import is_main_process
from attn_widgets.training.search import FILE as SEARCH

_NAME = re.compile(r"\w[\w.-]{0,99}")
_NOT_ON_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.", re.IGNORECASE)
SEARCHES = ".searches"
"""Folder, among the runs, of searches whose best is to replace a run of the same name."""
LONGEST_DEFAULT = 80
"""Characters of a name made from a file's; it gets a number and surroundings, and a file system takes 255 bytes."""


def run_names(runs: str | Path) -> list[str]:
    """Names of the runs in a folder, the one that was touched last first."""
    found = sorted(Path(runs).glob("[!.]*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent.name for path in found]


def listed(runs: str | Path) -> str:
    """Say which runs there are, at the end of an error."""
    names = run_names(runs)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"runs in {runs}: {', '.join(names[:8])}{more}" if names else f"there is no run in {runs} yet"


def existing(runs: str | Path, name: str, flag: str) -> Path:
    """Find the folder of a run.

    Raises
    ------
    ConfigError
        When the name could not be one.
    RunError
        When there is none of this name.
    """
    folder = Path(runs) / _checked(name, flag)
    if not (folder / "run.json").exists():
        raise RunError(f"{flag} {name}: no such run; {listed(runs)}")
    return folder


def beside(folder: Path) -> Path:
    """Find where a search is kept whose best is to replace the run in `folder`."""
    return folder.parent / SEARCHES / folder.name


def to_resume(folder: Path) -> Path:
    """Find what ``--resume`` of the run in `folder` goes on with: a search that is to replace it comes first."""
    return beside(folder) if (beside(folder) / SEARCH).exists() else folder


def place(store: StoreConfig, default: str) -> Path:
    """Choose the folder of a training, and refuse a taken one; nothing is made yet.

    Without ``--name`` a new run takes the corpus's name and the first free number
    (``sentences``, ``sentences-2``), so that Run All twice loses nothing; ``--resume`` and
    ``--overwrite`` mean the newest of these.

    Raises
    ------
    ConfigError
        For a name that would leave the folder of runs.
    RunError
        For a name that is taken, or to be resumed and not there.
    """
    runs = Path(store.runs)
    nearest_folder(runs)
    if store.name is None:
        default = default[:LONGEST_DEFAULT]
        numbered = _numbered(default)
        taken = [name for name in run_names(runs) if re.fullmatch(rf"{re.escape(default)}(-\d+)?", name)]
        if store.resume and not taken:
            raise RunError(f"--resume: no run of {default!r} to go on with; {listed(runs)}")
        again = store.resume or (store.overwrite and taken)
        return runs / (taken[0] if again else next(name for name in numbered if not (runs / name).exists()))
    folder = runs / _checked(store.name, "--name")
    if store.resume:
        return existing(runs, store.name, "--resume --name")
    if not folder.exists() or not is_main_process():  # the main process has made it already
        return folder
    check_replaceable(folder, store)
    return folder


def check_replaceable(folder: Path, store: StoreConfig) -> None:
    """Refuse to put a new run where there is something that is no run, or a run that is not to be replaced.

    Raises
    ------
    RunError
        One line with what would work.
    """
    if folder.exists() and not (folder / "run.json").exists():
        raise RunError(f"--name {folder.name}: {folder} is no run, and stays; take another name")
    if folder.exists() and not store.overwrite:
        raise RunError(
            f"--name {folder.name}: this run is there already; add --resume or --overwrite, or take another name"
        )


def next_free(folder: Path) -> Path:
    """Find the next number that no run has: ``text-3`` after ``text-2``."""
    stem, _, number = folder.name.rpartition("-")
    if not (stem and number.isdecimal()):
        stem, number = folder.name, "1"
    free = (folder.with_name(f"{stem}-{n}") for n in itertools.count(int(number) + 1))
    return next(path for path in free if not path.exists())


def nearest_folder(runs: str | Path) -> Path:
    """Find the folder of runs, or where it is not there yet, the one it will be made in.

    Raises
    ------
    RunError
        When nothing can be written there.
    """
    path = Path(runs).absolute()
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "cannot be written to" if there.is_dir() else "is no folder"
        raise RunError(f"--runs {runs}: {there} {what}; give another folder")
    return there


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _checked(name: str, flag: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{flag} {name!r} cannot be a folder's name; use letters, digits, '_', '-' and '.', not '-' or '.' first"
        )
    if _NOT_ON_WINDOWS.fullmatch(name):
        raise ConfigError(f"{flag} {name!r} cannot be a folder's name on Windows; try {'run-' + name.rstrip('.')!r}")
    return name
