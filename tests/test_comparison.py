"""The comparison: cells run, stay, are gone on with, and become tables."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

import attn_widgets
from attn_widgets.comparison import CONTENDERS, COURSES, Comparison, cells
from attn_widgets.config import MECHANISMS_OF
from attn_widgets.errors import ConfigError, RunError
from attn_widgets.text.tasks import TASKS
from tests.children import child


def test_every_article_model_meets_every_task() -> None:
    found = cells((), (), 3, quick=False)
    assert len(set(found)) == len(found)
    assert {cell.task for cell in found} == set(COURSES) <= set(TASKS)
    assert {cell.contender for cell in found} == set(CONTENDERS)
    assert {cell.contender for cell in found if cell.task == "dates"} == set(CONTENDERS) - {"transformer, 1 layer"}
    assert [cell.seed for cell in found] == sorted(cell.seed for cell in found)


def test_all_get_the_same_budget() -> None:
    for quick in (False, True):
        steps = {(cell.task, cell.steps) for cell in cells((), (), 1, quick=quick)}
        assert len(steps) == len(COURSES)


def test_contenders_are_models_that_there_are() -> None:
    for contender in CONTENDERS.values():
        for options in (contender.pairs, contender.text):
            if options:
                assert options.get("attention", "scaled_dot") in MECHANISMS_OF[options["model"]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    """A real comparison in processes of its own: counts, templates and a model that is trained."""
    folder = tmp_path_factory.mktemp("compare")
    models = ["template", "n-gram", "GRU dot"]
    found = attn_widgets.compare("agreement", models=models, quick=True, seeds=2, folder=str(folder), show=False)
    return found, folder


def test_results_hold_what_was_measured(finished: tuple[Comparison, Path]) -> None:
    found, folder = finished
    assert not found.missing
    assert len(found.results) == 6
    for row in found.results:
        assert 0 <= row["score"]["accuracy"] <= 1
        assert row["train_tokens_per_second"] > 0
        assert list(row["score"]["groups"]) == [f"distance {n}" for n in (1, 2, 4, 8, 16)]
    assert len(list(folder.glob("agreement-*.json"))) == 6


def test_tables_are_means_and_deviations(finished: tuple[Comparison, Path]) -> None:
    found, _ = finished
    told = [row["score"]["accuracy"] for row in found.results if row["contender"] == "GRU dot"]
    table = found.tables["Share of right answers"]
    assert table[0] == ["model", "agreement"]
    assert table[-1] == ["GRU dot", f"{statistics.fmean(told):.3f} ± {statistics.stdev(told):.3f}"]
    assert "agreement: share of right answers by distance" in repr(found)
    assert found._repr_html_().count("<table>") == len(found.tables)
    assert [row["n"] for row in found.rows()] == [2, 2, 2]


def test_a_comparison_is_saved_and_read(finished: tuple[Comparison, Path], tmp_path: Path) -> None:
    found, folder = finished
    assert repr(Comparison.load(folder / "comparison.json")) == repr(found)
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(RunError, match=r"other\.json is no saved comparison"):
        Comparison.load(tmp_path / "other.json")


def test_finished_cells_are_not_run_again(finished: tuple[Comparison, Path]) -> None:
    _, folder = finished
    path = next(folder.glob("agreement-GRU-dot-seed1-*.json"))
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "seconds": 12345.0}))
    again = attn_widgets.compare("agreement", models=["GRU dot"], quick=True, seeds=2, folder=str(folder), show=False)
    assert [row["seconds"] for row in again.results][1] == 12345.0
    path.write_text(json.dumps(kept))


@pytest.mark.parametrize(
    ("tasks", "options", "message"),
    [
        ("agrement", {}, "--tasks agrement: no such one to compare; there are dates, reverse"),
        ("agreement", {"models": ["LSTM"]}, "--models LSTM: no such one to compare; there are template, n-gram, GRU"),
        ("agreement", {"seeds": 0}, "--seeds must be at least 1; given 0"),
        ("agreement", {"seed": 0}, "compare() has no option seed; did you mean seeds?"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(tasks: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        attn_widgets.compare(tasks, **options)
    assert str(caught.value).startswith(message)


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_an_interrupt_keeps_what_is_finished(tmp_path: Path) -> None:
    """A real SIGINT to a real command, which then goes on."""
    command = [
        sys.executable, "-m", "attn_widgets.cli", "compare", "agreement", "--models", "template", "--models", "GRU",
        "--seeds", "1", "--folder", str(tmp_path / "kept"), "--processes", "1",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "ATTN_PROGRESS"}
    pipe = subprocess.PIPE
    with child(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert "template" in process.stdout.readline()
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: 1 of 2 cells are kept in" in errors
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert "agreement, GRU, seed 0" in again.stdout
    assert "template, seed 0" not in again.stdout
