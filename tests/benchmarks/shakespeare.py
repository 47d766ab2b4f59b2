"""Beyond the n-grams: tinyshakespeare in five minutes, beside the exact 5-gram.

    python tests/benchmarks/shakespeare.py --text tinyshakespeare.txt

One ``attn-widgets train`` in a fresh process, imports and scoring included; both losses are over the whole validation
split (the last tenth of the text), in nats per character.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attn_widgets.run import Run

FLAGS = (
    "--tokenizer char --layers 4 --heads 4 --dim 128 --context 128 --qk-norm --batch 16 --rope-theta 1000 "
    "--dropout 0.05 --minutes 4.5 --validate-every 100000 --moments 0"
)


def main() -> None:
    """Train both and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    flags, rest = parser.parse_known_args()
    text = str(flags.text.resolve())
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        train(text, folder, "ngram", ["--model", "ngram", "--order", "5", "--tokenizer", "char"])
        counted = time.perf_counter() - began
        seconds = train(text, folder, "transformer", [*FLAGS.split(), *rest])
        losses = {name: loss(Path(folder) / "attn_runs" / name) for name in ("ngram", "transformer")}
    print(f"5-gram:      {losses['ngram']:.4f} nats per character after {counted:.0f} s")
    print(f"transformer: {losses['transformer']:.4f} nats per character after {seconds:.0f} s")
    print(f"ratio:       {losses['transformer'] / losses['ngram']:.3f} of the 5-gram's loss (goal: below 1 in 300 s)")


def train(text: str, folder: str, name: str, flags: list[str]) -> float:
    """Seconds of one command."""
    command = [sys.executable, "-m", "attn_widgets.cli", "train", text, "--name", name, *flags]
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def loss(folder: Path) -> float:
    """Best validation loss of a run."""
    best = Run.load(folder).history.best
    assert best is not None
    return best.nats_per_character


if __name__ == "__main__":
    main()
