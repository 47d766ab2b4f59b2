"""What a search by cross-validation found: one loss for each configuration and fold, on disk after each.

Knows neither corpus nor model: ``api.searching`` trains, this remembers, compares and draws. Losses are those of the
best validation of a training, in nats per token and per character.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from attn_widgets.charts.theme import BLUE, INK, ORANGE, inline, themed
from attn_widgets.errors import ConfigError, RunError
from attn_widgets.flags import combinations, told
from attn_widgets.tables import as_html, as_text
from attn_widgets.training.storage import write_file

if TYPE_CHECKING:
    import altair as alt

FILE = "search.json"
VERSION = 1
OTHER_TOKENS = ("tokenizer", "vocab_size")
"""Options under which a token is another thing, so that only losses per character can be compared."""


class Cell(NamedTuple):
    """One training: a configuration on a fold.

    Attributes
    ----------
    choice, fold
        Number of the configuration, and of the fold that was held out.
    loss, nats_per_character
        Of the best validation; None where the training diverged.
    seconds
        That it took.
    """

    choice: int
    fold: int
    loss: float | None
    nats_per_character: float | None
    seconds: float


class Mean(NamedTuple):
    """A mean over folds and its standard error, s / √k; None where there is none."""

    mean: float | None
    error: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Mean and standard error of some values."""
        if not values or not all(map(math.isfinite, values)):
            return cls(None, None)
        return cls(fmean(values), stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None)

    def __str__(self) -> str:
        if self.mean is None:
            return "–"
        return f"{self.mean:.4f}" if self.error is None else f"{self.mean:.4f} ± {self.error:.4f}"


class SearchRow(NamedTuple):
    """One configuration.

    Attributes
    ----------
    options
        What it was given.
    loss, nats_per_character
        Validation loss over the folds that are done.
    behind
        How much more loss than the best one, fold by fold: this leaves out that some folds are harder.
    folds
        Number of folds that are done.
    seconds
        Of one training, on average.
    """

    options: dict[str, Any]
    loss: Mean
    nats_per_character: Mean
    behind: Mean
    folds: int
    seconds: float

    @property
    def diverged(self) -> bool:
        """Whether a training gave no finite loss."""
        return self.folds > 0 and self.loss.mean is None


