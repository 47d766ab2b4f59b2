"""A magic's line: quotes, comments, variables; and the completion of its flags."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from attn_widgets.errors import ConfigError
from attn_widgets.flags import Variable
from attn_widgets.magics import AttnMagics, register
from attn_widgets.magics.line import split

LONE = 'a lone quote or backslash in {}; put the whole text in double quotes: "I don\'t know"'


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ('"I love to eat" --seed 3  # pizza', ["I love to eat", "--seed", "3"]),
        ("I love pizza", ["I", "love", "pizza"]),
        ("# only a comment, it's fine", []),
        ("C#   # a language", ["C#"]),
        ('"# 1"', ["# 1"]),
        ('--probe="a b" c', ["--probe=a b", "c"]),
        ("'a b' ''", ["a b", ""]),
        ('"I don\'t know"', ["I don't know"]),
        (r"don\'t", ["don't"]),
        (r'"he said \"hi\""', ['he said "hi"']),
        ("{x} $5 `ls` %y", ["{x}", "$5", "`ls`", "%y"]),
        ("$n --seed $n", [Variable("n", 3), "--seed", Variable("n", 3)]),
        ("'$n' \"$m\"", ["$n", "$m"]),
        ("", []),
    ],
)
def test_split(line: str, tokens: list[object]) -> None:
    assert split(line, {"n": 3}) == tokens


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        (r"data\story.txt \\server\x --runs C:\new\runs", [r"data\story.txt", r"\\server\x", "--runs", r"C:\new\runs"]),
        (r'"C:\my texts\a.txt" --steps 3', [r"C:\my texts\a.txt", "--steps", "3"]),
        (r'"he said \"hi\""', ['he said "hi"']),
        ("x\\  # a folder", ["x\\"]),
    ],
)
def test_a_backslash_is_a_character_on_windows(line: str, tokens: list[object]) -> None:
    assert split(line, {}, windows=True) == tokens


def test_a_stray_quote_on_windows_shows_what_was_written() -> None:
    with pytest.raises(ConfigError) as caught:
        split(r"x\y's z", {}, windows=True)
    assert str(caught.value) == LONE.format(r"x\y's z")


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("I don't know", "don't know"),
        ("Anna's and Ben's dog", "Anna's and Ben's dog"),
        ("Anna's and Ben's dog, and another one of them # x", "Anna's and Ben's dog, and another one..."),
        ('say "hi', '"hi'),
        ("say \\", "\\"),
        ("x # it's 'quoted", None),
    ],
)
def test_a_stray_quote_says_how_to_quote(line: str, rest: str | None) -> None:
    if rest is None:
        assert split(line, {}) == ["x"]
        return
    with pytest.raises(ConfigError) as caught:
        split(line, {})
    assert str(caught.value) == LONE.format(rest)


def test_an_unknown_variable_says_how_to_quote() -> None:
    with pytest.raises(ConfigError) as caught:
        split("$texts", {})
    assert str(caught.value) == "$texts: no variable of this name; to use the text itself, quote it: '$texts'"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> InteractiveShell:
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell(config=config, ipython_dir=str(tmp_path_factory.mktemp("ipython")))
    register(made)
    register(made)
    return made


def completions(shell: InteractiveShell, cell: str, at: int | None = None) -> list[str]:
    """The texts that replace what stands left of the cursor, as a front end shows them."""
    text = cell.replace("|", "")
    cursor = cell.index("|") if "|" in cell else len(cell)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shell.Completer, "use_jedi", False)
        return [c.text for c in shell.Completer.completions(text, cursor)]


@pytest.mark.filterwarnings("ignore::IPython.core.completer.ProvisionalCompleterWarning")
@pytest.mark.parametrize(
    ("cell", "offered"),
    [
        ("%attn_train --kv", ["--kv-heads"]),
        ("run = %attn_train --kv", ["--kv-heads"]),
        ("%%attn_train --kv|\nbody", ["--kv-heads"]),
        ("x = 1\n%attn_generate hello --top", ["--top-k", "--top-p"]),
        ("%attn_train --optimizer ", ["muon", "adamw"]),
        ("%attn_train --optimizer a", ["adamw"]),
        ("%attn_train --optimizer=a", ["adamw"]),
        ("%attn_view --h", ["--head", "--html", "--help", "--help-all"]),
    ],
)
def test_completion(shell: InteractiveShell, cell: str, offered: list[str]) -> None:
    assert sorted(completions(shell, cell)) == sorted(offered)


@pytest.mark.filterwarnings("ignore::IPython.core.completer.ProvisionalCompleterWarning")
@pytest.mark.parametrize("cell", ["%%attn_train\n--kv", "%attn_other --kv", "print --kv", "%attn_train --steps 3"])
def test_no_completion_where_flags_make_no_sense(shell: InteractiveShell, cell: str) -> None:
    assert completions(shell, cell) == []


@pytest.mark.filterwarnings("ignore::IPython.core.completer.ProvisionalCompleterWarning")
def test_runs_and_paths_complete(shell: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_corpus.txt").touch()
    for name in ("sentences", "mine"):
        (tmp_path / "attn_runs" / name).mkdir(parents=True)
        (tmp_path / "attn_runs" / name / "run.json").touch()
    assert completions(shell, "%attn_generate hello --run ") == ["mine", "sentences"]
    assert completions(shell, "%attn_train my_") == ["my_corpus.txt"]


def test_the_magics_are_registered_once(shell: InteractiveShell) -> None:
    matchers = [m for m in shell.Completer.custom_matchers if getattr(m, "__module__", "").startswith("attn_widgets")]
    assert len(matchers) == 1
    assert {"attn_train", "attn_generate", "attn_view"} <= set(shell.magics_manager.magics["line"])
    assert {"attn_train", "attn_generate"} <= set(shell.magics_manager.magics["cell"])
    assert "attn_view" not in shell.magics_manager.magics["cell"]


def test_question_mark_shows_the_flags(shell: InteractiveShell) -> None:
    doc = shell.object_inspect("%attn_train")["docstring"] or ""
    assert "--learning-rate X" in doc
    assert "--help-all" in doc


def test_config_sets_a_default(shell: InteractiveShell) -> None:
    magics = shell.magics_manager.registry["AttnMagics"]
    assert isinstance(magics, AttnMagics)
    shell.run_line_magic("config", "AttnMagics.steps = 5")
    shell.run_line_magic("config", "AttnMagics.stop = ['.']")
    from attn_widgets.magics.traits import changed

    assert changed(magics, "train") == {"steps": 5}
    assert changed(magics, "generate") == {"stop": (".",)}
    for line in ("seed = 3", "generate_minutes = 0.5", "runs = 'store'"):
        shell.run_line_magic("config", f"AttnMagics.{line}")
    assert changed(magics, "train") == {"steps": 5, "seed": 3, "runs": "store"}
    assert changed(magics, "generate") == {"stop": (".",), "minutes": 0.5, "runs": "store"}
    assert changed(magics, "view") == {"runs": "store"}
