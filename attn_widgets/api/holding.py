"""The folder of a run that is being trained: locked, and its old run put aside until there is something better."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from attn_widgets.api.store import check_replaceable, nearest_folder, next_free
from attn_widgets.config import StoreConfig
from attn_widgets.errors import AttnError, RunError, TrainingError, TrainingInterrupted
from attn_widgets.training import RunLock, is_main_process
from attn_widgets.training.search import FILE as SEARCH

SCRATCH = ".attn-tokens-"


@contextmanager
def held(folder: Path, store: StoreConfig) -> Iterator[Path]:
    """Hold a run's folder; what was in it is replaced once there is something better.

    Whether the folder is free is decided here, under the lock: another process may have made it since its
    name was chosen, and a new run without a name then takes the next number. An old run is moved aside, and
    back when the new one was never validated and holds nothing of a search. In the other processes of a
    launch, which write nothing, the folder is one that is thrown away.

    Raises
    ------
    RunError
        When the run is open elsewhere, or there already.
    """
    if not is_main_process() and not store.resume:
        with TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            yield Path(scratch) / folder.name
        return
    with ExitStack() as stack:
        folder = _claim(folder, store, stack)
        if store.resume:
            yield folder
            return
        aside = _aside(folder)
        replaces = folder.exists()
        if replaces:
            folder.rename(aside)
        try:
            yield folder
        except (TrainingInterrupted, TrainingError) as stopped:
            if replaces and not _is_worth_more(folder):
                _settle(folder)
                _remember(folder)
                raise type(stopped)(_put_back(stopped, folder.name)) from None
            raise
        finally:
            from attn_widgets.training.checkpoint import pointers  # loads torch

            if replaces:
                _settle(folder)
            elif not pointers(folder) and not (folder / SEARCH).exists():
                shutil.rmtree(folder, ignore_errors=True)


def recover(runs: str | Path) -> None:
    """Put runs back that a killed process had moved aside, or remove them where it had something better."""
    for aside in Path(runs).glob(".*.old") if is_main_process() else ():
        folder = aside.with_name(aside.name.removeprefix(".").removesuffix(".old"))
        try:
            with RunLock(folder):
                _settle(folder)
        except (RunError, OSError):  # it is being trained, or not ours to write
            continue


@contextmanager
def token_scratch(runs: str | Path) -> Iterator[Path]:
    """Make a folder for a large text's tokens, beside the runs and so on the same disk; it is removed afterwards.

    What killed processes of this machine left there is removed too.
    """
    place, here = nearest_folder(runs), f"{SCRATCH}{socket.gethostname()}-"
    for left in place.glob(f"{here}*"):
        number = left.name.removeprefix(here).partition("-")[0]
        if number.isdecimal() and not _is_alive(int(number)):
            shutil.rmtree(left, ignore_errors=True)
    # Windows cannot remove a file that is still mapped, and the next training will
    with TemporaryDirectory(prefix=f"{here}{os.getpid()}-", dir=place, ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)


def _claim(folder: Path, store: StoreConfig, stack: ExitStack) -> Path:
    """Lock a folder; a new run without a name tries the next number while another process is faster."""
    new_and_nameless = store.name is None and not (store.resume or store.overwrite)
    while True:
        try:
            lock = stack.enter_context(RunLock(folder))
        except RunError:
            if not new_and_nameless:
                raise
        else:
            if is_main_process():
                _settle(folder)
            if not (new_and_nameless and folder.exists()):
                break
            lock.__exit__()
        folder = next_free(folder)
    if not store.resume:
        check_replaceable(folder, store)
    return folder


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _settle(folder: Path) -> None:
    """Of a run moved aside and the one in its place, keep one."""
    aside = _aside(folder)
    if not aside.exists():
        return
    if _is_worth_more(folder):
        shutil.rmtree(aside, ignore_errors=True)
        return
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def _is_worth_more(folder: Path) -> bool:
    """Whether a new run is worth more than the one it replaces: it was validated, or a search of it is under way."""
    from attn_widgets.run.files import read_history  # loads torch

    if (folder / SEARCH).exists():
        return True
    try:
        return bool(read_history(folder).validation)
    except AttnError:
        return False


def _remember(folder: Path) -> None:
    """Make the run that was put back the last one, instead of the one that was removed."""
    from attn_widgets.api.state import remember
    from attn_widgets.run import Run

    remember(Run.load(folder))


def _put_back(stopped: BaseException, name: str) -> str:
    first, *_, tip = str(stopped).split("; ")
    tip = "" if isinstance(stopped, TrainingInterrupted) else f"; {tip}"
    what = "interrupted before the first validation" if isinstance(stopped, TrainingInterrupted) else first
    return f"{what}; run {name!r} is again what it was before --overwrite{tip}"


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
