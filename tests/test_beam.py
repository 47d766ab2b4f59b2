"""Beam search: every target enumerated, greedy decoding by hand, and transformers' generate on a T5."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError, RunError
from attn_widgets.generation.beam import Hypothesis, length_penalty_of, select_rows, translate
from attn_widgets.models.seq2seq import Memory, Seq2Seq

END = 3


def model(vocab: int = 4, sharp: float = 40.0, **options: Any) -> Seq2Seq:
    """A small model whose opinions are strong, so that hypotheses differ."""
    torch.manual_seed(0)
    config = ModelConfig(**{"model": "seq2seq", "layers": 1, "heads": 2, "dim": 16, **options})
    made = Seq2Seq(config, vocab).double().eval()
    with torch.no_grad():
        made.head.weight.mul_(sharp)
        made.embedding.weight.mul_(4)
    return made


def sources(vocab: int = 4, batch: int = 6, length: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, length + 1, (batch,), generator=generator)
    return torch.randint(vocab, (batch, length), generator=generator), lengths


@torch.no_grad()
def log_probabilities(made: Seq2Seq, source: Tensor, length: Tensor, targets: list[tuple[int, ...]]) -> list[float]:
    """By teacher forcing, all targets of one source side by side."""
    longest = max(map(len, targets))
    given = torch.tensor([[END, *ids, *[0] * (longest - len(ids))] for ids in targets])
    logits = made(source[None, :length].expand(len(targets), -1), length.expand(len(targets)), given[:, :-1]).logits
    logs = logits.log_softmax(-1).gather(-1, given[:, 1:, None])[..., 0]
    return [log[: len(ids)].sum().item() for log, ids in zip(logs, targets, strict=True)]


def every_target(vocab: int, limit: int) -> list[tuple[int, ...]]:
    """All targets that end within the limit or are cut off by it."""
    words = [token for token in range(vocab) if token != END]
    ended = [(*w, END) for n in range(limit) for w in itertools.product(words, repeat=n)]
    return ended + list(itertools.product(words, repeat=limit))


@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0, -2.0])
@pytest.mark.parametrize("sharp", [3.0, 40.0])
def test_a_beam_as_wide_as_all_targets_finds_the_best_of_them(sharp: float, alpha: float) -> None:
    made, (source, lengths) = model(sharp=sharp), sources(batch=3)
    found = translate(made, source, lengths, end_id=END, max_new_tokens=3, beams=4**3, length_penalty=alpha)
    for row, length, hypothesis in zip(source, lengths, found, strict=True):
        targets = every_target(4, 3)
        logs = log_probabilities(made, row, length, targets)
        scores = [log / ((5 + len(ids)) / 6) ** alpha for log, ids in zip(logs, targets, strict=True)]
        score, log, ids = max(zip(scores, logs, targets, strict=True))
        assert hypothesis.ids == ids
        assert hypothesis.score == pytest.approx(score, abs=1e-5)
        assert hypothesis.log_probability == pytest.approx(log, abs=1e-5)
        assert hypothesis.finished == (ids[-1] == END)


@pytest.mark.parametrize("alpha", [0.0, 2.0, -2.0])
def test_one_beam_is_greedy(alpha: float) -> None:
    made, (source, lengths) = model(9), sources(9, 12)
    found = translate(made, source, lengths, end_id=END, max_new_tokens=10, length_penalty=alpha)
    for row, length, hypothesis in zip(source, lengths, found, strict=True):
        ids: list[int] = []
        with torch.no_grad():
            while END not in ids and len(ids) < 10:
                target = torch.tensor([[END, *ids]])
                ids.append(int(made(row[None, :length], length[None], target).logits[0, -1].argmax()))
        assert hypothesis.ids == tuple(ids)
        (log,) = log_probabilities(made, row, length, [hypothesis.ids])
        assert hypothesis.log_probability == pytest.approx(log, abs=1e-5)
    assert {hypothesis.finished for hypothesis in found} == {True, False}


@pytest.mark.parametrize("attention", ["scaled_dot", "none"])
def test_a_batch_gives_what_each_source_gives_alone(attention: Any) -> None:
    """Sources are done at different steps, and leave."""
    made, (source, lengths) = model(9, attention=attention), sources(9, 12)
    options: dict[str, Any] = {"end_id": END, "max_new_tokens": 12, "beams": 3, "length_penalty": 0.6}
    together = translate(made, source, lengths, **options)
    assert len({len(hypothesis.ids) for hypothesis in together}) > 2
    for row, length, hypothesis in zip(source, lengths, together, strict=True):
        (alone,) = translate(made, row[None], length[None], **options)
        assert alone.ids == hypothesis.ids
        assert alone.score == pytest.approx(hypothesis.score, abs=1e-6)


class States(NamedTuple):
    """A memory for T5."""

    hidden: Tensor
    mask: Tensor


def seen(source: Tensor, lengths: Tensor) -> Tensor:
    return (torch.arange(source.shape[1]) < lengths[:, None]).long()


class Wrapped:
    """transformers' T5, which reads the whole target again at each step."""

    def __init__(self, inner: T5ForConditionalGeneration) -> None:
        self.inner = inner

    def encode(self, source: Tensor, lengths: Tensor, *, ablate: Any = ()) -> States:
        mask = seen(source, lengths)
        return States(self.inner.encoder(input_ids=source, attention_mask=mask).last_hidden_state, mask)

    def begin(self, memory: States) -> Tensor:
        return torch.empty(len(memory.mask), 0, dtype=torch.long)

    def decode_one(self, memory: States, state: Tensor, ids: Tensor, *, ablate: Any = ()) -> tuple[Tensor, Tensor]:
        target = torch.cat((state, ids[:, None]), 1)
        logits = self.inner(
            encoder_outputs=(memory.hidden,), attention_mask=memory.mask, decoder_input_ids=target, use_cache=False
        ).logits  # fmt: skip
        return logits[:, -1], target

    def reorder(self, state: Tensor, rows: Tensor) -> Tensor:
        return state[rows]


