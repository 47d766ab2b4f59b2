"""The pixels of a large matrix on a page, and what they should be: maxima of squares of cells."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

import numpy as np
from playwright.sync_api import Locator, expect

from attn_widgets.panels.colours import palette

READ = """(canvas, [x, y, width, height]) => {
    const { data } = canvas.getContext('2d').getImageData(x, y, width, height);
    let text = '';
    for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
    return btoa(text);
}"""
DRAWN = """canvas => {
    const [, , wide, high] = canvas.dataset.cells.split(' ').map(Number);
    const needed = 2 ** Math.max(0, Math.ceil(Math.log2(1 / Math.min(wide, high)) - 1e-9));
    return Number(canvas.dataset.step) === needed;
}"""
MASKED, LEFT_OUT = -1.0, -2.0
"""In place of a share: a square that has no weight to show is masked if some of it is, else at the scale's low end."""

EDGE = 0.02
"""Pixels whose middle lies so near the edge of a cell (in pixels) may show either of the two."""


def sparse_weights(heads: int, tokens: int) -> np.ndarray:
    """Weights whose maxima of 1, 4, 16 and 64 cells are all spread between 0 and 1, under a causal mask."""
    weights = np.random.default_rng(tokens).random((1, heads, tokens, tokens), np.float32) ** 8
    return np.tril(weights)


@dataclass(frozen=True)
class Shown:
    """What of a matrix is on show: its first row and column, how many of each, and cells to a point."""

    row: int
    column: int
    rows: int
    columns: int
    step: int


def shown(panel: Locator, size: int) -> Shown:
    """Wait until the picture is as fine as it can be on the screen, and read from the panel's words what it shows."""
    canvas = panel.locator("canvas").first
    expect(canvas).to_have_attribute("data-cells", re.compile(r"\d"))
    panel.page.wait_for_function(DRAWN, arg=canvas.element_handle())
    words = panel.locator(".attn-reading").inner_text()
    step = int(canvas.get_attribute("data-step") or 0)
    said = re.search(r"maximum of (\d+)×(\d+) cells", words)
    assert (int(said[1]), int(said[2])) == (step, step) if said else step == 1
    part = re.search(r"Rows (\d+) to (\d+), columns (\d+) to (\d+) of", words)
    top, bottom, left, right = map(int, part.groups()) if part else (0, size - 1, 0, size - 1)
    return Shown(top, left, bottom - top + 1, right - left + 1, step)


def maxima(shares: np.ndarray, step: int) -> np.ndarray:
    """Maximum of each square of cells, in the order left out, masked, 0 to 1; those at the end are smaller."""
    short = -len(shares) % step
    padded = np.pad(shares, ((0, short), (0, short)), constant_values=LEFT_OUT)
    squares = padded.reshape(len(padded) // step, step, len(padded) // step, step)
    found: np.ndarray = squares.max(axis=(1, 3))
    return found


def compare(panel: Locator, shares: np.ndarray) -> Shown:
    """Compare every pixel of the matrix with what it stands for, in shares of the colour scale; returns what is shown.

    Left out is the row that is framed because it is read, the last one.
    """
    part = shown(panel, len(shares))
    canvas = panel.locator("canvas").first
    x, y, wide, high = map(float, (canvas.get_attribute("data-cells") or "").split())
    width, height = int(part.columns * wide), int(part.rows * high)
    if part.row + part.rows == len(shares):
        height -= int(np.ceil(high)) + 3
    raw = base64.b64decode(canvas.evaluate(READ, [x, y, width, height]))
    pixels = np.frombuffer(raw, np.uint8).reshape(height, width, 4).astype(int)
    first, last = _levels(pixels)
    squares = maxima(shares, part.step)
    worst = np.full((height, width), np.inf)
    for rows in _places(height, high, part.row, part.step):
        for columns in _places(width, wide, part.column, part.step):
            share = squares[np.ix_(rows, columns)]
            at = np.maximum(share, 0)
            off = np.maximum(0, np.maximum(first / 255 - at, at - last / 255))
            off[(first < 0) != (share == MASKED)] = np.inf
            off[(first < 0) & (share == MASKED)] = 0
            worst = np.minimum(worst, off)
    # A colour is right within 1/255, the code that it was sent as within 1/500.
    wrong = np.argwhere(worst > 1 / 255 + 1 / 500)
    assert not len(wrong), f"{len(wrong)} of {worst.size} pixels at {part}; the first: {wrong[:5].tolist()}"
    return part


def _places(pixels: int, size: float, first: int, step: int) -> list[np.ndarray]:
    """Squares in which the pixels of a side have their middle, or nearly."""
    middles = np.arange(pixels) + 0.5
    return [np.floor((first + (middles + near) / size) / step).astype(int) for near in (-EDGE, EDGE)]


def _levels(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last step of the scale, 0 to 255, that have a pixel's colour; −1 for the see-through hatching."""
    weigh = [1 << 16, 1 << 8, 1]
    keys = palette("light").astype(int) @ weigh
    colours, first = np.unique(keys, return_index=True)
    last = 255 - np.unique(keys[::-1], return_index=True)[1]
    found = pixels[..., :3] @ weigh
    at = np.searchsorted(colours, found).clip(0, len(colours) - 1)
    is_colour = (colours[at] == found) & (pixels[..., 3] == 255)
    return np.where(is_colour, first[at], -1), np.where(is_colour, last[at], -1)
