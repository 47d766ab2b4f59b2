"""Running the cells of a comparison, some at a time; what is finished stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from attn_widgets.comparison.cell import run_cell, work_alone
from attn_widgets.comparison.grid import Cell
from attn_widgets.comparison.results import Row, read_result
from attn_widgets.comparison.table import Comparison
from attn_widgets.errors import ConfigError, RunError

Done = Callable[[Cell, Row, int], None]


def run_cells(wanted: Sequence[Cell], folder: Path, *, processes: int, done: Done) -> Comparison:
    """Run the cells whose results are not in `folder` yet.

    Parameters
    ----------
    wanted
        All cells of the comparison.
    folder
        Holds a JSON file for each finished cell.
    processes
        Cells at a time, each with one thread: small models gain nothing from more.
    done
        Called with a cell that was just finished, its result, and how many are left. A cell that failed is kept with
        its reason instead, and the others go on.

    Raises
    ------
    ConfigError
        When `folder` cannot be one.
    RunError
        When a result in it is damaged, no result can be written into it, or a process was ended from outside.
    KeyboardInterrupt
        When interrupted; what is finished is in `folder`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        line = f"--folder {folder} is no folder and cannot become one ({error.strerror}); give another"
        raise ConfigError(line) from error
    left = [cell for cell in wanted if read_result(folder, cell) is None]
    if left:
        try:
            _run(left, folder, min(processes, len(left)), done)
        except BrokenProcessPool as error:
            raise RunError(
                "a process of the comparison was ended from outside, perhaps for lack of memory; what is finished is "
                f"kept in {folder}, and the same command goes on: try it with --processes 1"
            ) from error
    return gather(wanted, folder)


def _run(left: Sequence[Cell], folder: Path, processes: int, done: Done) -> None:
    with _pool(processes) as pool:
        waiting: dict[Future[Row], Cell] = {pool.submit(run_cell, cell, folder): cell for cell in left}
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                cell, result = waiting.pop(future), _result(future, folder)
                if "failed" not in result:
                    done(cell, result, len(waiting))


def _result(future: Future[Row], folder: Path) -> Row:
    try:
        return future.result()
    except OSError as error:
        line = f"no result can be written into {folder} ({error.strerror}); give another --folder"
        raise RunError(line) from error


def gather(wanted: Sequence[Cell], folder: Path) -> Comparison:
    """Put the results of the finished cells together."""
    found = [(cell, read_result(folder, cell)) for cell in wanted]
    return Comparison.of([row for _, row in found if row], [cell.name for cell, row in found if row is None])


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes, which are ended at once when something goes wrong here."""
    pool = ProcessPoolExecutor(processes, get_context("spawn"), work_alone)
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