@pytest.fixture(scope="module")
def t5() -> T5ForConditionalGeneration:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=12, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=END, eos_token_id=END, pad_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    made = T5ForConditionalGeneration(config).double()
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    source, lengths = sources(12, 8)
    wanted = torch.full((8, 8), -100)
    for row in wanted:
        size = int(torch.randint(1, 7, ()))
        row[:size], row[size] = torch.randint(4, 12, (size,)), END
    for _ in range(25):  # until it has learnt that targets end, and is not sure yet where
        loss = made(input_ids=source, attention_mask=seen(source, lengths), labels=wanted).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made.eval()


@pytest.mark.parametrize("beams", [1, 2, 4])
def test_transformers_finds_the_same_targets(t5: T5ForConditionalGeneration, beams: int) -> None:
    source, lengths = sources(12, 8)
    found = translate(Wrapped(t5), source, lengths, end_id=END, max_new_tokens=8, beams=beams)
    search: dict[str, Any] = {"length_penalty": 0.0, "early_stopping": True} if beams > 1 else {}
    theirs = t5.generate(
        input_ids=source, attention_mask=seen(source, lengths), num_beams=beams, do_sample=False, max_new_tokens=8,
        return_dict_in_generate=True, output_scores=True, **search,
    )  # fmt: skip
    for row, hypothesis in zip(theirs.sequences[:, 1:].tolist(), found, strict=True):
        assert tuple(row[: len(hypothesis.ids)]) == hypothesis.ids
        assert set(row[len(hypothesis.ids) :]) <= {0, END}  # transformers' padding; with id 0 it pads beams by END
    if beams > 1:
        scores = torch.tensor([hypothesis.score for hypothesis in found])
        torch.testing.assert_close(scores, theirs.sequences_scores.float(), atol=1e-5, rtol=0)
    assert len({len(hypothesis.ids) for hypothesis in found}) > 1


def test_the_penalty_is_wus() -> None:
    assert length_penalty_of(1, 0.6) == 1
    assert length_penalty_of(13, 0.5) == pytest.approx(math.sqrt(3))
    assert length_penalty_of(13, 0) == 1


def test_a_larger_penalty_never_gives_shorter_targets_when_all_are_seen() -> None:
    made, (source, lengths) = model(sharp=10.0), sources(batch=6)
    sizes = []
    for alpha in (-4.0, 0.0, 4.0):
        found = translate(made, source, lengths, end_id=END, max_new_tokens=4, beams=4**4, length_penalty=alpha)
        sizes.append([len(hypothesis.ids) for hypothesis in found])
    assert all(a <= b <= c for a, b, c in zip(*sizes, strict=True))
    assert sum(sizes[0]) < sum(sizes[2])


def test_a_head_that_is_switched_off_changes_the_score() -> None:
    made, (source, lengths) = model(9), sources(9)
    options: dict[str, Any] = {"end_id": END, "max_new_tokens": 6, "beams": 2}
    plain, ablated = (translate(made, source, lengths, **options, ablate=heads) for heads in ((), [(0, 1)]))
    assert all(a.score != b.score for a, b in zip(plain, ablated, strict=True))
    with pytest.raises(ConfigError, match="--ablate L0H2: the model has one attention layer, 0, and heads 0–1"):
        translate(made, source, lengths, **options, ablate=[(0, 2)])


def test_rows_of_a_memory() -> None:
    memory = Memory(torch.arange(3.0)[:, None, None], torch.arange(3.0)[:, None], records=())
    picked = select_rows(memory, torch.tensor([2, 0, 0, 1]))
    assert isinstance(picked, Memory)
    assert picked.summary[:, 0].tolist() == [2, 0, 0, 1]
    assert picked.key is None
    assert picked.records == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"beams": 0}, "--beams and --max-new-tokens must be at least 1; given 0 and 5"),
        ({"max_new_tokens": 0}, "--beams and --max-new-tokens must be at least 1; given 1 and 0"),
    ],
)
def test_what_cannot_work_is_named(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        translate(model(), *sources(), **{"end_id": END, "max_new_tokens": 5, **wrong})
    assert str(error.value) == message


def test_damaged_weights_are_named() -> None:
    made = model()
    with torch.no_grad():
        made.head.weight[1] = math.nan
    with pytest.raises(RunError, match="logits are not finite"):
        translate(made, *sources(), end_id=END, max_new_tokens=5)


def test_it_is_a_plain_tuple() -> None:
    (found,) = translate(model(), torch.tensor([[1, 2]]), torch.tensor([2]), end_id=END, max_new_tokens=1)
    assert isinstance(found, Hypothesis)
    assert len(found.ids) == 1
