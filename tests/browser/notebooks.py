"""What tests do in a notebook page of JupyterLab or Notebook 7."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect


def run_new_cell(page: Page, source: str) -> Locator:
    """Append a cell, run it, and return its output once there is one."""
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    count = cells.count()
    page.evaluate(
        """async source => {
            const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
            notebook.activeCellIndex = notebook.widgets.length - 1;
            await app.commands.execute('notebook:insert-cell-below');
            notebook.activeCell.model.sharedModel.setSource(source);
            await app.commands.execute('notebook:run-cell');
        }""",
        source,
    )
    expect(cells).to_have_count(count + 1)
    return cells.nth(count).locator(".jp-Cell-outputArea")


def painted(panel: Locator) -> int:
    """How many different colours the most colourful canvas of a panel holds."""
    return panel.evaluate(
        """panel => {
            const colours = canvas => {
                if (!canvas.width || !canvas.height) return 0;
                const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                return new Set(new Uint32Array(data.buffer)).size;
            };
            return Math.max(0, ...[...panel.querySelectorAll('canvas')].map(colours));
        }"""
    )
