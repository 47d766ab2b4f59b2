"""Cells of a real IPython shell, for the tests of the magics; the shells are in ``conftest``."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output


class Cell(NamedTuple):
    """What came of a cell."""

    out: str
    displayed: list[RichOutput]
    error: BaseException | None
    value: Any


def run_cell(shell: InteractiveShell, cell: str) -> Cell:
    with capture_output() as captured:
        result = shell.run_cell(cell)
    return Cell(captured.stdout, captured.outputs, result.error_in_exec or result.error_before_exec, result.result)


def left_behind() -> list[str]:
    """What a cell wrote, IPython's own folder apart."""
    return [name for name in os.listdir() if name != ".ipython"]
