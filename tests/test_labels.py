"""Labels of a chart keep apart from each other and from the curves; the numbers are those of labels.test.ts."""

from __future__ import annotations

import numpy as np
import pytest

from attn_widgets.panels.labels import along, beside, spread

BOUNDS = (0.0, 0.0, 200.0, 100.0)


@pytest.mark.parametrize(
    ("wanted", "gap", "top", "expected"),
    [
        ([90, 10, 50], 13, 0, [90, 10, 50]),
        ([50, 52, 51], 10, 0, [41, 61, 51]),
        ([20, 24, 40], 10, 0, [17, 27, 40]),
        ([20, 24, 30], 10, 0, [14.667, 24.667, 34.667]),
        ([99, 98, 97], 10, 0, [100, 90, 80]),
        ([0, 0], 10, 5, [5, 15]),
        ([], 10, 0, []),
    ],
)
def test_spread(wanted: list[float], gap: float, top: float, expected: list[float]) -> None:
    assert spread(wanted, gap, top, 100) == pytest.approx(expected, abs=1e-3)


def test_crowds_keep_their_order_and_distance() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        wanted = random.uniform(0, 100, random.integers(1, 8)).tolist()
        placed = spread(wanted, 12, 0, 100)
        assert np.argsort(placed).tolist() == np.argsort(wanted).tolist()
        assert np.all(np.diff(sorted(placed)) >= 12 - 1e-9)
        assert min(placed) >= -1e-9
        assert max(placed) <= 100 + 1e-9


def test_a_label_stands_below_its_point_or_where_no_curve_is() -> None:
    assert beside((100, 50), 40, 12, BOUNDS, [], []) == (100, 64)
    below = along([(60, 64), (140, 64)])
    assert beside((100, 50), 40, 12, BOUNDS, below, []) == (100, 36)
    assert beside((100, 50), 40, 12, BOUNDS, below, [36])[1] != 36


def test_a_label_stays_within_bounds_and_off_its_own_point() -> None:
    x, y = beside((198, 98), 40, 12, BOUNDS, [], [])
    assert x == 180
    assert y < 98 - 11


def test_along() -> None:
    assert along([(0, 0), (12, 6)], 6) == [(0, 0), (6, 3), (12, 6)]
    assert along([]) == []
