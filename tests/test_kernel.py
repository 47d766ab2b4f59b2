"""The magics in a real Jupyter kernel: what a notebook gets to see, and what an interrupt leaves."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any, NamedTuple

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.tiny import TINY

SHAPE = " ".join(
    f"--{name.replace('_', '-')} {value}" for name, value in TINY.items() if name not in ("steps", "batch")
)
# A schedule that does not depend on the number of steps, so that a resumed run can be compared with an unbroken one.
STEADY = f"{SHAPE} --batch 2 --warmup 0 --decay 0 --validate-every 20 --dropout 0.1 --moments 0"


class Cell(NamedTuple):
    """What a notebook would save of a cell."""

    reply: dict[str, Any]
    outputs: list[dict[str, Any]]

    @property
    def text(self) -> str:
        return "".join(output["text"] for output in self.outputs if "text" in output)

    def kinds(self) -> list[str]:
        """Kinds of data of displays and results, in order."""
        return [kind for output in self.outputs for kind in output.get("data", {}) if kind != "text/plain"]


class Notebook:
    """A kernel, one cell after another."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient, folder: Path) -> None:
        self.manager, self.client, self.folder = manager, client, folder

    def run(self, code: str) -> Cell:
        return self.wait(self.client.execute(code))

    def wait(self, message: str, timeout: float = 60) -> Cell:
        reply = self._own(self.client.get_shell_msg, message, timeout)
        outputs: list[dict[str, Any]] = []
        while True:
            found = self._own(self.client.get_iopub_msg, message, timeout)
            if found["msg_type"] == "status" and found["content"]["execution_state"] == "idle":
                return Cell(reply["content"], outputs)
            if found["msg_type"] in ("stream", "display_data", "execute_result", "error"):
                outputs.append(found["content"])

    @staticmethod
    def _own(get: Any, message: str, timeout: float) -> dict[str, Any]:
        """Wait for a message that answers `message`."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                found: dict[str, Any] = get(timeout=1)
            except Empty:
                continue
            if found["parent_header"].get("msg_id") == message:
                return found
        raise TimeoutError(message)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    folder = tmp_path_factory.mktemp("notebook")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "IPYTHONDIR": str(folder / "ipython")}
    env.pop("ATTN_PROGRESS")  # as a person has it
    manager = KernelManager()
    manager.start_kernel(cwd=str(folder), env=env)
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield Notebook(manager, client, folder)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_four_cells(notebook: Notebook) -> None:
    assert notebook.run("%load_ext attn_widgets").outputs == []
    train = notebook.run(f"run = %attn_train {SHAPE} --steps 3  # a moment")
    assert train.reply["status"] == "ok"
    assert train.text.startswith("sentences: 20,000 generated sentences")
    # The live panel while it trains, and its picture when it has ended.
    assert train.kinds() == ["application/vnd.jupyter.widget-view+json", "text/html"]
    generate = notebook.run('%attn_generate "I love to eat pizza" --max-new-tokens 4 --ignore-end')
    assert [output.get("name") for output in generate.outputs] == ["stdout"], "the text alone, once"
    assert len(generate.text.split()) == 4
    view = notebook.run('%attn_view "I love to eat pizza"')
    assert view.kinds() == ["application/vnd.jupyter.widget-view+json", "text/html"]
    assert notebook.run('panel = %attn_view "I love to eat pizza"').outputs == []
    assert notebook.run("run").kinds() == ["text/html"]


def test_a_generation_is_displayed_when_its_name_is_typed(notebook: Notebook) -> None:
    notebook.run("generation = %attn_generate I love to eat --max-new-tokens 4")
    assert notebook.run("generation").kinds() == ["text/html"]


def test_an_error_is_one_line_and_stops_run_all(notebook: Notebook) -> None:
    first = notebook.client.execute("%attn_train --heads 5")
    second = notebook.client.execute("print('never')")
    cell = notebook.wait(first)
    (error,) = cell.outputs
    assert error["ename"] == "ConfigError"
    assert error["traceback"] == ["\x1b[31mConfigError: --heads 5 does not divide --dim 64; try --heads 2 or 4\x1b[0m"]
    assert notebook.wait(second).reply["status"] == "aborted"


@pytest.mark.skipif(os.name != "posix", reason="the signal is POSIX's")
def test_an_interrupt_keeps_everything_and_resuming_is_exact(notebook: Notebook) -> None:
    training = notebook.client.execute(f"run = %attn_train {STEADY} --name broken --steps 1000000")
    after = notebook.client.execute("print('never')")
    wait_for_step(notebook.folder / "attn_runs" / "broken" / "checkpoints.json", 20)
    notebook.manager.interrupt_kernel()
    cell = notebook.wait(training)
    (error,) = (output for output in cell.outputs if "ename" in output)
    assert error["ename"] == "TrainingInterrupted"
    (line,) = error["traceback"]
    assert "interrupted: run 'broken' is kept as it was after step " in line
    assert "attn_widgets.last_run()" in line
    assert notebook.wait(after).reply["status"] == "aborted", "Run All stops"

    done = int(notebook.run("import attn_widgets; print(len(attn_widgets.last_run().history.train))").text)
    assert done >= 20
    total = done + 25
    resumed = notebook.run(f"resumed = %attn_train --resume --name broken --steps {total}")
    assert resumed.reply["status"] == "ok", resumed.outputs
    notebook.run(f"unbroken = %attn_train {STEADY} --name unbroken --steps {total}")
    compare = (
        "from attn_widgets.training import load_weights\n"
        "one, other = (load_weights(r.folder, 'last') for r in (resumed, unbroken))\n"
        "print(resumed.history == unbroken.history, len(resumed.history.train),\n"
        "      all((one[name] == other[name]).all() for name in other), one.keys() == other.keys())"
    )
    assert notebook.run(compare).text == f"True {total} True True\n"


def wait_for_step(pointers: Path, step: int, timeout: float = 60) -> None:
    """Wait until a checkpoint of at least that step counts."""
    end = time.monotonic() + timeout
    while not (pointers.exists() and int(json.loads(pointers.read_text())["last"].split("-")[1]) >= step):
        assert time.monotonic() < end, pointers
        time.sleep(0.02)
