"""The magics in a real IPython shell: what they return, print, display and refuse."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output
from traitlets.config import Config

from attn_widgets import api
from attn_widgets.api import state
from attn_widgets.api.heavy import interrupt_afterwards
from attn_widgets.errors import AttnError
from attn_widgets.magics import register
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.run import Generation, Run
from tests.tiny import FLAGS, TEXT, TINY


class Cell(NamedTuple):
    """What came of a cell."""

    out: str
    displayed: list[RichOutput]
    error: BaseException | None
    value: Any


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one run, ``sentences``."""
    folder = tmp_path_factory.mktemp("trained")
    api.train(runs=str(folder / "attn_runs"), show=False, **TINY)
    return folder


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell in an empty folder, and nothing trained before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    monkeypatch.setattr(state, "_last", None)
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    register(shell)
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def shell_with_run(shell: InteractiveShell, trained: Path, tmp_path: Path) -> InteractiveShell:
    """A shell whose last run is a copy of the trained one."""
    shutil.copytree(trained / "attn_runs", tmp_path / "attn_runs")
    state.remember(Run.load("sentences"))
    return shell


def run_cell(shell: InteractiveShell, cell: str) -> Cell:
    with capture_output() as captured:
        result = shell.run_cell(cell)
    return Cell(captured.stdout, captured.outputs, result.error_in_exec or result.error_before_exec, result.result)


def left_behind() -> list[str]:
    """What a cell wrote, IPython's own folder apart."""
    return [name for name in os.listdir() if name != ".ipython"]


def test_train_returns_the_run(shell: InteractiveShell) -> None:
    cell = run_cell(shell, f"run = %attn_train {FLAGS} --name mine   # it's only a moment")
    run = shell.user_ns["run"]
    assert isinstance(run, Run)
    assert (run.name, cell.error, cell.displayed) == ("mine", None, [])
    assert cell.out.startswith("trained on sentences: 3 steps\n")
    assert api.last_run() is run


def test_train_unassigned_displays_the_run_unless_silenced(shell: InteractiveShell) -> None:
    assert isinstance(run_cell(shell, f"%attn_train {FLAGS}").value, Run)
    assert run_cell(shell, f"%attn_train {FLAGS};").value is None


def test_run_all_twice_works(shell: InteractiveShell) -> None:
    cells = [f"run = %attn_train {FLAGS}", '%attn_generate "I love to eat pizza"', "panel = %attn_view"]
    for _ in range(2):
        assert [run_cell(shell, cell).error for cell in cells] == [None, None, None]
    assert sorted(p.parent.name for p in Path("attn_runs").glob("*/run.json")) == ["sentences", "sentences-2"]


def test_a_cells_body_is_the_corpus(shell: InteractiveShell) -> None:
    assert run_cell(shell, f"%%attn_train {FLAGS}\n{TEXT}").error is None
    run = api.last_run()
    assert run.corpus.name == "text"
    assert run.corpus.source == f"{len(TEXT) + 1:,} characters of text"


def test_a_variable_is_the_corpus(shell: InteractiveShell) -> None:
    shell.user_ns["texts"] = [TEXT, TEXT.upper(), TEXT.title()]
    shell.user_ns["n"] = 2
    assert run_cell(shell, f"%attn_train $texts {FLAGS} --steps $n").error is None
    run = api.last_run()
    assert run.tokenizer.end_id is not None, "three documents"
    assert len(run.history.train) == 2


def test_files_are_the_corpus(shell: InteractiveShell) -> None:
    for name in ("one two.txt", "b.txt"):
        Path(name).write_text(TEXT)
    assert run_cell(shell, f'%attn_train "one two.txt" {FLAGS}').error is None
    assert api.last_run().corpus.name == "one-two"
    assert run_cell(shell, f"%attn_train *.txt {FLAGS}").error is None
    assert api.last_run().corpus.source.startswith("2 files")


@pytest.mark.parametrize(
    "line", ["%attn_train --help", "%attn_train --help-all", "%attn_generate -h", "%attn_view --help"]
)
def test_help_is_printed_and_nothing_starts(shell: InteractiveShell, line: str) -> None:
    cell = run_cell(shell, line)
    assert cell.out.startswith(line.split()[0])
    assert ("--kv-heads" in cell.out) == line.endswith("all")
    assert (cell.value, cell.error, left_behind()) == (None, None, [])


def test_generate_prints_the_text_once(shell_with_run: InteractiveShell) -> None:
    cell = run_cell(shell_with_run, '%attn_generate "I love to eat" --max-new-tokens 5 --ignore-end')
    assert isinstance(cell.value, Generation)
    assert cell.out == f"{cell.value.text.lstrip()}\nOut[0]: {cell.value!r}\n"


def test_generate_assigned_is_displayed_when_asked_for(shell_with_run: InteractiveShell) -> None:
    run_cell(shell_with_run, "generation = %attn_generate I love to eat --max-new-tokens 5 --ignore-end")
    generation = shell_with_run.user_ns["generation"]
    assert isinstance(generation, Generation)
    assert generation.prompt == "I love to eat"
    assert run_cell(shell_with_run, "generation").out == f"Out[0]: {generation!r}\n"


