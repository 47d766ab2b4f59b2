"""What is said of a run's text: what cannot be one, and what a damaged note of it gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attn_widgets import api
from attn_widgets.api.source import FILE, read_source, simplify
from attn_widgets.errors import AttnError, ConfigError, RunError


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path("attn_runs").exists()


@pytest.mark.parametrize("corpus", [5, b"story.txt", ["story.txt", 5], [None], {"story.txt": 1}])
def test_what_is_no_corpus(corpus: Any) -> None:
    given = corpus[-1] if isinstance(corpus, list) else corpus
    with pytest.raises(ConfigError, match=re.escape(f"corpus must be a name or paths; given {given!r}")):
        api.train(corpus, show=False)


@pytest.mark.parametrize("corpus", ["", " ", ["", "story.txt"]])
def test_an_empty_word_is_not_this_folder(corpus: Any) -> None:
    Path("story.txt").write_text("the cat sat on the mat. " * 100)
    with pytest.raises(AttnError, match="is no path; give a file, a folder or a glob"):
        api.train(corpus, show=False)


def test_one_word_is_one_word() -> None:
    assert simplify(["python-docs"]) == "python-docs"
    assert simplify([Path("a"), "b"]) == [Path("a"), "b"]
    assert simplify(None) is None


@pytest.mark.parametrize("text", ["5", "[]", "{}", "null", "{", '{"corpus": null}'])
def test_a_damaged_note_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RunError, match=r"is damaged: text.json .*; train again with --overwrite$"):
        read_source(tmp_path)
