"""The cells of a panel's matrix on a page, by row and column."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

READ_PIXEL = """(canvas, { x, y }) => {
    const ratio = devicePixelRatio;
    return [...canvas.getContext('2d').getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data];
}"""
READ_CELL = """(canvas, { x, y, wide, high }) => {
    const [left, top, width, height] = [x, y, wide, high].map((v) => Math.round(v * devicePixelRatio));
    const { data } = canvas.getContext('2d').getImageData(left + 2, top + 2, width - 4, height - 4);
    return [...new Uint32Array(data.buffer)];
}"""


class Cells:
    """The cells of a panel's matrix on the page."""

    def __init__(self, panel: Locator) -> None:
        self.canvas = panel.locator("canvas").first
        expect(self.canvas).to_have_attribute("data-cells", re.compile(r"\d"))  # once it is drawn
        self.x, self.y, self.wide, self.high = map(float, (self.canvas.get_attribute("data-cells") or "").split())

    def at(self, row: int, column: int, share: float = 0.5) -> dict[str, float]:
        """A point in a cell, in the canvas's CSS pixels."""
        return {"x": self.x + (column + share) * self.wide, "y": self.y + (row + share) * self.high}

    def pixel(self, row: int, column: int, share: float = 0.25) -> list[int]:
        found: list[int] = self.canvas.evaluate(READ_PIXEL, self.at(row, column, share))
        return found

    def block(self, row: int, column: int) -> list[int]:
        """All pixels of a cell, as numbers."""
        place = {**self.at(row, column, 0), "wide": self.wide, "high": self.high}
        found: list[int] = self.canvas.evaluate(READ_CELL, place)
        return found

    def click(self, row: int, column: int) -> None:
        self.canvas.click(position=self.at(row, column))

    def hover(self, row: int, column: int) -> None:
        self.canvas.hover(position=self.at(row, column))
