"""Wall time to a validation loss of 1.8857 on tinyshakespeare, at 4 layers, 4 heads, width 128, context 64.

    python tests/benchmarks/time_to_loss.py --text tinyshakespeare.txt [--nanogpt FOLDER]

Ours is one command in a fresh process: imports, reading the text, training and scoring all count. The loss is that over
the whole validation split (the last tenth of the text, windows that do not overlap), in nats per character. With a
folder of nanoGPT (a checkout or a git directory) its own command for a CPU runs before, with its own data preparation;
its weights are then scored in the same way, which does not count. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGET = 1.8857
SHAPE = {"layers": 4, "heads": 4, "dim": 128, "context": 64}
FLAGS = "--tokenizer char --qk-norm --steps 220 --batch 16 --embedding-rate 0.01 --validate-every 1000 --moments 0"
NANOGPT = (
    "config/train_shakespeare_char.py --device=cpu --compile=False --eval_iters=20 --log_interval=100 --block_size=64 "
    "--batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --max_iters=2000 --lr_decay_iters=2000 --dropout=0.0"
)

# Runs in nanoGPT's folder, with its model, after the clock has stopped.
SCORE = """
import numpy, torch
from model import GPT, GPTConfig
saved = torch.load("out-shakespeare-char/ckpt.pt", weights_only=True)
model = GPT(GPTConfig(**saved["model_args"]))
model.load_state_dict(saved["model"])
model.eval()
ids = torch.from_numpy(numpy.fromfile("data/shakespeare_char/val.bin", dtype=numpy.uint16).astype(numpy.int64))
context, count = saved["model_args"]["block_size"], len(ids) - 1
whole = count // context * context
pieces = list(zip(ids[:whole].view(-1, context).split(64), ids[1:whole + 1].view(-1, context).split(64)))
pieces += [(ids[None, whole:count], ids[None, whole + 1:])] if whole < count else []
with torch.no_grad():
    nats = sum(model(x, y)[1].item() * y.numel() for x, y in pieces)
print(nats / count)
"""


def parse() -> argparse.Namespace:
    """Read the flags; any further ones go to our ``train``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--nanogpt", type=Path)
    flags, rest = parser.parse_known_args()
    flags.rest = rest
    return flags


def time_ours(text: Path, folder: Path, rest: list[str]) -> tuple[float, float]:
    """Seconds of our command and the loss it reached."""
    shape = [word for name, value in SHAPE.items() for word in (f"--{name}", str(value))]
    place = ["--runs", str(folder), "--name", "shakespeare"]
    command = [sys.executable, "-m", "attn_widgets", "train", str(text), *shape, *FLAGS.split(), *place, *rest]
    begin = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | {"ATTN_PROGRESS": "plain"})
    seconds = time.perf_counter() - begin
    from attn_widgets.training.checkpoint import read_checkpoint

    return seconds, read_checkpoint(folder / "shakespeare").state["history"]["validation"][-1]["loss"]


def copy_nanogpt(source: Path, folder: Path) -> None:
    """Its files as they are, so that nothing is written into the folder that was given."""
    if (source / "train.py").exists():
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".git", "out*", "*.bin", "*.pkl"))
        return
    folder.mkdir()
    with subprocess.Popen(["git", "--git-dir", str(source), "archive", "HEAD"], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", str(folder)], stdin=archive.stdout, check=True)


def time_nanogpt(source: Path, text: Path, folder: Path) -> tuple[float, float]:
    """Seconds of its data preparation and training, and the loss of the weights that it saved."""
    copy_nanogpt(source, folder)
    data = folder / "data" / "shakespeare_char"
    shutil.copy(text, data / "input.txt")
    begin = time.perf_counter()
    subprocess.run([sys.executable, str(data / "prepare.py")], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "train.py", *NANOGPT.split()], check=True, cwd=folder)
    seconds = time.perf_counter() - begin
    scored = subprocess.run([sys.executable, "-c", SCORE], check=True, cwd=folder, stdout=subprocess.PIPE, text=True)
    return seconds, float(scored.stdout.split()[-1])


def main() -> int:
    """Print both figures; fail when ours did not reach the loss."""
    flags = parse()
    with tempfile.TemporaryDirectory() as scratch:
        theirs = time_nanogpt(flags.nanogpt, flags.text, Path(scratch) / "nanogpt") if flags.nanogpt else None
        ours = time_ours(flags.text.resolve(), Path(scratch), flags.rest)
    print(f"\nattn_widgets: {ours[0]:.1f} s to a validation loss of {ours[1]:.4f} (target {TARGET})")
    if theirs is not None:
        print(f"nanoGPT:      {theirs[0]:.1f} s to a validation loss of {theirs[1]:.4f}")
        print(f"ratio:        {theirs[0] / ours[0]:.2f} times as fast")
    return 0 if ours[1] <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