def test_generate_takes_words_a_body_or_a_variable(shell_with_run: InteractiveShell) -> None:
    shell_with_run.user_ns["prompt"] = "I love"
    prompts = []
    for cell in (
        "%attn_generate I --seed 3 love",
        '%attn_generate "I love"',
        "%attn_generate $prompt",
        "%%attn_generate\nI love\n",
    ):
        prompts.append(run_cell(shell_with_run, cell).value.prompt)
    assert prompts == ["I love"] * 4
    assert run_cell(shell_with_run, "%attn_generate").value.prompt == "I love to eat pizza"


def test_prose_is_never_expanded(shell_with_run: InteractiveShell) -> None:
    shell_with_run.user_ns["x"] = "EXPANDED"
    assert run_cell(shell_with_run, '%attn_generate "{x} $x"').value.prompt == "{x} $x"


def test_unknown_words_are_said(shell_with_run: InteractiveShell) -> None:
    out = run_cell(shell_with_run, "_ = %attn_generate I love zebras").out
    assert out.endswith("note: the prompt has words that the model never saw, read as ‹unknown›: 'zebras'\n")


def test_generate_by_the_name_of_a_run(shell_with_run: InteractiveShell) -> None:
    state._last = None
    cell = run_cell(shell_with_run, "%attn_generate I love --run sentences --ablate L0H1 --max-new-tokens 3")
    assert cell.error is None
    assert api.last_run().name == "sentences"


def test_view_returns_the_panel_and_displays_it_only_unassigned(shell_with_run: InteractiveShell) -> None:
    assigned = run_cell(shell_with_run, 'panel = %attn_view "I love to eat pizza" --head 1')
    panel = shell_with_run.user_ns["panel"]
    assert isinstance(panel, HeadPanel)
    assert (panel.head, assigned.displayed) == (1, [])
    shown = run_cell(shell_with_run, '%attn_view "I love to eat pizza"')
    assert isinstance(shown.value, HeadPanel)
    kinds = [kind for output in shown.displayed for kind in output.data]
    assert kinds.count("application/vnd.jupyter.widget-view+json") == 1
    assert kinds.count("text/html") == 1


def test_view_writes_a_page(shell_with_run: InteractiveShell) -> None:
    cell = run_cell(shell_with_run, "panel = %attn_view I love --html page.html")
    assert cell.out.endswith("page.html\n")
    assert Path("page.html").stat().st_size > 1000


def test_config_changes_defaults_and_the_line_wins(shell: InteractiveShell) -> None:
    for line in ("steps = 2", "heads = 1", "dim = 16", "minutes = 60."):
        run_cell(shell, f"%config AttnMagics.{line}")
    shell.user_ns["text"] = TEXT
    assert run_cell(shell, "run = %attn_train $text --layers 1 --context 16 --batch 2 --steps 2 --name a").error is None
    run = shell.user_ns["run"]
    assert (run.model_config.heads, run.train_config.steps, run.train_config.minutes) == (1, 2, None)
    run_cell(shell, "%config AttnMagics.heads = 2")
    assert run_cell(shell, "run = %attn_train $text --resume --name a --steps 3").error is None
    assert shell.user_ns["run"].model_config.heads == 1, "a resumed run keeps its own options"
    run_cell(shell, "%config AttnMagics.name = 'a'")
    assert run_cell(shell, "run = %attn_train $text --resume --steps 4").error is None
    assert (shell.user_ns["run"].name, len(shell.user_ns["run"].history.train)) == ("a", 4)


