"""The result of a comparison as tables: mean and standard deviation over the seeds."""

from __future__ import annotations

import html
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_widgets.charts import bars_with_spread
from attn_widgets.comparison.grid import CONTENDERS, COURSES
from attn_widgets.comparison.results import Row, checked
from attn_widgets.errors import RunError
from attn_widgets.tables import as_html, as_text

if TYPE_CHECKING:
    import altair as alt

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
    failed
        One dict for each cell that failed, its reason under ``failed``.
    """

    results: Sequence[Row]
    missing: Sequence[str] = ()
    failed: Sequence[Row] = ()

    @classmethod
    def of(cls, rows: Sequence[Row], missing: Sequence[str]) -> Comparison:
        """Put cells together, those that failed apart from the others."""
        return cls([row for row in rows if "failed" not in row], missing, [row for row in rows if "failed" in row])

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
            rows = [checked(row) for row in (*found["results"], *found.get("failed", ()))]
            return cls.of(rows, [str(name) for name in found["missing"]])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path} is no saved comparison ({error}); attn-widgets compare writes one") from error

    def save(self, path: str | Path) -> None:
        """Write all results as one JSON file."""
        data = {"results": list(self.results), "missing": list(self.missing), "failed": list(self.failed)}
        Path(path).write_text(json.dumps(data, indent=1))

    @property
    def tables(self) -> dict[str, Table]:
        """Tables by title, the first row of each its heads."""
        tables = {"Share of right answers": self._accuracy()}
        for task, course in COURSES.items():
            if course.shown and self._of(task):
                what = "tokens" if course.by_token else "answers"
                tables[f"{task}: share of right {what} by {course.shown}"] = self._by_group(task)
        return {**tables, "Claims": self._claims()} if self.results else tables

    def rows(self) -> list[Row]:
        """Accuracies as rows of a chart: task, model, mean, standard deviation (None for one seed), number of seeds."""
        return [
            {"task": task, "model": name, "mean": statistics.fmean(values), "sd": _spread(values), "n": len(values)}
            for task in COURSES
            for name in CONTENDERS
            if (values := [row["score"]["accuracy"] for row in self._of(task, name)])
        ]

    def chart(self) -> alt.FacetChart:
        """Draw the share of right answers of each model, with its standard deviation, side by side for each task.

        Raises
        ------
        RunError
            When no cell is finished.
        """
        if not self.results:
            raise RunError("no cell of this comparison is finished, so there is nothing to draw; run it again")
        return bars_with_spread(self.rows(), unit="share of right answers", domain=(0, 1))

    def _of(self, task: str, contender: str = "") -> list[Row]:
        return [r for r in self.results if r["task"] == task and contender in ("", r["contender"])]

    def _names(self, rows: Sequence[Row]) -> list[str]:
        there = {row["contender"] for row in rows}
        return [name for name in CONTENDERS if name in there]

    def _accuracy(self) -> Table:
        run = [*self.results, *self.failed]
        there = {row["task"] for row in run}
        tasks = [task for task in COURSES if task in there]
        return [["model", *tasks], *([name, *(self._right(task, name) for task in tasks)] for name in self._names(run))]

    def _right(self, task: str, name: str) -> str:
        """``0.987 ± 0.004``, ``failed``, or both where some seeds failed."""
        values = [row["score"]["accuracy"] for row in self._of(task, name)]
        failed = sum((row["task"], row["contender"]) == (task, name) for row in self.failed)
        if not failed:
            return _mean(values)
        return f"{_mean(values)}, {failed} failed" if values else "failed"

    def _by_group(self, task: str) -> Table:
        groups = list(dict.fromkeys(group for row in self._of(task) for group in row["score"]["groups"]))
        lines = []
        for name in self._names(self.results):
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
        for name in self._names(self.results):
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

    def _notes(self) -> list[str]:
        """Lines on what is not in the tables."""
        lines = [
            f"failed: {row['contender']} on {row['task']}, seed {row['seed']}: {row['failed']}" for row in self.failed
        ]
        if self.failed:
            lines.append("a failed cell is run again once its file is deleted from the folder of the comparison")
        if self.missing:
            lines.append(f"not done yet: {len(self.missing)} cells; the same command goes on with them")
        return lines

    def __repr__(self) -> str:
        parts = [f"{title}\n{as_text(table)}" for title, table in self.tables.items()]
        notes = self._notes()
        return "\n\n".join([*parts, "\n".join(notes)] if notes else parts)

    def _repr_html_(self) -> str:
        tables = (f"<h4>{html.escape(title)}</h4>{as_html(table)}" for title, table in self.tables.items())
        return "".join([*tables, *(f"<p>{html.escape(line)}</p>" for line in self._notes())])


def _told(rows: Iterable[Mapping[str, Any]], name: str) -> list[float]:
    return [row["score"][name] for row in rows if row["score"][name] is not None]


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _mean(values: Sequence[float]) -> str:
    """``0.987 ± 0.004``: mean and standard deviation; – without values."""
    if not values:
        return "–"
    mean, spread = f"{statistics.fmean(values):.3f}", _spread(values)
    return mean if spread is None else f"{mean} ± {spread:.3f}"


def _whole(values: Sequence[float]) -> str:
    """Geometric mean over tasks and seeds, to two digits."""
    values = [value for value in values if value > 0]  # a template that fits nothing writes nothing
    return f"{float(f'{statistics.geometric_mean(values):.2g}'):,.0f}" if values else "–"


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"
