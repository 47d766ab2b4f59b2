"""The head panel beside bertviz's ``head_view``, and alone up to 4,096 tokens, in real Chromium on a real kernel.

    python tests/benchmarks/panels.py [--tokens 16 64 128 512 --alone 1024 4096 --layers 12 --heads 12 --json out.json]

Both get the same weights. bertviz's page is all of its view; ours is what crosses JupyterLab's socket (messages,
buffers, front end, static picture) until the head on show is on the screen. Kernel time is that of making and showing
the view and of answering its requests. A step is timed in the page, from the key to the drawn head.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.panels_code import BERTVIZ, DIM, FRAMES, SET_UP, SHOW, STEP
from tests.browser.conftest import FLAGS
from tests.browser.servers import jupyter


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="*", default=[16, 64, 128, 512])
    parser.add_argument("--alone", type=int, nargs="*", default=[1024, 4096])
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--panel", default="HeadPanel")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@dataclass
class Session:
    """A notebook in JupyterLab whose socket is counted."""

    page: Page
    received: int = 0

    @classmethod
    def start(cls, page: Page) -> Session:
        """Count what comes over every socket of a page that is about to be opened."""
        session = cls(page)

        def count(frame: bytes | str) -> None:
            session.received += len(frame)

        page.on("websocket", lambda socket: socket.on("framereceived", count))
        return session

    def run_cell(self) -> None:
        """Run the cell that is selected and go to the next."""
        self.page.keyboard.press("Shift+Enter")

    def output(self, mark: str) -> str:
        """Wait for a printed line that begins with a mark."""
        line = self.page.locator(".jp-OutputArea-output pre", has_text=mark).last
        line.wait_for(timeout=120_000)
        return (line.text_content() or "").split(mark, 1)[1].strip()


def measure(url: str, folder: Path, page: Page, tokens: int, flags: argparse.Namespace) -> dict[str, Any]:
    """Open a notebook with a panel of so many tokens, and time its first paint and its steps."""
    size = {"tokens": tokens, "layers": flags.layers, "heads": flags.heads}
    told = 'print("FIGURES", round(made, 4), round(sum(answered), 4), round(resident() - before, 1))'
    cells = [SET_UP.format(panel=flags.panel, dim=DIM) + '\nprint("READY", 1)', SHOW.format(**size), told]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / f"t{tokens}.ipynb")
    session = Session.start(page)
    page.goto(f"{url}/lab/tree/t{tokens}.ipynb?reset")
    page.get_by_text("| Idle").first.wait_for(timeout=60_000)
    page.locator(".jp-CodeCell .cm-content").first.click()
    session.run_cell()
    session.output("READY")
    page.wait_for_timeout(1000)
    begun, before = time.perf_counter(), session.received
    session.run_cell()
    page.wait_for_function(
        """() => [...document.querySelectorAll("*")].some((host) => {
          const canvas = host.shadowRoot?.querySelector(".attn-figure canvas[data-step]");
          return canvas && canvas.dataset.step !== "0" && !canvas.getAttribute("aria-label").includes("waiting");
        })""",
        timeout=120_000,
        polling=20,
    )
    painted, received = time.perf_counter() - begun, session.received - before
    session.run_cell()
    made, answered, _ = map(float, session.output("FIGURES").split())
    result: dict[str, Any] = {"tokens": tokens, "bytes": received, "kernel_s": made + answered, "seen_s": painted}
    page.wait_for_timeout(4000)  # neighbours come ahead, thumbnails layer by layer
    result |= steps(page, flags)
    if tokens >= 1024:
        result |= page.evaluate(FRAMES, [4])
        page.locator(".jp-CodeCell .cm-content").nth(2).click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(2500)
    result["memory_mb"] = float(session.output("FIGURES").split()[2])
    return result


def steps(page: Page, flags: argparse.Namespace) -> dict[str, Any]:
    """Step to neighbours that were fetched ahead, and to heads that were not."""
    ahead: list[list[float]] = []
    cold: list[float] = []
    for head in [*range(1, flags.heads), *reversed(range(flags.heads - 1))]:
        page.wait_for_timeout(600)  # the neighbours come meanwhile
        key = "ArrowRight" if len(ahead) < flags.heads - 1 else "ArrowLeft"
        ahead.append(page.evaluate(STEP, [key, f"L0H{head}"]))
    for layer in range(1, flags.layers):  # from one end of a layer to the other: never a neighbour
        here, there = (0, flags.heads - 1) if layer % 2 else (flags.heads - 1, 0)
        for key, name in (("ArrowDown", f"L{layer}H{here}"), ("End" if there else "Home", f"L{layer}H{there}")):
            page.wait_for_timeout(600)
            cold.append(page.evaluate(STEP, [key, name])[0])
    waited, work = zip(*ahead, strict=True)
    return {"ahead_ms": p95(waited), "ahead_work_ms": p95(work), "cold_ms": p95(cold[1::2])}


def p95(values: Sequence[float]) -> float:
    """95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def notebook_growth(tokens: int, flags: argparse.Namespace) -> int:
    """Bytes that a panel adds to a notebook executed with its widget state stored."""
    size = {"tokens": tokens, "layers": flags.layers, "heads": flags.heads}
    both = []
    for last in ("panel = Shown(trace)", SHOW.format(**size)):
        cells = [
            SET_UP.format(panel=flags.panel, dim=DIM),
            f"trace = random_trace({tokens}, {flags.layers}, {flags.heads})\n{last}",
        ]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        NotebookClient(notebook, timeout=600, kernel_name="python3", store_widget_state=True).execute()
        both.append(len(nbformat.writes(notebook).encode()))
    return both[1] - both[0]


