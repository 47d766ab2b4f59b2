"""A cell that makes a panel, run again and again: what it replaces is let go, what is still used is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kernels import Kernel, kernel

SETUP = """
import gc, threading, tracemalloc
import numpy as np
from comm import get_comm_manager
from ipywidgets.widgets.widget import _instances
from attn_widgets import AttentionTrace, HeadPanel

rng = np.random.default_rng(0)
def trace():
    return AttentionTrace.from_arrays(rng.random((4, 8, 64, 64), dtype=np.float32))

def state():
    gc.collect()
    alive = sum(isinstance(each, HeadPanel) for each in gc.get_objects())
    traced = tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0
    return len(get_comm_manager().comms), len(_instances), threading.active_count(), alive, len(Out), traced
"""
CELL = "panel = HeadPanel(trace())\npanel"  # 512 KB of weights, and as much again for the page


class State(NamedTuple):
    comms: int
    widgets: int
    threads: int
    panels: int
    results: int
    traced: int


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("reruns")) as started:
        started.run(SETUP)
        yield started


def state(notebook: Kernel) -> State:
    return State(*(int(number) for number in notebook.run("print(*state())").split()))


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "runs"), [("cell-1", 200), (None, 50)], ids=["with the cell's id", "without"])
def test_two_hundred_runs_leave_comms_threads_and_memory_as_they_were(
    notebook: Kernel, cell: str | None, runs: int
) -> None:
    notebook.run("tracemalloc.start()")
    for _ in range(10):
        notebook.run(CELL, cell)
    before = state(notebook)
    for _ in range(runs):
        notebook.run(CELL, cell)
    after = state(notebook)
    notebook.run("tracemalloc.stop()")
    assert after[:5] == before[:5]
    assert after.panels <= 4, "one by its name, and the three that IPython calls _, __ and ___"
    assert after.traced - before.traced < 1 << 20, "of a megabyte for each run"


def test_what_is_replaced_goes_at_once_and_not_when_python_collects(notebook: Kernel) -> None:
    notebook.run("import weakref; seen = weakref.WeakSet(); gc.disable()")
    for _ in range(12):
        notebook.run("panel = HeadPanel(trace()); seen.add(panel.trace)\npanel", "at once")
    assert int(notebook.run("print(len(seen))")) <= 4
    notebook.run("gc.enable()")


def test_two_panels_of_one_cell_stay(notebook: Kernel) -> None:
    notebook.run("one, two = HeadPanel(trace()), HeadPanel(trace())\ndisplay(one, two)", "pair")
    assert notebook.run("print(one.comm is not None, two.comm is not None)") == "True True\n"


def test_a_panel_that_another_cell_shows_stays_until_that_one_is_run_again(notebook: Kernel) -> None:
    notebook.run("first = HeadPanel(trace())\nfirst", "making")
    notebook.run("first", "showing")
    notebook.run("HeadPanel(trace())", "making")
    assert notebook.run("print(first.comm is not None)") == "True\n"
    notebook.run("1", "showing")
    assert notebook.run("print(first.comm is None)") == "True\n"


def test_a_panel_that_has_a_name_wakes_when_it_is_shown_again(notebook: Kernel) -> None:
    notebook.run("kept = HeadPanel(trace(), head=3)\nkept", "keeping")
    notebook.run("kept.layer = 2; weights = kept._weights", "elsewhere")
    notebook.run("1", "keeping")
    assert notebook.run("print(kept.comm, len(kept._weights), kept.layer, kept.head)") == "None 0 2 3\n"
    opened = len(notebook.of("comm_open"))
    notebook.run("kept", "keeping")
    assert notebook.run("print(kept.comm is not None, kept._weights == weights, kept.layer)") == "True True 2\n"
    (state,) = [
        message["content"]["data"]["state"]
        for message in notebook.of("comm_open")[opened:]
        if "_spec" in message["content"]["data"]["state"]
    ]
    assert (state["layer"], state["head"], state["_spec"]["live"]) == (2, 3, True)


def test_a_panel_in_a_box_stays(notebook: Kernel) -> None:
    notebook.run("from ipywidgets import VBox\nboxed = HeadPanel(trace())\nboxed", "boxing")
    notebook.run("box = VBox([boxed])\nbox", "box")
    notebook.run("1", "boxing")
    assert notebook.run("print(boxed.comm is not None)") == "True\n"


def test_a_cell_that_fails_has_lost_its_panel_all_the_same(notebook: Kernel) -> None:
    notebook.run("panel = HeadPanel(trace())\npanel", "failing")
    before = state(notebook)
    notebook.wait_for_error("panel = None; 1 / 0", "failing")
    assert state(notebook).panels < before.panels + 1
    assert state(notebook).comms == before.comms - 2, "the panel's and its layout's"


def test_panels_that_are_only_saved_cost_no_comm(notebook: Kernel, tmp_path: Path) -> None:
    before = state(notebook)
    notebook.run(f"for head in range(8): HeadPanel(trace(), head=head).to_html({str(tmp_path / 'page.html')!r})")
    assert state(notebook)[:4] == before[:4]
    assert (tmp_path / "page.html").stat().st_size > 1000
