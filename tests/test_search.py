"""Results of a search: means, standard errors, the best, the table, the chart and the file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets.charts import history_chart
from attn_widgets.errors import RunError
from attn_widgets.history import History, Point, Validation
from attn_widgets.training.search import Cell, SearchResult, read_search


def result(losses: dict[int, list[float | None]], grid: dict[str, tuple[Any, ...]], folds: int = 3) -> SearchResult:
    cells = (
        Cell(choice, fold, loss, None if loss is None else loss / 4, 1.5)
        for choice, found in losses.items()
        for fold, loss in enumerate(found)
    )
    return SearchResult(grid, folds, {}, tuple(cells))


def test_mean_standard_error_and_distance_are_numpys() -> None:
    found = result({0: [2.0, 3.0, 4.0], 1: [1.9, 2.7, 4.1], 2: [2.5, 3.5, 4.5]}, {"heads": (1, 2, 4)})
    first, second, third = found.rows
    assert [row.options["heads"] for row in found.rows] == [2, 1, 4]
    for row, losses in ((first, [1.9, 2.7, 4.1]), (second, [2, 3, 4]), (third, [2.5, 3.5, 4.5])):
        assert row.loss.mean == pytest.approx(np.mean(losses))
        assert row.loss.error == pytest.approx(np.std(losses, ddof=1) / np.sqrt(3))
        assert row.nats_per_character.mean == pytest.approx(np.mean(losses) / 4)
        behind = np.subtract(losses, [1.9, 2.7, 4.1])
        assert row.behind.mean == pytest.approx(behind.mean())
        assert row.behind.error == pytest.approx(np.std(behind, ddof=1) / np.sqrt(3))
    assert found.best == first


def test_the_table_and_the_chart_say_it() -> None:
    found = result({0: [2.0, 3.0, 4.0], 1: [1.0, None, 1.0], 2: [2.5], 3: []}, {"heads": (1, 2), "tied": (True, False)})
    assert repr(found).splitlines() == [
        "heads  tied   nats per token   per character    behind the best  folds  s each",
        "1      true   3.0000 ± 0.5774  0.7500 ± 0.1443                   3/3    1.5",
        "2      true   2.5000           0.6250           0.5000           1/3    1.5",
        "1      false  diverged         –                –                3/3    1.5",
        "2      false  –                –                –                0/3    0.0",
    ]
    page = found._repr_html_()
    assert page.count("<tr>") == 5
    assert '<td style="text-align:left">3.0000 ± 0.5774</td>' in page
    drawn = found.chart().to_dict()
    (points,) = drawn["datasets"].values()
    assert [(point["options"], point["said"]) for point in points] == [
        ("heads=1 tied=true", "3.0000 ± 0.5774"), ("heads=2 tied=true", "2.5000"),
    ]  # fmt: skip
    assert points[0]["low"] == pytest.approx(3 - 1 / math.sqrt(3))


def test_what_is_not_done_in_all_folds_is_never_the_best() -> None:
    assert result({0: [2.0, 3.0, 4.0], 1: [1.0]}, {"heads": (1, 2)}).rows[0].options == {"heads": 1}
    assert result({0: [2.0], 1: []}, {"heads": (1, 2)}).best is None
    assert result({0: [None, 1.0, 1.0], 1: [None] * 3}, {"heads": (1, 2)}).best is None


def test_other_tokens_are_compared_by_the_character() -> None:
    cells = (Cell(0, 0, 1.0, 0.9, 1.0), Cell(0, 1, 1.0, 0.9, 1.0), Cell(1, 0, 3.0, 0.5, 1.0), Cell(1, 1, 3.0, 0.5, 1.0))
    best = SearchResult({"tokenizer": ("char", "bpe")}, 2, {}, cells).best
    assert best is not None
    assert best.options == {"tokenizer": "bpe"}


def test_on_disk_and_back(tmp_path: Path) -> None:
    found = result({0: [2.0, None]}, {"heads": (1, 2), "kv_heads": (None, 1), "tied": (True,), "dropout": (0.1,)})
    found.save(tmp_path)
    assert read_search(tmp_path) == found
    assert read_search(tmp_path / "nowhere") is None
    (tmp_path / "search.json").write_text('{"grid": 3}')
    with pytest.raises(RunError, match=r"is damaged: search.json \(.*\); search again with --overwrite$"):
        read_search(tmp_path)


def test_the_chart_looks_as_all_charts_do() -> None:
    """The one theme: the same ground, ink and titles as the chart of a training."""
    found = result({0: [2.0, 3.0, 4.0], 1: [1.0, 2.0, 1.5]}, {"heads": (1, 2)}).chart().to_dict()
    history = history_chart(History([Point(1, 2.0)], [Validation(1, 2.0, 0.5)])).to_dict()
    assert found["config"] == history["config"]
