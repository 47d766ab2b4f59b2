"""Time and memory of every attention mechanism against the length of the text, beside torch's own attention.

    python tests/benchmarks/cost.py [--lengths 256 512 ... --mechanisms lsh ... --rows cost.json --chart cost.svg]

One forward pass of one layer, without gradients: projected inputs of 4 heads x 16, float32, causal. Each figure comes
from a process of its own. Memory is how far its resident set grows in the first pass, inputs not counted (on Linux
from where it stood just before; elsewhere from its highest point so far, which hides small figures). Time is that of
the fastest pass after it, with memory kept between passes: glibc would give blocks over 32 MB back after each use and
get them anew, zeroed, which is a step at one length and no growth.

All the quadratic ones work tile by tile over the queries, in torch's fused kernel or in ours, and stop where one pass
takes over 60 s or 4 GB: longer texts are not tried. The growth is the exponent fitted over the last four lengths that
were measured. Exits with an error where a mechanism that is linear by design grows by an exponent over 1.2. A chart as
.svg or .png needs vl-convert-python.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PEER = "torch SDPA"
LINEAR, MOST = ("sliding_window", "lsh"), 1.2
LENGTHS = tuple(256 << i for i in range(7))  # to 16,384
HEADS, DIM = 4, 16
LONGEST, LARGEST = 60, 4096  # seconds, megabytes
FITTED = 4
REPEAT_FOR, PASSES = 2.0, range(5, 201)  # seconds; fewest and most passes

Row = dict[str, Any]


def contestant(name: str) -> Callable[[int], Callable[[], object]]:
    """Make inputs of a length and what is measured on them."""
    import torch
    import torch.nn.functional as F

    from attn_widgets.attention import MECHANISMS, WEIGHTS

    torch.manual_seed(0)
    trained = WEIGHTS[name](HEADS, DIM) if name in WEIGHTS else {}

    def make(length: int) -> Callable[[], object]:
        query, key, value = torch.randn(3, 1, HEADS, length, DIM)
        if name == PEER:
            return lambda: F.scaled_dot_product_attention(query, key, value, is_causal=True)
        shared = query if name == "lsh" else key
        return lambda: MECHANISMS[name](query, shared, value, causal=True, **trained)

    return make


def measure(name: str, length: int) -> Row:
    """Seconds and megabytes of one pass; in this process, which the alarm may end."""
    import torch

    with torch.no_grad():
        make = contestant(name)
        make(64)()  # loads kernels, starts threads
        run = make(length)
        limit_memory()
        before = peak_megabytes(reset=True)
        try:
            first = timed(run)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "alloc" not in str(error):
                raise
            return {"stopped": "over 4 GB"}
        megabytes = peak_megabytes() - before
        if megabytes > LARGEST:
            return {"stopped": "over 4 GB"}
        keep_memory()
        times = [first] if first > LONGEST / 6 else []
        end = time.perf_counter() + REPEAT_FOR
        while not times or (first <= LONGEST / 6 and more(len(times), end)):
            times.append(timed(run))
    return {"seconds": min(times), "megabytes": megabytes, "threads": torch.get_num_threads()}


def more(passes: int, end: float) -> bool:
    """Whether to go on: a few passes at least, then while there is time."""
    return passes < PASSES.start or (time.perf_counter() < end and passes < PASSES.stop)


def timed(run: Callable[[], object]) -> float:
    """Seconds of one pass; the process ends where it takes too long, whatever kernel is running."""
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    return seconds


def peak_megabytes(reset: bool = False) -> float:
    """Highest resident set so far; `reset` forgets what was before, where the system can."""
    clear = Path("/proc/self/clear_refs")
    if reset and clear.exists():
        clear.write_text("5")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def keep_memory() -> None:
    """Let the allocator keep what is freed, where it is glibc's."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(-4, 0)  # M_MMAP_MAX: no blocks of their own
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: nothing is given back


