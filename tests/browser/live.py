"""A notebook with a live kernel: opened in JupyterLab, and asked past its cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watched
from tests.browser.servers import Jupyter

Watch = Callable[..., Watched]

EXECUTE = """async (code) => {
    const { kernel } = window.jupyterapp.shell.currentWidget.context.sessionContext.session;
    const future = kernel.requestExecute({ code, store_history: false });
    let text = '';
    future.onIOPub = ({ content, header }) => {
        if (header.msg_type === 'stream') text += content.text;
        if (header.msg_type === 'error') text += `${content.ename}: ${content.evalue}`;
    };
    const { content } = await future.done;
    return [content.status, text.trim()];
}"""


@contextmanager
def notebook(
    lab: Jupyter, browser: Browser, watch: Watch, name: str, first: str, width: int = 1280
) -> Iterator[Watched]:
    """Open a new notebook in a workspace of its own, with a first cell that was run."""
    url = lab.write_notebook(f"{name}.ipynb", [f"{first}\nprint('made')"])
    context = browser.new_context(viewport={"width": width, "height": 1400}, device_scale_factor=1)
    watched = watch(context)
    watched.page.goto(url.replace("/lab/tree/", f"/lab/workspaces/{name}/tree/"))
    watched.page.wait_for_selector(".jp-Notebook .jp-Cell")
    watched.run_all()
    expect(watched.page.get_by_text("made", exact=True).last).to_be_visible(timeout=60_000)
    yield watched
    context.close()


def execute(page: Page, source: str) -> str:
    """Run code in the notebook's kernel without a cell, and return what it printed.

    It does not wait for what panels were asked before: JupyterLab has a thread of the kernel (a subshell) for that.
    """
    status, printed = page.evaluate(EXECUTE, source)
    assert status == "ok", printed
    return str(printed)


def until_printed(page: Page, source: str, printed: str) -> None:
    """Ask the kernel until it says so."""
    end = time.monotonic() + 20
    while (found := execute(page, source)) != printed:
        assert time.monotonic() < end, f"{found!r} instead of {printed!r}"
