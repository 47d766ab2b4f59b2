"""The committed notebooks were executed whole, and hide nothing from nbval."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
IGNORING = ("nbval-ignore-output", "nbval-skip", "NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP")


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS][:1] == ["01_quickstart.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_was_executed_in_order(path: Path) -> None:
    assert [cell.execution_count for cell in code_cells(path)] == list(range(1, len(code_cells(path)) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_failed(path: Path) -> None:
    failed = [
        cell.source
        for cell in code_cells(path)
        if any(output.output_type == "error" for output in cell.outputs)
        and "raises-exception" not in cell.metadata.get("tags", [])
    ]
    assert failed == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_at_most_one_cell_is_ignored_and_it_says_why(path: Path) -> None:
    ignored = [
        cell
        for cell in code_cells(path)
        if any(mark in cell.source or mark in cell.metadata.get("tags", []) for mark in IGNORING)
    ]
    assert len(ignored) <= 1
    assert all("# ignored:" in cell.source for cell in ignored)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_picture_can_be_read_without_a_kernel(path: Path) -> None:
    html = [
        output.data["text/html"]
        for cell in code_cells(path)
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    assert any("image/svg+xml" in text for text in html)
