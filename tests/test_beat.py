"""The kernel's beat in a real kernel: through a busy cell, for shown panels only, and resting when nobody is there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.kernels import Kernel, kernel

PANEL = "from attn_widgets import HeadPanel\nimport numpy as np\npanel = HeadPanel(np.full((2, 2, 3, 3), 1 / 3))\n"
BUSY = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"
THREADS = "import threading\nprint([t.name for t in threading.enumerate() if t.name == 'attn_widgets beat'])"
ONE = "['attn_widgets beat']\n"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("beat")) as started:
        yield started


def test_no_thread_before_the_first_panel_is_shown(notebook: Kernel) -> None:
    notebook.run("%load_ext attn_widgets")
    notebook.run(PANEL)
    assert notebook.run(THREADS) == "[]\n"
    assert notebook.of("comm_open") == [], "a panel that nothing shows sends nothing"
    notebook.run("panel", "one")
    assert notebook.run(THREADS) == ONE


@pytest.mark.slow
def test_a_cell_that_is_busy_for_twenty_seconds_holds_no_beat_up(notebook: Kernel) -> None:
    notebook.run("panel", "one")
    notebook.heard.clear()
    notebook.run(BUSY)
    at = [time for time, _ in notebook.beats()]
    assert len(at) >= 15
    assert max(late - early for early, late in itertools.pairwise(at)) < 3, "the page waits for four seconds"


def test_a_beat_belongs_to_no_cell_and_each_panel_has_its_own(notebook: Kernel) -> None:
    notebook.run("panel", "one")
    notebook.run("HeadPanel(panel.trace)", "two")
    notebook.listen(1.5)
    notebook.heard.clear()
    notebook.listen(2.5)
    assert len({comm for _, comm in notebook.beats()}) == 2
    assert all(message["parent_header"] == {} for message in notebook.of("comm_msg"))


def test_the_thread_ends_with_the_last_panel(notebook: Kernel) -> None:
    notebook.run("import ipywidgets; ipywidgets.Widget.close_all()")
    notebook.listen(2.5)
    assert notebook.run(THREADS) == "[]\n"
    notebook.run("panel", "one")
    assert notebook.run(THREADS) == ONE, "and begins again with the next"


def test_a_kernel_that_nobody_uses_rests_until_a_page_speaks(notebook: Kernel) -> None:
    """A server would take beats for activity and never cull the kernel."""
    notebook.run("panel", "one")
    notebook.run("from attn_widgets.panels import beat; beat.REST = 1.5")
    notebook.listen(4)
    notebook.heard.clear()
    notebook.listen(2.5)
    assert notebook.of("comm_msg") == []
    comm = notebook.run("print(panel.comm.comm_id)").strip()
    notebook.listen(4)
    told = [message["content"]["data"].get("content") for message in notebook.of("comm_msg")]
    assert told[0] == {"beat": True}
    assert told[-1] == {"beat": False}, "the page is told, so that it does not miss the kernel"
    notebook.heard.clear()
    notebook.say(comm, {"method": "custom", "content": {"here": True}})
    notebook.listen(1)
    assert notebook.beats()
    notebook.run("beat.REST = 600")
