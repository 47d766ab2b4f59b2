"""What a magic refuses: one red line that names the flag, a real error, and nothing started."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from attn_widgets import api
from attn_widgets.api.heavy import interrupt_afterwards
from attn_widgets.errors import AttnError
from attn_widgets.run import Run
from tests.magic_cells import left_behind, run_cell
from tests.tiny import TEXT


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
