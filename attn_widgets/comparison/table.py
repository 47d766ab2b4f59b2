"""The result of a comparison as tables: mean and standard deviation over the seeds."""

from __future__ import annotations

import html
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_widgets.comparison.grid import CONTENDERS, COURSES
from attn_widgets.errors import RunError

Row = dict[str, Any]
Table = list[list[str]]


@dataclass(frozen=True)
class Comparison:
    """Results of the cells that are finished; prints as tables.

    Attributes
    ----------
    results
        One dict a cell, as `cell.run_cell` returns them.
    missing
        Names of cells that are not done.
    """

    results: Sequence[Row]
    missing: Sequence[str] = ()

    @classmethod
    def load(cls, path: str | Path) -> Comparison:
        """Read what `save` wrote.

        Raises
        ------
        RunError
            When it is not there or no comparison.
        """
        try:
            found = json.loads(Path(path).read_bytes())
            return cls(found["results"], found["missing"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is no saved comparison ({error}); attn-widgets compare writes one") from error

    def save(self, path: str | Path) -> None:
        """Write all results as one JSON file."""
        Path(path).write_text(json.dumps({"results": list(self.results), "missing": list(self.missing)}, indent=1))

    @property
    def tables(self) -> dict[str, Table]:
        """Tables by title, the first row of each its heads."""
        tables = {"Share of right answers": self._accuracy()}
        for task, course in COURSES.items():
            if course.shown and self._of(task):
                what = "tokens" if course.by_token else "answers"
                tables[f"{task}: share of right {what} by {course.shown}"] = self._by_group(task)
        tables["Claims"] = self._claims()
        return tables

    def rows(self) -> list[Row]:
        """Accuracies as rows for a chart: task, model, mean, spread, n."""
        return [
            {"task": task, "model": name, "mean": statistics.fmean(values), "sd": _spread(values), "n": len(values)}
            for task in COURSES
            for name in CONTENDERS
            if (values := [row["score"]["accuracy"] for row in self._of(task, name)])
        ]

    def _of(self, task: str, contender: str = "") -> list[Row]:
        return [r for r in self.results if r["task"] == task and contender in ("", r["contender"])]

    def _names(self) -> list[str]:
        there = {row["contender"] for row in self.results}
        return [name for name in CONTENDERS if name in there]

    def _accuracy(self) -> Table:
        tasks = [task for task in COURSES if self._of(task)]
        lines = [
            [name, *(_mean([row["score"]["accuracy"] for row in self._of(task, name)]) for task in tasks)]
            for name in self._names()
        ]
        return [["model", *tasks], *lines]

    def _by_group(self, task: str) -> Table:
        groups = list(dict.fromkeys(group for row in self._of(task) for group in row["score"]["groups"]))
        lines = []
        for name in self._names():
            kind = "tokens" if COURSES[task].by_token else "groups"
            told = [row["score"][kind] for row in self._of(task, name)]
            if any(told):
                lines.append([name, *(_mean([one[group] for one in told if group in one]) for group in groups)])
        return [["model", *groups], *lines]

    def _claims(self) -> Table:
        """Measure what the articles say of models: speed, rare words, distraction."""
        heads = [
            "model", "parameters", "trained tokens/s", "generated tokens/s", "rare words right",
            "right with a distractor", "weight on the keys", "weight on the distractor",
        ]  # fmt: skip
        lines = []
        for name in self._names():
            rows = [row for row in self.results if row["contender"] == name]
            copied, agreeing = self._of("copy", name), self._of("agreement", name)
            lines.append([
                name, _span([row["parameters"] for row in rows]),
                _whole([row["train_tokens_per_second"] for row in rows]),
                _whole([row["generate_tokens_per_second"] for row in rows]),
                _mean(_told(copied, "rare")), _mean(_told(agreeing, "misled")),
                _mean(_told(agreeing, "on_keys")), _mean(_told(agreeing, "on_distractor")),
            ])  # fmt: skip
        return [heads, *lines]

    def __repr__(self) -> str:
        parts = [f"{title}\n{as_text(table)}" for title, table in self.tables.items()]
        if self.missing:
            parts.append(f"not done yet: {len(self.missing)} cells; the same command goes on with them")
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        return "".join(f"<h4>{html.escape(title)}</h4>{as_html(table)}" for title, table in self.tables.items())


def _told(rows: Iterable[Mapping[str, Any]], name: str) -> list[float]:
    return [row["score"][name] for row in rows if row["score"][name] is not None]


def _spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _mean(values: Sequence[float]) -> str:
    """``0.987 ± 0.004``: mean and standard deviation; – without values."""
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {_spread(values):.3f}" if len(values) > 1 else mean


def _whole(values: Sequence[float]) -> str:
    """Geometric mean over tasks and seeds, to two digits."""
    values = [value for value in values if value > 0]  # a template that fits nothing writes nothing
    return f"{float(f'{statistics.geometric_mean(values):.2g}'):,.0f}" if values else "–"


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def as_text(table: Table) -> str:
    """Align the columns of a table."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in table)


def as_html(table: Table) -> str:
    """Write a table without colours of its own, so that it reads in light and dark."""
    left = 'style="text-align:left"'
    rows = [
        "".join(f"<{tag} {left}>{html.escape(cell)}</{tag}>" for cell in row)
        for row, tag in ((row, "td" if at else "th") for at, row in enumerate(table))
    ]
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
