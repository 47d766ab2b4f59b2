"""Names of runs: which can be one, and what a corpus with a long name gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn_widgets import api
from attn_widgets.api.store import next_free, place
from attn_widgets.config import StoreConfig
from attn_widgets.errors import ConfigError
from tests.tiny import TEXT, TINY


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
