"""The command line: the same verbs and flags, exit codes, and what several processes print."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from attn_widgets import __version__
from attn_widgets.api import state
from attn_widgets.cli import main
from attn_widgets.run import Run
from tests.tiny import FLAGS, TEXT

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_last", None)
    yield tmp_path
    assert not [*tmp_path.rglob(".attn-tokens-*")]


def call(line: str) -> int:
    return main(line.split())


def child(*arguments: str) -> list[str]:
    """A command that starts the package in a Python of its own."""
    return [sys.executable, "-m", *arguments]


@contextmanager
def started(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A running command; none of its processes outlives the test, and a test that fails does not wait for them."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def test_train_generate_view(capsys: Captured) -> None:
    assert call(f"train {FLAGS} --name first") == 0
    assert capsys.readouterr().out.startswith("trained on sentences: 3 steps\n")
    assert call(f"train {FLAGS} --name second --steps 2") == 0
    capsys.readouterr()
    assert call("generate I love to eat --max-new-tokens 4") == 0
    newest = Run.load("second").generate("I love to eat", max_new_tokens=4).text
    assert capsys.readouterr().out == newest.lstrip() + "\n"
    assert call("generate I love to eat --max-new-tokens 4 --run first") == 0
    assert capsys.readouterr().out == Run.load("first").generate("I love to eat", max_new_tokens=4).text.lstrip() + "\n"
    assert call("view I love to eat") == 0
    assert "I love to eat" in Path("attention.html").read_text()
    assert call("view I love to eat --html other.html") == 0
    assert Path("other.html").exists()


def test_files_and_another_store(capsys: Captured) -> None:
    Path("a.txt").write_text(TEXT)
    Path("b.txt").write_text(TEXT)
    assert call(f"train a.txt b.txt {FLAGS} --runs store --name two") == 0
    assert Run.load("two", "store").corpus.source.startswith("2 files")
    assert call("generate the cat --runs store") == 0
    assert not Path("attn_runs").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train --hed 3", "--hed: no such flag; did you mean --heads?"),
        ("train --heads 5", "--heads 5 does not divide --dim 64; try --heads 2 or 4"),
        ("train --name ../x", "--name '../x' cannot be a folder's name"),
        ("train missing.txt", "missing.txt"),
        ("generate hello", "nothing is trained yet: train first; there is no run in attn_runs yet"),
        ("view hello --run mine", "--run mine: no such run; there is no run in attn_runs yet"),
        ("trian", "trian: no such command; there are train, generate, view, compare and demo"),
        ("demo --steps 3", "demo takes no words and no flags; given --steps 3: use attn-widgets train for it"),
    ],
)
def test_an_error_is_one_line_and_code_2(line: str, message: str, somewhere: Path, capsys: Captured) -> None:
    assert call(line) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (told,) = err.splitlines()
    assert told.startswith("attn-widgets: ")
    assert message in told
    assert not [*somewhere.iterdir()]


def test_help(capsys: Captured) -> None:
    assert call("") == 0
    usage = capsys.readouterr().out
    assert call("--help") == 0
    assert capsys.readouterr().out == usage
    assert "demo" in usage
    assert call("train --help") == 0
    short = capsys.readouterr().out
    assert short.startswith("attn-widgets train [CORPUS]")
    assert "--kv-heads" not in short
    assert call("train --help-all") == 0
    assert "--kv-heads" in capsys.readouterr().out
    assert call("--version") == 0
    assert capsys.readouterr().out == f"attn-widgets {__version__}\n"


def test_python_m(env: dict[str, str]) -> None:
    for module in ("attn_widgets", "attn_widgets.cli"):
        done = subprocess.run(child(module, "--version"), env=env, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"attn-widgets {__version__}\n", "")
        done = subprocess.run(child(module, "train", "--steps", "x"), env=env, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "attn-widgets: --steps must be a whole number; given 'x'\n"


def test_help_and_errors_do_not_load_torch(env: dict[str, str]) -> None:
    code = (
        "import sys; from attn_widgets.cli import main\n"
        "wrong = ['train --help-all', 'train --hed 3', 'train --heads 5', 'train no.txt']\n"
        "codes = [main(line.split()) for line in wrong]\n"
        "print(codes, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[0, 2, 2, 2] False\n")


def test_what_the_terminal_cannot_print_ends_nothing(env: dict[str, str]) -> None:
    Path("русский.txt").write_text("ж и ы. " * 300)
    for verb in ("train русский.txt --name cp " + FLAGS, "generate ж --run cp --max-new-tokens 3"):
        command = child("attn_widgets", *verb.split())
        done = subprocess.run(command, env=env | {"PYTHONIOENCODING": "cp1252"}, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")


def test_nobody_reads_on(env: dict[str, str]) -> None:
    command = child("attn_widgets", "train", "--help-all")
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_control_c_is_code_130_and_resumes(env: dict[str, str]) -> None:
    command = child(
        "attn_widgets", "train", *FLAGS.split(), "--steps", "1000000", "--validate-every", "20", "--name", "x"
    )
    with started(command, env) as process:
        end = time.monotonic() + 60
        while not Path("attn_runs/x/moments/step-000001.safetensors").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "run 'x' is kept as it was after step" in err.splitlines()[-1]
    done = len(Run.load("x").history.train)
    assert done >= 1
    assert call(f"train --resume --name x --steps {done + 2}") == 0
    assert len(Run.load("x").history.train) == done + 2


@pytest.mark.slow
def test_accelerate_launch_prints_and_writes_once(env: dict[str, str]) -> None:
    # --multi_gpu means several processes; accelerate's --cpu starts a second one only through MPI.
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += [
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
        "-m",
        "attn_widgets.cli",
    ]
    assert call(f"train {FLAGS} --name both --seed 1") == 0
    for ours, steps in ((f"train {FLAGS} --name both --overwrite", 3), ("train --name both --resume --steps 5", 5)):
        with started(child(*launch, *ours.split()), env) as process:
            out, err = process.communicate(timeout=180)
        assert process.returncode == 0, err[-2000:]
        assert out.count(f"trained on sentences: {steps} steps") == 1
        run = Run.load("both")
        assert (run.train_config.seed, len(run.history.train)) == (0, steps)
    assert [p.name for p in Path("attn_runs").glob("[!.]*")] == ["both"]
