"""English to French with and without attention: perplexity, BLEU and chrF on held-out sentences, over several seeds.

    python tests/benchmarks/translation.py --text PATH

PATH holds lines of English, tab, French. Split by English sentence; all French variants of a test sentence are its
references. The two models differ in ``--attention`` alone: the one without gets the encoder's last state at every
step. BLEU and chrF are sacrebleu's, on text written as people write it (`readable`).
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import sacrebleu
import torch

from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.generation.beam import translate
from attn_widgets.models import MODELS
from attn_widgets.text.corpus import task_corpus
from attn_widgets.text.pair_files import PairFiles
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.tasks import Task, parallel_task, readable
from attn_widgets.text.tokenizers import train_tokenizer
from attn_widgets.training import fit, load_weights

SHOWN = ("perplexity", "BLEU", "chrF")


def main() -> None:
    """Train both kinds from every seed and print a table."""
    flags = read_flags()
    task = parallel_task(flags.text)
    corpus = task_corpus(task)
    tokenizer = train_tokenizer("word", corpus, flags.vocab_size)
    files = encode_pairs(task, tokenizer, joined=False, limit=200_000)
    print(f"{task.source}; {files.describe()}, {len(task.test)} to test on, vocabulary {tokenizer.vocab_size}")
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(flags.seeds):
        for attention in ("none", flags.attention):
            began = time.perf_counter()
            model = train(files, tokenizer.vocab_size, attention, seed, flags)
            scores = measure(model, files, task)
            found.setdefault(attention, []).append(scores)
            shown = ", ".join(f"{name} {scores[name]:.2f}" for name in SHOWN)
            print(f"attention {attention}, seed {seed}: {shown} ({time.perf_counter() - began:.0f} s)", flush=True)
    report(found, flags.attention)


def read_flags() -> argparse.Namespace:
    """Flags with the defaults that the committed figures were made with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, type=Path)
    parser.add_argument("--attention", default="general")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--vocab-size", type=int, default=8000)
    return parser.parse_args()


def train(files: PairFiles, vocabulary: int, attention: str, seed: int, flags: argparse.Namespace) -> Any:
    """Return the best weights on the validation sentences."""
    config = ModelConfig(
        model="seq2seq", attention=attention, layers=1, dim=flags.dim, heads=4, dropout=flags.dropout, context=64
    )
    options = TrainConfig(
        steps=flags.steps, batch=64, seed=seed, moments=0, mixed_precision="no", label_smoothing=0.1,
        embedding_rate=0.005, validate_every=max(1, flags.steps // 12),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = MODELS["seq2seq"](config, vocabulary)
    with tempfile.TemporaryDirectory() as scratch:
        fit(model, files, options, folder=Path(scratch) / "run", report=lambda progress: None)
        model.load_state_dict(load_weights(Path(scratch) / "run", "best"))
    return model.eval()


def measure(model: Any, files: PairFiles, task: Task) -> dict[str, float]:
    """Perplexity of the first reference, BLEU and chrF of beam search with four beams."""
    nats, count = 0.0, 0
    with torch.inference_mode():
        for _, batch in files.test_batches(64, 8192):
            logits = model(*map(torch.from_numpy, batch.inputs)).logits
            targets = torch.from_numpy(batch.targets)
            nats += torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
            count += int((targets >= 0).sum())
    written = [readable(text) for text in answers(model, files, task)]
    most = max(len(item.references) for item in task.test)
    references = [
        [readable(item.references[at]) if at < len(item.references) else None for item in task.test]
        for at in range(most)
    ]
    return {
        "perplexity": math.exp(nats / count),
        "BLEU": sacrebleu.corpus_bleu(written, references).score,
        "chrF": sacrebleu.corpus_chrf(written, references).score,
    }


def answers(model: Any, files: PairFiles, task: Task) -> list[str]:
    """Translate every test sentence."""
    ids = [torch.from_numpy(files.tokenizer.encode(item.source)).long() for item in task.test]
    end = files.tokenizer.end_id
    assert end is not None
    lengths = torch.tensor([len(one) for one in ids])
    source = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
    found = translate(model, source, lengths, end_id=end, max_new_tokens=40, beams=4, length_penalty=0.6)
    return [files.tokenizer.decode(one.ids) for one in found]


def report(found: dict[str, list[dict[str, float]]], attention: str) -> None:
    """Print mean ± standard deviation and the ratio of the two."""
    print(f"\n{'attention':<12}" + "".join(f"{name:>18}" for name in SHOWN))
    means: dict[str, dict[str, float]] = {}
    for name, runs in found.items():
        cells = []
        means[name] = {what: statistics.fmean(run[what] for run in runs) for what in SHOWN}
        for what in SHOWN:
            spread = statistics.stdev(run[what] for run in runs) if len(runs) > 1 else 0.0
            cells.append(f"{means[name][what]:.2f} ± {spread:.2f}")
        print(f"{name:<12}" + "".join(f"{cell:>18}" for cell in cells))
    ratios = {what: means[attention][what] / means["none"][what] for what in SHOWN}
    print("ratio       " + "".join(f"{ratios[what]:>18.2f}" for what in SHOWN))


if __name__ == "__main__":
    main()