@dataclass(frozen=True)
class SearchResult:
    """Losses of all configurations in k folds.

    Attributes
    ----------
    grid
        Option → the values to try; every combination is one configuration.
    folds
        Number of folds.
    base
        The other options that were given.
    cells
        The trainings that are done.
    """

    grid: dict[str, tuple[Any, ...]]
    folds: int
    base: dict[str, Any] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()

    @property
    def choices(self) -> list[dict[str, Any]]:
        """All configurations, in the order of ``Cell.choice``."""
        return combinations(self.grid)

    @property
    def missing(self) -> list[tuple[int, int]]:
        """Pairs (fold, choice) that are not done, fold after fold: what is done early compares all configurations."""
        done = {(cell.fold, cell.choice) for cell in self.cells}
        cells = ((fold, choice) for fold in range(self.folds) for choice in range(len(self.choices)))
        return [cell for cell in cells if cell not in done]

    @property
    def rows(self) -> list[SearchRow]:
        """One for each configuration, the best first; those that are not done or diverged stand last."""
        losses = [self._losses(choice) for choice in range(len(self.choices))]
        ranked = sorted(range(len(losses)), key=lambda choice: self._rank(losses[choice]))
        return [self._row(choice, losses[ranked[0]]) for choice in ranked]

    @property
    def best(self) -> SearchRow | None:
        """The configuration with the lowest mean loss among those done in all folds; None before there is one."""
        first = self.rows[0]
        return first if first.folds == self.folds and not first.diverged else None

    @property
    def by_character(self) -> bool:
        """Whether configurations have different tokens, so that the loss per character decides."""
        return any(len(self.grid.get(name, ())) > 1 for name in OTHER_TOKENS)

    def with_cell(self, cell: Cell) -> SearchResult:
        """Add one training."""
        return SearchResult(self.grid, self.folds, self.base, (*self.cells, cell))

    def _losses(self, choice: int) -> dict[int, float]:
        """Fold → what decides."""
        cells = (cell for cell in self.cells if cell.choice == choice)
        return {cell.fold: _number(cell.nats_per_character if self.by_character else cell.loss) for cell in cells}

    def _rank(self, losses: Mapping[int, float]) -> tuple[bool, float]:
        mean = fmean(losses.values()) if losses else math.inf
        return len(losses) < self.folds or not math.isfinite(mean), mean

    def _row(self, choice: int, best: Mapping[int, float]) -> SearchRow:
        cells = [cell for cell in self.cells if cell.choice == choice]
        own = self._losses(choice)
        behind = Mean.of([own[fold] - best[fold] for fold in own if fold in best])
        return SearchRow(
            self.choices[choice], Mean.of([_number(cell.loss) for cell in cells]),
            Mean.of([_number(cell.nats_per_character) for cell in cells]), behind, len(cells),
            fmean(cell.seconds for cell in cells) if cells else 0.0,
        )  # fmt: skip

    def chart(self) -> alt.LayerChart:
        """Draw mean ± standard error of each configuration, the best on top.

        Raises
        ------
        ConfigError
            When no training is done.
        """
        import altair as alt

        unit = "nats per character" if self.by_character else "nats per token"
        points = []
        for row in self.rows:
            mean, error = row.nats_per_character if self.by_character else row.loss
            if mean is not None:
                spread = error or 0.0
                points.append({"options": told(row.options), "loss": mean, "low": mean - spread, "high": mean + spread,
                               "said": str(Mean(mean, error))})  # fmt: skip
        if not points:
            raise ConfigError("no training of the search is done yet, so there is nothing to draw")
        y = alt.Y("options:N", title=None, sort=None, axis=alt.Axis(labelLimit=400))
        x = alt.X("loss:Q", title=f"validation loss ({unit})", scale=alt.Scale(zero=False, padding=24))
        first = alt.datum.options == points[0]["options"]
        colour = alt.condition(first, alt.value(ORANGE), alt.value(BLUE))
        base = alt.Chart(inline(points)).encode(y=y, tooltip=["options:N", "said:N"])
        line = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", scale=x["scale"]), x2="high:Q", color=colour)
        dot = base.mark_point(filled=True, size=70, opacity=1).encode(x=x, color=colour)
        words = base.mark_text(dy=-10, color=INK).encode(x=x, text="said:N")
        note = f"{self.folds}-fold cross-validation; point: mean, line: one standard error to each side"
        layers, head = alt.layer(line, dot, words), alt.Title("Configurations", subtitle=note)
        chart: alt.LayerChart = themed(layers.properties(title=head, width=360, height=alt.Step(34)))
        return chart

    def table(self) -> list[list[str]]:
        """Head and rows as texts."""
        lines = [[*self.grid, "nats per token", "per character", "behind the best", "folds", "s each"]]
        for place, row in enumerate(self.rows):
            behind = "" if place == 0 else str(row.behind)
            loss = "diverged" if row.diverged else str(row.loss)
            values = [told({"": value})[1:] for value in row.options.values()]
            lines.append([*values, loss, str(row.nats_per_character), behind, f"{row.folds}/{self.folds}",
                          f"{row.seconds:.1f}"])  # fmt: skip
        return lines

    def __repr__(self) -> str:
        return as_text(self.table())

    def _repr_html_(self) -> str:
        caption = f"{self.folds}-fold cross-validation, mean ± standard error; the best first"
        return as_html(self.table(), caption=caption)

    def save(self, folder: Path) -> None:
        """Write it into a run's folder, whole or not at all."""
        data = {"version": VERSION, **asdict(self), "cells": [cell._asdict() for cell in self.cells]}
        write_file(folder / FILE, json.dumps(data, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def read_search(folder: Path) -> SearchResult | None:
    """Read what a run's search found; None where nothing was searched.

    Raises
    ------
    RunError
        When it is damaged.
    """
    try:
        found = json.loads((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(folder, error) from error
    try:
        grid = {name: tuple(values) for name, values in found["grid"].items()}
        return SearchResult(grid, found["folds"], found["base"], tuple(Cell(**cell) for cell in found["cells"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> RunError:
    return RunError(f"run {folder.name!r} is damaged: {FILE} ({error}); search again with --overwrite")


def _number(value: float | None) -> float:
    return math.inf if value is None else value
