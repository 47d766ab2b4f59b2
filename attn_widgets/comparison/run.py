"""Running the cells of a comparison, some at a time; what is finished stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from attn_widgets.comparison.cell import run_cell, work_alone
from attn_widgets.comparison.grid import Cell
from attn_widgets.comparison.table import Comparison


def run_cells(
    wanted: Sequence[Cell], folder: Path, *, processes: int, done: Callable[[Cell, dict[str, Any], int], None]
) -> Comparison:
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
        Called with a cell that was just finished, its result, and how many are left.

    Raises
    ------
    KeyboardInterrupt
        When interrupted; what is finished is in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = [cell for cell in wanted if _read(folder, cell) is None]
    if left:
        with _pool(min(processes, len(left))) as pool:
            waiting: dict[Future[dict[str, Any]], Cell] = {pool.submit(run_cell, cell, folder): cell for cell in left}
            while waiting:
                finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    done(waiting.pop(future), future.result(), len(waiting))
    return gather(wanted, folder)


def gather(wanted: Sequence[Cell], folder: Path) -> Comparison:
    """Put the results of the finished cells together."""
    found = [(cell, _read(folder, cell)) for cell in wanted]
    results = [result for _, result in found if result is not None]
    return Comparison(results, [cell.name for cell, result in found if result is None])


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


def _read(folder: Path, cell: Cell) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / f"{cell.name}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return found
