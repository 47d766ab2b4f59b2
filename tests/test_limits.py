"""Texts about as long as the context, with every kind of model: they are traced, or one line says what would be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets import api
from attn_widgets.errors import AttnError
from attn_widgets.run import Run
from tests.tiny import TINY

CONTEXT = 32
READS_ON: list[dict[str, Any]] = [
    {}, {"attention": "sliding_window"}, {"attention": "lsh", "chunk": 4}, {"attention": "segment_memory"},
    {"model": "recurrent"}, {"model": "seq2seq", "lengths": "slide"},
]  # fmt: skip
ENDS: list[dict[str, Any]] = [
    {"positions": "learned"}, {"positions": "sinusoidal"}, {"model": "encoder"}, {"model": "seq2seq"},
    {"model": "encoder_decoder"}, {"model": "encoder_decoder", "positions": "learned"}, {"model": "convseq2seq"},
]  # fmt: skip
LONG = [f"{word} ." for word in ["one two three four five six seven eight nine ten " * 5] * 10]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("limits"))


def made(folder: str, options: dict[str, Any]) -> Run:
    """Hardly trained, so that an answer does not end before the context does."""
    name = "-".join(map(str, options.values())) or "transformer"
    if (Path(folder) / name).exists():
        return Run.load(name, folder)
    pairs = options.get("model") in ("seq2seq", "encoder_decoder", "convseq2seq")
    shape = {"context": CONTEXT} if options.get("model") == "ngram" else {**TINY, "context": CONTEXT}
    wanted = {**shape, **options, "moments": 0, "show": False, "runs": folder, "name": name}
    return api.train("dates", **wanted) if pairs else api.train(text=LONG, tokenizer="word", **wanted)


def text_of(run: Run, tokens: int) -> str:
    """As many tokens as are wanted, ‹start› among them; an encoder is asked for the last."""
    if run.model_config.reads_pairs:
        return "3" * tokens
    words = [["one", "two", "three", "four"][i % 4] for i in range(tokens - (run.tokenizer.end_id is not None))]
    return " ".join([*words[:-1], "‹mask›"] if run.model_config.model == "encoder" else words)


def name_of(options: dict[str, Any]) -> str:
    return " ".join(map(str, options.values())) or "transformer"


@pytest.mark.parametrize("options", [*READS_ON, *ENDS], ids=name_of)
def test_a_text_that_fits_is_traced_to_its_last_token(options: dict[str, Any], folder: str) -> None:
    run = made(folder, options)
    for tokens in range(CONTEXT - 2, CONTEXT + 3 if options in READS_ON else CONTEXT + 1):
        text = text_of(run, tokens)
        trace = run.trace(text)
        read = trace.blocks[-1].key_tokens if not run.model_config.reads_pairs else trace.blocks[0].key_tokens
        assert len(read) == tokens
        for block in trace.blocks:
            np.testing.assert_allclose(block.record.weights(0).sum(1), 1, atol=1e-5)
        heads = run.ablation(text, ["L0H1"])
        assert len(heads.before.tokens) == len(trace.blocks[-1].query_tokens)


@pytest.mark.parametrize("options", ENDS, ids=name_of)
def test_a_text_that_does_not_fit_is_refused_in_a_line(options: dict[str, Any], folder: str) -> None:
    run = made(folder, options)
    what = "the source" if run.model_config.reads_pairs else "the text with its ‹start›"
    for tokens in (CONTEXT + 1, CONTEXT + 2):
        for read in (run.trace, lambda text: run.ablation(text, ["L0H1"])):
            with pytest.raises(AttnError) as caught:
                read(text_of(run, tokens))
            line = rf"{what} has {tokens} tokens, .*--context 32.*; give a shorter one, or train with a larger "
            assert re.match(line + "--context or --(lengths truncate|positions rotary)$", str(caught.value))


def test_an_answer_as_long_as_the_context_shows_the_steps_that_wrote_it(folder: str) -> None:
    run = made(folder, {"model": "convseq2seq"})
    told = run.generate(text_of(run, CONTEXT))
    assert (len(told.ids), told.stop_reason) == (CONTEXT, "length")
    cross = told.trace.blocks[-1]
    assert cross.query_tokens == ("‹start›", *told.tokens[:-1])
    assert told.trace.predictions is not None
    np.testing.assert_allclose(told.trace.predictions.probabilities, told.probabilities, atol=1e-5)


@pytest.mark.parametrize("options", [{"model": "ngram"}, {"model": "recurrent", "attention": "none"}], ids=name_of)
def test_a_model_that_does_not_attend_says_so_and_reads_on(options: dict[str, Any], folder: str) -> None:
    run = made(folder, options)
    with pytest.raises(AttnError) as caught:
        run.trace("one two")
    named = " ".join(f"--{name} {value}" for name, value in options.items())
    assert str(caught.value) == f"{named} has no attention to trace"
    assert run.generate(text_of(run, CONTEXT + 2), max_new_tokens=1).notes == ()
