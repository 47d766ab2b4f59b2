"""Streaming and stop strings, against the rule on the whole text and against transformers."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.generation.stopping_criteria import StopStringCriteria

from attn_widgets.generation.stopping import Deadline, Interrupt, TextStream, find_stop, held_back

TEXT = "naïve café, 北京 is big; 🙂🙃 the end. the theme ends, then the other – “quoted” – Ωμέγα banana bananas"


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    """A byte-level tokenizer whose tokens often are pieces of characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([TEXT] * 3, trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet))
    return tokenizer


def run_stream(stream: TextStream, ids: Sequence[int]) -> int:
    """Feed `ids` until a stop; how many were taken."""
    return next((n for n, token in enumerate(ids, 1) if stream.push(token)), len(ids))


def cut_by_rule(text: str, stops: Sequence[str]) -> str:
    """Read the text letter by letter; at the first letter that completes a stop string, cut before the longest."""
    for end in range(len(text) + 1):
        if ending := [stop for stop in stops if text[:end].endswith(stop)]:
            return text[: end - max(map(len, ending))]
    return text


def test_characters_in_several_tokens_come_out_whole(bpe: Tokenizer) -> None:
    ids, parts = bpe.encode(TEXT).ids, []
    stream = TextStream(bpe.decode, on_text=parts.append)
    assert run_stream(stream, ids) == len(ids) > len(TEXT.split())
    assert stream.close() == "".join(parts) == TEXT
    assert not any("\ufffd" in part for part in parts)
    assert len(parts) > 40  # it streams


def test_an_unfinished_character_is_let_out_at_the_end_only(bpe: Tokenizer) -> None:
    ids = bpe.encode("ok 🙂").ids
    stream = TextStream(bpe.decode)
    run_stream(stream, ids[:-1])
    assert stream.text == "ok "
    assert stream.close() == bpe.decode(ids[:-1]) != "ok "


def test_broken_bytes_inside_the_text_add_up_too(bpe: Tokenizer) -> None:
    for seed in range(50):
        ids, parts = random.Random(seed).choices(range(bpe.get_vocab_size()), k=30), []
        stream = TextStream(bpe.decode, on_text=parts.append)
        run_stream(stream, ids)
        assert stream.close() == "".join(parts) == bpe.decode(ids)


def test_stop_strings_cut_by_text_wherever_the_tokens_end(bpe: Tokenizer) -> None:
    for seed in range(300):
        rng = random.Random(seed)
        text = "".join(rng.choices("ab é🙂", k=24))
        stops = ["".join(rng.choices("ab é🙂", k=rng.randint(1, 4))) for _ in range(rng.randint(0, 3))]
        parts: list[str] = []
        stream = TextStream(bpe.decode, stops=stops, on_text=parts.append)
        run_stream(stream, bpe.encode(text).ids)
        assert stream.close() == "".join(parts) == cut_by_rule(text, stops), (text, stops)


def test_the_stop_is_seen_at_the_token_where_transformers_sees_it(bpe: Tokenizer) -> None:
    theirs = PreTrainedTokenizerFast(tokenizer_object=bpe)
    for stop in ["end", " the", "e", "nd. t", "banana", "ana", "s, t", "nas"]:  # it finds none of characters in pieces
        criteria, ids = StopStringCriteria(theirs, [stop]), bpe.encode(TEXT).ids
        steps = range(1, len(ids) + 1)
        first = next(n for n in steps if criteria(torch.tensor([ids[:n]]), None).all())
        assert run_stream(TextStream(bpe.decode, stops=[stop]), ids) == first, stop


def test_a_stop_in_the_prompt_does_not_count(bpe: Tokenizer) -> None:
    prompt, ids = bpe.encode("the end").ids, bpe.encode(" is near").ids
    stream = TextStream(bpe.decode, prompt, stops=["end"])
    run_stream(stream, ids)
    assert stream.close() == " is near"


def words(ids: Sequence[int]) -> str:
    """Words joined by spaces; 0 is invisible, like an end token."""
    return " ".join(str(i) for i in ids if i)


def test_words_join_to_the_prompt_and_across_invisible_tokens() -> None:
    for prompt, expected in [([], "1 2 3 4 5"), ([0], "1 2 3 4 5"), ([0, 7, 8], " 1 2 3 4 5"), ([9], " 1 2 3 4 5")]:
        parts: list[str] = []
        stream = TextStream(words, prompt, on_text=parts.append)
        run_stream(stream, [1, 0, 2, 3, 0, 0, 4, 5, 0])
        assert stream.close() == "".join(parts) == expected


def test_find_stop_and_held_back() -> None:
    assert find_stop("xabcd", ["abcd", "b"]) == 2
    assert find_stop("xabcd", ["cd", "bcd"]) == 2
    assert find_stop("xyz", ["a"]) is None
    assert held_back("to be or", ["order", "r!"]) == 2
    assert held_back("order", ["order"]) == 0
    assert held_back("x", []) == 0


def test_deadline() -> None:
    assert Deadline(1e-9).passed()
    assert not Deadline(5).passed()
    assert not Deadline(None).passed()


@pytest.mark.parametrize("before", [signal.default_int_handler, None])
def test_the_handler_before_comes_back_also_where_it_was_not_pythons(before: Any, monkeypatch: Any) -> None:
    installed: list[Any] = []

    def install(_number: int, handler: Any) -> Any:
        installed.append(handler)
        return before

    monkeypatch.setattr(signal, "signal", install)
    with Interrupt() as interrupt:
        assert installed == [interrupt._handle]
    assert installed[1:] == [signal.default_int_handler]
