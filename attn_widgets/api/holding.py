"""The folder of a run that is being trained: locked, and its old run put aside until there is something better."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from attn_widgets.api.store import SEARCHES, beside, check_replaceable, nearest_folder, next_free, to_resume
from attn_widgets.config import StoreConfig
from attn_widgets.errors import AttnError, ConfigError, RunError, TrainingError, TrainingInterrupted
from attn_widgets.training import RunLock, is_main_process
from attn_widgets.training.search import FILE as SEARCH

SCRATCH = ".attn-tokens-"


class Held:
    """The folder of a run while it is locked.

    Parameters
    ----------
    folder
        Of the run.
    searched
        Where a search is done before the run is trained: beside an old run, which stays whole for as long as that
        takes, or in the run's own folder.
    replaces
        Whether there is an old run.
    """

    def __init__(self, folder: Path, searched: Path, *, replaces: bool) -> None:
        self.folder, self.searched, self._replaces = folder, searched, replaces

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Put the old run aside while the new one is trained, and keep the one that is worth more.

        The old one moves back when the new one was never validated. What a search has found for the new one is
        kept beside it then, for ``--resume`` to go on with.
        """
        if not self._replaces:
            yield
            return
        self.folder.rename(_aside(self.folder))
        if self.searched != self.folder:
            self.searched.rename(self.folder)
        try:
            yield
        except (TrainingInterrupted, TrainingError) as stopped:
            if _is_worth_more(self.folder):
                raise
            _settle(self.folder)
            _remember(self.folder)
            raise type(stopped)(_put_back(stopped, self.folder.name, self.searched != self.folder)) from None
        finally:
            _settle(self.folder)


@contextmanager
def held(folder: Path, store: StoreConfig, *, searches: bool = False) -> Iterator[Held]:
    """Hold a run's folder; what was in it is replaced once there is something better (see `Held`).

    Whether the folder is free is decided here, under the lock: another process may have made it since its
    name was chosen, and a new run without a name then takes the next number. In the other processes of a
    launch, which write nothing, the folder is one that is thrown away.

    Parameters
    ----------
    searches
        Whether a search comes before the training.

    Raises
    ------
    RunError
        When the run is open elsewhere, or there already.
    """
    if store.resume and to_resume(folder) != folder and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"--resume: a search is to replace run {folder.name!r}, and only one process can go on with it; "
            "give --resume without accelerate launch"
        )
    if not is_main_process() and not store.resume:
        with TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            place = Path(scratch) / folder.name
            yield Held(place, place, replaces=False)
        return
    with ExitStack() as stack:
        folder = _claim(folder, store, stack)
        if store.resume:
            searched, new = to_resume(folder), False
        else:
            searched, new = (beside(folder) if searches and folder.exists() else folder), not folder.exists()
            if new or searched != folder:
                shutil.rmtree(beside(folder), ignore_errors=True)  # of a run that is gone, or not wanted any more
        one = Held(folder, searched, replaces=searched != folder or not (store.resume or new))
        try:
            yield one
        except TrainingError:
            if searched != folder:  # to go on would come to nothing again
                shutil.rmtree(searched, ignore_errors=True)
            raise
        finally:
            if new or searched != folder:
                _remove_empty(searched)


def recover(runs: str | Path) -> None:
    """Put runs back that a killed process had moved aside, or remove them where it had something better.

    Searches that it had only begun beside a run are removed too.
    """
    if not is_main_process():
        return
    names = [aside.name.removeprefix(".").removesuffix(".old") for aside in Path(runs).glob(".*.old")]
    names += [left.name for left in Path(runs, SEARCHES).glob("*") if not (left / SEARCH).exists()]
    for folder in (Path(runs) / name for name in names):
        try:
            with RunLock(folder):
                _settle(folder)
                _remove_empty(beside(folder))
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
    if store.resume:
        return folder
    check_replaceable(folder, store)
    return folder


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _settle(folder: Path) -> None:
    """Of a run moved aside and the one in its place, keep one; what the other searched is kept beside it."""
    aside = _aside(folder)
    if not aside.exists():
        return
    if _is_worth_more(folder):
        shutil.rmtree(beside(folder), ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
        return
    if (folder / SEARCH).exists():
        shutil.rmtree(beside(folder), ignore_errors=True)
        beside(folder).parent.mkdir(exist_ok=True)
        folder.rename(beside(folder))
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def _remove_empty(folder: Path) -> None:
    """Remove what was begun without a checkpoint or a training of a search."""
    from attn_widgets.training.checkpoint import pointers  # loads torch

    if not (folder / SEARCH).exists() and not pointers(folder):
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # there is more in it
        if folder.parent.name == SEARCHES:
            folder.parent.rmdir()


def _is_worth_more(folder: Path) -> bool:
    """Whether a new run is worth more than the one it replaces: it was validated."""
    from attn_widgets.run.files import read_history  # loads torch

    try:
        return bool(read_history(folder).validation)
    except AttnError:
        return False


def _remember(folder: Path) -> None:
    """Make the run that was put back the last one, instead of the one that was removed."""
    from attn_widgets.api.state import remember
    from attn_widgets.run import Run

    remember(Run.load(folder))


def _put_back(stopped: BaseException, name: str, searched: bool) -> str:
    again = f"run {name!r} is again what it was before --overwrite"
    if isinstance(stopped, TrainingInterrupted):
        on = f"; --resume --name {name} goes on with the best of the search" if searched else ""
        return f"interrupted before the first validation; {again}{on}"
    first, *_, tip = str(stopped).split("; ")
    return f"{first}; {again}; {tip}"


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
