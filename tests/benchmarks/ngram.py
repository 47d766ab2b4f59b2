"""Loss of n-gram models on a text, beside the reference figures of tinyshakespeare.

    python tests/benchmarks/ngram.py --text tinyshakespeare.txt

Tokens are characters; the first 90 % are counted and the whole rest is scored. Exits with an error where a figure
is further than 0.005 nats per character from its reference, which only tinyshakespeare has to meet.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np

from attn_widgets.text.ngrams import ngram_rungs

REFERENCE = {2: 2.486, 3: 2.049, 4: 1.774, 5: 1.669}  # nats per character
CLOSE = 0.005


def main() -> None:
    """Count, score and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True, help="a text in UTF-8")
    text = parser.parse_args().text.read_text(encoding="utf-8")
    characters, ids = np.unique(np.array(list(text)), return_inverse=True)
    split = len(ids) * 9 // 10
    start = time.perf_counter()
    found = ngram_rungs(ids[:split], ids[split:], len(characters), REFERENCE)
    seconds = time.perf_counter() - start
    print(f"{split:,} characters counted, {len(ids) - split:,} scored, all orders in {seconds:.2f} s")
    print("order   nats per character   perplexity   reference")
    for order, loss in found.items():
        print(f"{order:5}   {loss:18.4f}   {math.exp(loss):10.3f}   {REFERENCE[order]:9.3f}")
    far = [order for order, loss in found.items() if abs(loss - REFERENCE[order]) > CLOSE]
    if far:
        sys.exit(f"further than {CLOSE} from the reference: order {', '.join(map(str, far))}")


if __name__ == "__main__":
    main()
