"""Tokens per second of our decoding beside transformers' ``generate``, on a GPT-2 with the same weights.

    python tests/benchmarks/generation.py [--layers 4 --dim 128 --heads 4 --vocab 2048 --tokens 200 --repeats 7]

Greedy, one stream, prompt of 16 tokens, random weights. All four are timed in turn in every repeat, so that a busy
moment of the machine meets all of them; medians count. The text itself is not decoded by either.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from attn_widgets.capture import generation_trace
from attn_widgets.config import GenerateConfig
from attn_widgets.generation.decode import Decoded, generate_tokens
from attn_widgets.models.convert import from_gpt2

PROMPT = list(range(1, 17))


def parse() -> argparse.Namespace:
    """Read the flags; their defaults are the figures of the README."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"layers": 4, "dim": 128, "heads": 4, "vocab": 2048, "tokens": 200, "repeats": 7}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def make_model(flags: argparse.Namespace) -> GPT2LMHeadModel:
    """A GPT-2 with random weights that never ends a text."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=flags.vocab, n_layer=flags.layers, n_embd=flags.dim, n_head=flags.heads,
        n_positions=len(PROMPT) + flags.tokens + 1, initializer_range=0.2, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return GPT2LMHeadModel(config).eval()


def contestants(flags: argparse.Namespace) -> dict[str, Callable[[], list[int]]]:
    """What is timed, by name; each returns the ids it generated."""
    theirs = make_model(flags)
    ours, ids = from_gpt2(theirs), torch.tensor([PROMPT])

    def hugging_face(attention: bool) -> list[int]:
        theirs.set_attn_implementation("eager" if attention else "sdpa")
        found = theirs.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=flags.tokens, do_sample=False, pad_token_id=0,
            output_attentions=attention, return_dict_in_generate=True,
        )  # fmt: skip
        return found.sequences[0, len(PROMPT) :].tolist()

    def attn_widgets_(trace: bool) -> list[int]:
        return decoded(trace).ids

    def decoded(trace: bool) -> Decoded:
        config = GenerateConfig(max_new_tokens=flags.tokens)
        return generate_tokens(ours, PROMPT, config, end_id=None, decode=lambda ids: "", trace=trace)

    def with_weights() -> list[int]:
        done = decoded(True)
        assert done.recording is not None
        trace = generation_trace(done.recording.segments, list(map(str, PROMPT + done.ids)))
        for layer, head in trace.iter_heads():
            trace.weights(layer, head)
        return done.ids

    return {
        "transformers generate": lambda: hugging_face(False),
        "transformers generate, output_attentions": lambda: hugging_face(True),
        "attn_widgets": lambda: attn_widgets_(False),
        "attn_widgets, trace recorded": lambda: attn_widgets_(True),
        "attn_widgets, trace and all its weights": with_weights,
    }


def main() -> None:
    """Time, and print a table."""
    flags = parse()
    timed = contestants(flags)
    texts = {name: run() for name, run in timed.items()}  # also the warm-up
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(flags.repeats):
        for name, run in timed.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    rate = {name: flags.tokens / statistics.median(times) for name, times in seconds.items()}
    plain, attention, *_ = rate.values()
    print(
        f"GPT-2, {flags.layers} layers x {flags.dim} wide x {flags.heads} heads, vocabulary {flags.vocab}, "
        f"{flags.tokens} tokens, {flags.repeats} repeats, {torch.get_num_threads()} threads; "
        f"same ids: {len({tuple(ids) for ids in texts.values()}) == 1}"
    )
    for name, value in rate.items():
        beside = "" if name.startswith("tr") else f"{value / (plain if name == 'attn_widgets' else attention):5.1f} x"
        print(f"{name:<42}{value:8.0f} tokens/s  {beside}")


if __name__ == "__main__":
    main()
