"""Names of runs: which can be one, which are taken, and what a corpus without one gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn_widgets import api
from attn_widgets.api.store import next_free, place
from attn_widgets.config import StoreConfig
from attn_widgets.errors import ConfigError, RunError
from attn_widgets.run import Run
from tests.tiny import TEXT, TINY, quick, refused

pytestmark = pytest.mark.usefixtures("somewhere")


@pytest.mark.parametrize("name", ["con", "NUL", "aux.v2", "com1", "LPT9", "prn", "mine."])
def test_names_that_windows_keeps_for_itself(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^--name .* cannot be a folder's name on Windows; try 'run-"):
        place(StoreConfig(name=name), "text")


@pytest.mark.parametrize("name", ["control", "com", "comet1", "null", "a.con", "com10"])
def test_names_that_only_look_like_these(name: str) -> None:
    assert place(StoreConfig(name=name), "text").name == name


@pytest.mark.parametrize("stem", ["x" * 250, "ж" * 120])
def test_a_file_with_a_long_name(stem: str) -> None:
    Path(f"{stem}.txt").write_text(TEXT)
    names = [api.train(f"{stem}.txt", show=False, **{**TINY, "steps": 1}).name for _ in range(2)]
    assert names == [stem[:80], f"{stem[:80]}-2"]
    resumed = api.train(f"{stem}.txt", show=False, resume=True, steps=2)
    assert resumed.name == names[1]


def test_the_next_free_number(tmp_path: Path) -> None:
    for name in ("text", "text-2", "text-4"):
        (tmp_path / name).mkdir()
    assert [next_free(tmp_path / name).name for name in ("text", "text-2", "text-3", "v-x")] == [
        "text-3", "text-3", "text-5", "v-x-2",
    ]  # fmt: skip


def test_training_again_without_a_name_loses_nothing() -> None:
    assert [quick().name for _ in range(3)] == ["text", "text-2", "text-3"]
    assert [p.parent.name for p in sorted(Path("attn_runs").glob("*/run.json"))] == ["text", "text-2", "text-3"]


def test_a_taken_name_is_refused_and_stays() -> None:
    history = quick(name="mine").history
    assert refused(RunError, name="mine", steps=1) == (
        "--name mine: this run is there already; add --resume or --overwrite, or take another name"
    )
    assert Run.load("mine").history == history


def test_a_folder_that_is_no_run_is_never_replaced() -> None:
    Path("attn_runs/mine").mkdir(parents=True)
    Path("attn_runs/mine/thesis.tex").touch()
    told = refused(RunError, name="mine", overwrite=True)
    assert told == "--name mine: attn_runs/mine is no run, and stays; take another name"
    assert Path("attn_runs/mine/thesis.tex").exists()


@pytest.mark.parametrize(
    "name", ["../mine", "a/b", "/tmp/mine", "..", ".", ".hidden", "", "--resume", "a b", "x" * 101]
)
def test_names_that_are_no_folder_in_the_store(name: str, somewhere: Path) -> None:
    told = refused(ConfigError, name=name)
    assert told == (
        f"--name {name!r} cannot be a folder's name; use letters, digits, '_', '-' and '.', not '-' or '.' first"
    )
    assert not [*somewhere.iterdir()]