def write_bad_files() -> None:
    Path("empty.txt").touch()
    Path("one.txt").write_text("a")
    Path("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 20)
    Path("latin.txt").write_bytes(("caf\u00e9 " * 400).encode("latin-1"))


BAD = [
    ("%attn_train --hed 3", "--hed: no such flag; did you mean --heads?"),
    ("%attn_train --steps many", "--steps must be a whole number; given 'many'"),
    ("%attn_train --steps 1e3", "--steps must be a whole number; given '1e3'; try 1000"),
    ("%attn_train --steps 0", "--steps must be at least 1; given 0"),
    ("%attn_train --learning-rate -1", "--learning-rate must be above 0; given -1.0"),
    ("%attn_train --learning-rate nan", "--learning-rate must be a finite number; given nan"),
    ("%attn_train --heads 5", "--heads 5 does not divide --dim 64; try --heads 2 or 4"),
    ("%attn_train --optimizer adam", "--optimizer must be muon or adamw; given 'adam'; did you mean adamw?"),
    ("%attn_train --steps 3 --minutes 1", "--steps 3 and --minutes 1 exclude each other; give one"),
    ("%attn_train --resume --overwrite", "--resume and --overwrite exclude each other; give one of them"),
    ("%attn_train --name ../x", "--name '../x' cannot be a folder's name; use letters, digits, '_', '-' and '.'"),
    ("%attn_train --name /tmp/x", "--name '/tmp/x' cannot be a folder's name; use letters, digits, '_', '-' and '.'"),
    ("%attn_train --resume --name mine", "--resume --name mine: no such run; there is no run in attn_runs yet"),
    ("%attn_train --runs one.txt", "one.txt is no folder; give another folder"),
    ("%attn_train --context 4000 $text", "--context 4000 is longer than the text of "),
    ("%attn_train empty.txt", "empty.txt"),
    ("%attn_train one.txt", "one.txt"),
    ("%attn_train missing.txt", "missing.txt"),
    ("%attn_train picture.png", "picture.png"),
    ("%attn_train latin.txt", "latin.txt"),
    ("%attn_train no/such/*.txt", "no/such/*.txt"),
    ("%attn_train don't", "a lone quote or backslash in don't; put the whole text in double quotes"),
    ("%attn_train $nothing", "$nothing: no variable of this name; to use the text itself, quote it: '$nothing'"),
    ("%attn_train $number", "the text holds int 7; give a str or a list of str"),
    ("%attn_train $none", "$none is None; give a text or a list of texts, or no word for the default"),
    ('%attn_train ""', "'' is no path; give a file, a folder or a glob ('.' is this folder)"),
    ("%attn_train $text more.txt", "$text must be the only corpus; to join several texts, make one list of them"),
    ("%%attn_train more.txt\nbody", "%%attn_train trains on the cell's body; for what its line names use %attn_train"),
    ("%%attn_train\nword", "too short"),
    ("%%attn_train\n ", "the text is empty; give a few thousand characters or more"),
    ("%attn_generate hello", "nothing is trained yet: train first, or name a run with --run NAME; there is no run"),
    ("%attn_generate hello --run mine", "--run mine: no such run; there is no run in attn_runs yet"),
    ("%attn_generate hello --top-p 2", "--top-p must be at most 1; given 2.0"),
    ("%attn_generate --temperature -1", "--temperature must be at least 0; given -1.0"),
    ("%attn_generate --greedy --temperature 1", "--greedy and --temperature 1.0 exclude each other; give one of them"),
    ("%attn_generate I don't know", "a lone quote or backslash in don't know; put the whole text in double quotes"),
    ("%attn_generate $number", "$number must be text; given int"),
    ("%%attn_generate words\nbody", "%%attn_generate continues the cell's body; for a prompt on the line use"),
    ("%attn_view", "nothing is trained yet: train first, or name a run with --run NAME; there is no run"),
    ("%attn_view --layer -1", "--layer must be at least 0; given -1"),
    ("%attn_view --heads 3", "--heads: no such flag; did you mean --head?"),
]


@pytest.mark.parametrize(("cell", "message"), BAD, ids=[cell for cell, _ in BAD])
def test_what_cannot_work_is_one_red_line_and_starts_nothing(shell: InteractiveShell, cell: str, message: str) -> None:
    shell.user_ns.update(text=TEXT, number=7, none=None)
    write_bad_files()
    before = left_behind()
    done = run_cell(shell, cell)
    assert isinstance(done.error, AttnError), "a real error, so that Run All stops and nbval fails"
    (line,) = done.out.splitlines()
    assert re.fullmatch(r"\x1b\[31m\w+Error: .*\x1b\[0m", line), line
    assert message in line
    assert sorted(left_behind()) == sorted(before)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%attn_generate hello --ablate H1", "H1"),
        ("%attn_generate hello --ablate L7H0", "L7H0"),
        ("%attn_view I love --head 9", "--head 9 does not exist; there are 2: 0 to 1"),
        ("%attn_view I love --layer 7", "--layer 7 does not exist; there are 1: 0 to 0"),
        ("%attn_train --name sentences", "--name sentences: this run is there already; add --resume or --overwrite"),
        ("%attn_train --name sentences --resume --dim 32", "--dim 32 cannot be: run 'sentences' has --dim 16"),
    ],
)
def test_what_cannot_work_with_a_run(shell_with_run: InteractiveShell, cell: str, message: str) -> None:
    history = api.last_run().history
    done = run_cell(shell_with_run, cell)
    assert isinstance(done.error, AttnError)
    (line,) = done.out.splitlines()
    assert message in line
    assert Run.load("sentences").history == history
    assert [p.parent.name for p in Path("attn_runs").glob("*/run.json")] == ["sentences"]


class Impatient:
    """Texts of somebody who presses the stop button while they are read."""

    def __iter__(self) -> Iterator[str]:
        os.kill(os.getpid(), signal.SIGINT)
        yield TEXT


def test_an_interrupt_before_training_is_one_line(shell: InteractiveShell) -> None:
    shell.user_ns["texts"] = Impatient()
    done = run_cell(shell, "%attn_train $texts")
    assert isinstance(done.error, KeyboardInterrupt), "Run All stops"
    assert "%attn_train was interrupted before there was anything to keep" in done.out
    assert "Traceback" not in done.out
    assert left_behind() == []


def test_an_interrupt_waits_for_an_import() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupt_afterwards():  # noqa: PT012 - what is after the signal matters
        os.kill(os.getpid(), signal.SIGINT)
        done.append("imported")
    assert done == ["imported"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