def limit_memory() -> None:
    """Let allocations fail that would take too much, before the machine suffers."""
    status = Path("/proc/self/status")
    if status.exists():
        used = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmSize"))
        limit = used * 1024 + (LARGEST << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def measured(name: str, length: int) -> Row:
    """One row, from a fresh process."""
    command = [sys.executable, __file__, "--measure", name, str(length)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    row: Row = {"mechanism": name, "length": length, "seconds": None, "megabytes": None}
    if done.returncode == -signal.SIGALRM:
        return row | {"stopped": f"over {LONGEST} s"}
    if done.returncode in (-signal.SIGKILL, -signal.SIGABRT):
        return row | {"stopped": "out of memory"}
    done.check_returncode()
    return row | json.loads(done.stdout)


def exponent(rows: Sequence[Row], field: str) -> float | None:
    """Slope of log(field) over log(length) by least squares, at the last lengths measured; None below three."""
    known = [(math.log(row["length"]), math.log(row[field])) for row in rows if (row[field] or 0) > 0][-FITTED:]
    return statistics.linear_regression(*zip(*known, strict=True)).slope if len(known) > 2 else None


def table(rows: Sequence[Row], field: str, unit: float, title: str) -> str:
    """One line a mechanism, one column a length; then the growth, and the ratio to the peer at the last length."""
    lengths = sorted({row["length"] for row in rows})
    names = dict.fromkeys(row["mechanism"] for row in rows)
    at = {(row["mechanism"], row["length"]): row for row in rows}
    lines = [f"{title:<22}" + "".join(f"{length:>10,}" for length in lengths) + f"{'growth':>9}   beside {PEER}"]
    for name in names:
        cells = [at.get((name, length), {}) for length in lengths]
        shown = [
            f"{cell[field] * unit:.4g}" if cell.get(field) is not None else cell.get("stopped", "-") for cell in cells
        ]
        grown = exponent([cell for cell in cells if cell], field)
        growth = "" if grown is None else f"n^{grown:.2f}"
        lines.append(
            f"{name:<22}" + "".join(f"{text:>10}" for text in shown) + f"{growth:>9}   {ratio(at, name, field)}"
        )
    return "\n".join(line.rstrip() for line in lines)


def ratio(at: dict[tuple[str, int], Row], name: str, field: str) -> str:
    """How many times the peer's figure, at the longest text of both."""
    both = [n for who, n in at if who == name and at[name, n][field] and at.get((PEER, n), {}).get(field)]
    return f"{at[name, max(both)][field] / at[PEER, max(both)][field]:.3g} x at {max(both):,}" if both else ""


def parse() -> argparse.Namespace:
    """Read the flags; their defaults are the figures of the README."""
    from attn_widgets.attention import BUILT_IN, MECHANISMS

    known = [name for name in MECHANISMS if name in BUILT_IN]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--mechanisms", nargs="+", choices=known, default=known, metavar="NAME")
    parser.add_argument("--rows", type=Path, help="write what was measured as JSON")
    parser.add_argument("--chart", type=Path, help="draw it: .svg, .png or .html")
    return parser.parse_args()


def main() -> None:
    """Measure, print two tables, and check that what is linear by design is linear."""
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
        return
    flags = parse()
    rows: list[Row] = []
    stopped: set[str] = set()
    for length in sorted(flags.lengths):
        for name in (PEER, *flags.mechanisms):
            if name not in stopped:
                rows.append(measured(name, length))
                stopped |= {name} if "stopped" in rows[-1] else set()
                print(f"{name}, {length:,} tokens", file=sys.stderr)
    growth = {
        name: {
            field: exponent([row for row in rows if row["mechanism"] == name], field)
            for field in ("seconds", "megabytes")
        }
        for name in dict.fromkeys(row["mechanism"] for row in rows)
    }
    threads = next((row["threads"] for row in rows if "threads" in row), 0)
    print(f"forward pass of one layer, {HEADS} heads x {DIM}, float32, causal, {threads} threads; a fresh process each")
    print(table(rows, "seconds", 1000, "time (ms) at tokens"))
    print()
    print(table(rows, "megabytes", 1, "memory (MB) at tokens"))
    rows = [row | {"exponent": growth[row["mechanism"]]["seconds"]} for row in rows]
    if flags.rows:
        flags.rows.write_text(json.dumps(rows, indent=1) + "\n")
    if flags.chart:
        from attn_widgets.charts import cost_chart

        cost_chart(rows).save(str(flags.chart))
    steep = [
        f"{name} in {field}: n^{grown:.2f}"
        for name in LINEAR
        for field, grown in growth.get(name, {}).items()
        if grown is not None and grown > MOST
    ]
    if steep:
        sys.exit(f"not linear: {', '.join(steep)}")


if __name__ == "__main__":
    main()
