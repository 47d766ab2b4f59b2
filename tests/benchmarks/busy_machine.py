"""Training throughput on a quiet machine and beside one other busy process.

    python tests/benchmarks/busy_machine.py

Fresh processes train the default model; the other process counts in a loop. OpenMP threads that spin while they wait
would make the busy figure a fortieth of the quiet one; the goal is a third or more.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile

ROUNDS = 3
STEPS = 60

TRAIN = f"""
import sys, time
from pathlib import Path
import attn_widgets
import numpy as np
from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.models import Transformer
from attn_widgets.text.token_files import TokenFiles
from attn_widgets.training import fit
ids = np.random.default_rng(0).integers(0, 139, 100_000).astype(np.uint16)
tokens = TokenFiles(ids[:99_000], ids[99_000:], 1000, False)
rates, notes = [], []
def show(progress):
    rates.append(progress.tokens_per_second)
    notes.append(progress.note)
config = TrainConfig(steps={STEPS}, validate_every={STEPS}, moments=0)
fit(Transformer(ModelConfig(), 139), tokens, config, folder=Path(sys.argv[1]) / "run", report=show)
print(rates[-1], notes[0], sep="|")
"""


def tokens_per_second() -> tuple[float, str]:
    """Of one fresh process, and what it says about its threads."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", TRAIN, folder]
        rate, note = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip().split("|")
    return float(rate), note


def main() -> None:
    """Take turns, print the medians and their ratio."""
    quiet, busy, note = [], [], ""
    for _ in range(ROUNDS):
        rate, note = tokens_per_second()
        quiet.append(rate)
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
            try:
                busy.append(tokens_per_second()[0])
            finally:
                other.kill()
    ratio = statistics.median(busy) / statistics.median(quiet)
    print(note)
    print(f"quiet {statistics.median(quiet):,.0f} tokens/s, busy {statistics.median(busy):,.0f} tokens/s")
    print(f"ratio {ratio:.2f} (goal: at least 0.33)")


if __name__ == "__main__":
    main()