def bundles() -> dict[str, int]:
    """Size of each panel's front end, gzipped."""
    static = Path(__file__).parents[2] / "attn_widgets" / "static"
    return {file.name: len(gzip.compress(file.read_bytes(), 9)) for file in sorted(static.glob("*.js"))}


def main() -> None:
    """Measure and print."""
    flags = parse()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    rows = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright, ExitStack() as stack:
        folder = Path(name) / "notebooks"
        home = Path(name) / "home"
        folder.mkdir()
        home.mkdir()
        url = stack.enter_context(jupyter("lab", home, folder)).url
        chromium = os.environ.get("ATTN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for tokens in [*flags.tokens, *flags.alone]:
            page = browser.new_page(viewport={"width": 1280, "height": 1400})
            row = measure(url, folder, page, tokens, flags)
            page.close()
            row["notebook_bytes"] = notebook_growth(tokens, flags)
            if tokens in flags.tokens:
                command = [sys.executable, "-c", BERTVIZ, str(tokens), str(flags.layers), str(flags.heads)]
                row["bertviz"] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            rows.append(row)
            print(line(row), flush=True)
        browser.close()
    print("front ends, gzipped: " + ", ".join(f"{name} {size / 1000:.1f} kB" for name, size in bundles().items()))
    if flags.json:
        flags.json.write_text(json.dumps({"rows": rows, "bundles": bundles()}, indent=1))


def line(row: dict[str, Any]) -> str:
    """One row in words."""
    parts = [
        f"{row['tokens']:>5} tokens: {row['bytes'] / 1e6:.3f} MB",
        f"kernel {row['kernel_s']:.3f} s, seen after {row['seen_s']:.2f} s",
        f"step ahead {row['ahead_ms']:.1f} ms (main thread {row['ahead_work_ms']:.1f})",
        f"step cold {row['cold_ms']:.0f} ms",
        f"notebook +{row['notebook_bytes'] / 1e6:.2f} MB",
        f"memory +{row['memory_mb']:.0f} MB",
    ]
    if "frames" in row:
        parts.append(f"{row['frames']:.0f} frames/s while zooming, slowest {row['slowest']:.0f} ms")
    if theirs := row.get("bertviz"):
        parts.append(
            f"bertviz {theirs['bytes'] / 1e6:.1f} MB ({theirs['bytes'] / row['bytes']:,.0f} x), "
            f"{theirs['seconds']:.2f} s ({theirs['seconds'] / row['kernel_s']:,.0f} x)"
        )
    return "; ".join(parts)


if __name__ == "__main__":
    main()
