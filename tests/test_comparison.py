"""The comparison: cells run, stay, are gone on with, and become tables."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import attn_widgets
from attn_widgets.comparison import CONTENDERS, COURSES, Cell, Comparison, cells
from attn_widgets.comparison.cell import count_tokens, write_templates
from attn_widgets.comparison.run import run_cells
from attn_widgets.config import MECHANISMS_OF
from attn_widgets.errors import ConfigError, RunError
from attn_widgets.models.template import Templates
from attn_widgets.text.tasks import TASKS, make_task
from tests.children import child


def test_every_article_model_meets_every_task() -> None:
    found = cells((), (), 3, quick=False)
    assert len(set(found)) == len(found)
    assert {cell.task for cell in found} == set(COURSES) <= set(TASKS)
    assert {cell.contender for cell in found} == set(CONTENDERS)
    assert {cell.contender for cell in found if cell.task == "dates"} == set(CONTENDERS) - {"transformer, 1 layer"}
    assert [cell.seed for cell in found] == sorted(cell.seed for cell in found)


def test_what_is_given_twice_is_compared_once() -> None:
    """Else two equal results would make a false deviation of zero."""
    once = cells(["copy", "agreement"], ["GRU", "template"], 2, quick=False)
    assert cells(["copy", "agreement", "copy"], ["GRU", "template", "GRU"], 2, quick=False) == once
    assert len(once) == 8


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


def test_the_chart_has_a_bar_for_every_mean(finished: tuple[Comparison, Path]) -> None:
    found, _ = finished
    drawn = found.chart().to_dict()
    bars = {bar["model"]: bar for bar in next(iter(drawn["datasets"].values()))}
    for name in ("template", "n-gram", "GRU dot"):
        told = [row["score"]["accuracy"] for row in found.results if row["contender"] == name]
        spread = statistics.stdev(told)
        assert bars[name]["task"] == "agreement"
        assert bars[name]["mean"] == pytest.approx(statistics.fmean(told))
        assert bars[name]["high"] - bars[name]["mean"] == pytest.approx(spread)
    one = Comparison([row for row in found.results if row["seed"] == 0])
    assert "±" not in json.dumps(one.chart().to_dict(), ensure_ascii=False)
    with pytest.raises(RunError, match="no cell of this comparison is finished, so there is nothing to draw"):
        Comparison([]).chart()


def test_speed_counts_the_tokens_of_answers_alone() -> None:
    """A template writes the question too: six to fifty words in front of the one word of an answer."""
    task = make_task("agreement", size=4000)
    templates = Templates([task.joined(item.source, item.target) for item in task.train])
    written = write_templates(templates, task)
    answered = [text for text in written if text]
    assert len(answered) > 1000
    assert {len(text.split()) for text in answered} == {1}
    assert count_tokens(task, written) == len(answered)
    dates = make_task("dates", size=1)
    assert count_tokens(dates, ["1976-07-04", "", "2000"]) == 14


def test_a_cell_that_fails_is_kept_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    """Zero steps are refused where the model is trained."""
    wanted, seen = [Cell("agreement", "GRU", 0, 0), Cell("agreement", "template", 0, 10)], []
    for _ in range(2):  # and it is not tried again
        found = run_cells(wanted, tmp_path, processes=1, done=lambda cell, *_: seen.append(cell.contender))
        assert seen == ["template"]
        assert (len(found.results), len(found.missing), len(found.failed)) == (1, 0, 1)
        assert found.tables["Share of right answers"][1:][-1] == ["GRU", "failed"]
        reason = "failed: GRU on agreement, seed 0: --steps must be at least 1; given 0"
        assert reason in repr(found).splitlines()
        assert f"<p>{reason}</p>" in found._repr_html_()
        assert "a failed cell is run again once its file is deleted" in repr(found)
    found.save(tmp_path / "all.json")
    assert repr(Comparison.load(tmp_path / "all.json")) == repr(found)


def test_the_seeds_that_did_not_fail_are_shown(finished: tuple[Comparison, Path]) -> None:
    rows = [row for row in finished[0].results if row["contender"] == "GRU dot"]
    lost = {**{name: rows[1][name] for name in Cell._fields}, "failed": "the loss is nan"}
    table = Comparison.of([rows[0], lost], []).tables["Share of right answers"]
    assert table[1] == ["GRU dot", f"{rows[0]['score']['accuracy']:.3f}, 1 failed"]


def test_a_comparison_is_saved_and_read(finished: tuple[Comparison, Path], tmp_path: Path) -> None:
    found, folder = finished
    assert repr(Comparison.load(folder / "comparison.json")) == repr(found)
    for text in ("[]", "{", '{"results": [3], "missing": []}', '{"results": [{"task": "copy"}], "missing": []}'):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(RunError, match=r"other\.json is no saved comparison"):
            Comparison.load(tmp_path / "other.json")


def test_the_tables_that_are_told_are_those_of_the_numbers_kept() -> None:
    folder = Path(__file__).parent / "benchmarks"
    found = Comparison.load(folder / "compare.json")
    assert len(found.results) == 165
    assert f"```\n{found}\n```" in (folder / "compare.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda row: "{", "Expecting property name"),
        (lambda row: "[1]", "it names no cell"),
        (lambda row: json.dumps({**row, "seed": 7}), "it is of another cell"),
        (lambda row: json.dumps({**row, "score": None}), "it has no score"),
        (lambda row: json.dumps({**row, "seconds": "long"}), "its seconds is no number"),
        (lambda row: json.dumps({**row, "score": {**row["score"], "groups": 1}}), "its score has no groups"),
        (lambda row: json.dumps({**row, "score": {**row["score"], "groups": {"x": None}}}), "its x is no number"),
        (lambda row: json.dumps({name: row[name] for name in ("task", "seed")}), "it names no cell"),
    ],
)
def test_a_damaged_result_is_named(
    finished: tuple[Comparison, Path], tmp_path: Path, damage: Callable[[Any], str], reason: str
) -> None:
    path = next(finished[1].glob("agreement-template-seed0-*.json"))
    (tmp_path / path.name).write_text(damage(json.loads(path.read_text())))
    with pytest.raises(RunError) as error:
        attn_widgets.compare("agreement", models=["template"], quick=True, folder=str(tmp_path), show=False)
    line = str(error.value)
    assert line.startswith(f"{tmp_path / path.name} is damaged ({reason}")
    assert line.endswith("delete it, and the same command runs its cell again")
    assert "\n" not in line


def test_a_folder_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(ConfigError, match=r"--folder .*file.* is no folder and cannot become one \(.*give another"):
            attn_widgets.compare("agreement", models=["template"], quick=True, folder=str(folder), show=False)


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_a_process_that_is_ended_from_outside_is_told_in_one_line(tmp_path: Path) -> None:
    """What a machine without memory does: a real SIGKILL to the first process that has finished a cell."""
    wanted = [Cell("agreement", name, 0, 10) for name in ("template", "GRU")]

    def end_children(*_: object) -> None:
        for worker in multiprocessing.active_children():
            os.kill(worker.pid or 0, signal.SIGKILL)

    with pytest.raises(RunError, match=r"a process of the comparison was ended from outside, .* --processes 1"):
        run_cells(wanted, tmp_path, processes=1, done=end_children)
    assert len(list(tmp_path.glob("agreement-template-*.json"))) == 1


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
        (
            "agreement",
            {"models": ["GRU", "transformer, 1 layer"]},
            "--models 'transformer, 1 layer' takes part in induction alone; given the tasks agreement: add one of",
        ),
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


def test_tasks_that_are_no_list_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"tasks must be a text or a list of texts; given 3; try compare\('dates'\)"):
        attn_widgets.compare(3)  # type: ignore[arg-type]
