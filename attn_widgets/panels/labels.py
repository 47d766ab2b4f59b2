"""Where the words of a chart go so that none covers another or a line (as js/src/labels.ts)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def spread(wanted: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Heights in the order of the wanted ones, at least `gap` apart, and within bounds where there is room.

    Where they crowd they stand around the middle of what they want.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    crowds: list[list[float]] = []
    for i in order:
        crowds.append([wanted[i]])
        while len(crowds) > 1 and _end(crowds[-2], gap) > _start(crowds[-1], gap):
            last = crowds.pop()
            crowds[-1] += last
    placed = [0.0] * len(wanted)
    heights = [_start(crowd, gap) + gap * (at + 0.5) for crowd in crowds for at in range(len(crowd))]
    edge = bottom + gap
    for at in reversed(range(len(heights))):  # nothing below the bottom, then nothing above the top
        edge = heights[at] = min(heights[at], edge - gap)
    edge = top - gap
    for i, height in zip(order, heights, strict=True):
        edge = placed[i] = max(height, edge + gap)
    return placed


def _start(crowd: Sequence[float], gap: float) -> float:
    return sum(crowd) / len(crowd) - gap * len(crowd) / 2


def _end(crowd: Sequence[float], gap: float) -> float:
    return sum(crowd) / len(crowd) + gap * len(crowd) / 2


def beside(
    at: Point, width: float, height: float, bounds: Box, points: Sequence[Point], levels: Sequence[float]
) -> Point:
    """Middle of a label near a point: of the places around it the one that covers the fewest points and level lines.

    Parameters
    ----------
    at
        The point that is labelled.
    width, height
        Of the label.
    bounds
        What the label stays within.
    points
        Along the curves.
    levels
        Heights of lines across the chart.
    """
    left, top, right, bottom = bounds
    places = []
    for distance in (14.0, 26.0, 40.0):
        for side in (0.0, 1.0, -1.0):
            for way in (1.0, -1.0):
                x = min(max(at[0] + side * width / 2, left + width / 2), right - width / 2)
                y = min(max(at[1] + way * distance, top + height / 2), bottom - height / 2)
                places.append((x, y))

    def covered(place: Point) -> int:
        x, y = place
        over = sum(abs(px - x) <= width / 2 + 3 and abs(py - y) <= height / 2 + 2 for px, py in points)
        near = abs(at[0] - x) <= width / 2 + 3 and abs(at[1] - y) <= height / 2 + 5
        return over + 4 * sum(abs(level - y) <= height / 2 for level in levels) + 20 * near

    return min(places, key=covered)


def along(points: Sequence[Point], step: float = 6.0) -> list[Point]:
    """Points at most about `step` apart on the lines between points."""
    found: list[Point] = list(points[:1])
    for (x, y), (to_x, to_y) in pairwise(points):
        pieces = max(1, round(max(abs(to_x - x), abs(to_y - y)) / step))
        found += [(x + (to_x - x) * i / pieces, y + (to_y - y) * i / pieces) for i in range(1, pieces + 1)]
    return found
