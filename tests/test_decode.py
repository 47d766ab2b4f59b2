"""Cached decoding against whole, uncached passes of the same model, and against transformers."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from attn_widgets.capture import generation_trace
from attn_widgets.config import GenerateConfig, ModelConfig
from attn_widgets.errors import AttnError, ConfigError, RunError
from attn_widgets.generation.decode import Decoded, Reader, generate_tokens
from attn_widgets.generation.sampling import choose_token, make_generator
from attn_widgets.generation.step import OneRow
from attn_widgets.models import KeyValueCache, Transformer
from attn_widgets.models.convert import from_gpt2, from_llama

SMALL = ModelConfig(layers=2, heads=4, dim=32, context=8)
VARIANTS = [
    SMALL,
    replace(SMALL, kv_heads=2, qk_norm=True, mlp="swiglu"),
    replace(SMALL, kv_heads=1, bias=True, norm="layer", mlp="gelu"),
    replace(SMALL, positions="learned", norm="layer", bias=True, mlp="gelu_tanh", tied=True, context=48),
    replace(SMALL, positions="sinusoidal", kv_heads=2, norm="layer", dropout=0.5, context=48),
]
VOCAB = 29


def make_model(config: ModelConfig = SMALL, seed: int = 0) -> Transformer:
    """A random model with sharp attention."""
    torch.manual_seed(seed)
    model = Transformer(config, VOCAB).eval()
    for name, parameter in model.named_parameters():
        nn.init.normal_(parameter, float("norm.weight" in name), 0.3)
    return model


def shown(ids: Sequence[int]) -> str:
    """A letter an id."""
    return "".join(chr(65 + i) for i in ids)


def generate(model: Transformer, prompt: Sequence[int], end_id: int | None = None, **options: object) -> Decoded:
    """Generate with letters as text."""
    config = GenerateConfig(**options)  # type: ignore[arg-type]
    return generate_tokens(model, prompt, config, end_id=end_id, decode=shown)


def whole_pass(model: Transformer, ids: Sequence[int], **options: object) -> Tensor:
    """Logits (Q, V) of one pass without a cache, under the band mask of the context."""
    with torch.no_grad():
        return model(torch.tensor([list(ids)]), window=model.config.context, **options).logits[0]


def random_ids(count: int, seed: int = 0) -> list[int]:
    return torch.randint(VOCAB, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


@pytest.mark.parametrize("config", VARIANTS)
@pytest.mark.parametrize("ablate", [(), ((0, 1), (1, 0), (1, 3))])
def test_one_row_is_the_models_own_pass(config: ModelConfig, ablate: tuple[tuple[int, int], ...]) -> None:
    model, ids = make_model(config), random_ids(40)
    step, cache, twin = OneRow(model, ablate), KeyValueCache(config), KeyValueCache(config)
    expected = whole_pass(model, ids, ablate=ablate)
    with torch.inference_mode():
        for each in (cache, twin):
            model(torch.tensor([ids[:3]]), cache=each, ablate=ablate)
        for at in range(3, 40):
            logits, queries = step(torch.tensor(ids[at : at + 1]), cache)
            output = model(torch.tensor([ids[at : at + 1]]), cache=twin, ablate=ablate, record=True)
            torch.testing.assert_close(logits, output.logits[0, 0], atol=1e-5, rtol=0)
            torch.testing.assert_close(logits, expected[at], atol=1e-5, rtol=0)
            for query, record in zip(queries, output.records, strict=True):
                torch.testing.assert_close(query, record.query, atol=1e-5, rtol=0)
    assert cache.position == cache.length == 40


@pytest.mark.parametrize("prompt", [1, 7, 8, 9, 300, 800])
def test_reader_past_the_context_equals_the_band_mask(prompt: int) -> None:
    model, ids = make_model(), random_ids(prompt + 300)
    expected, reader = whole_pass(model, ids), Reader(model)
    with torch.inference_mode():
        logits = [reader.prefill(ids[:prompt])]
        logits += [reader.decode_one_token(torch.tensor([token])) for token in ids[prompt:]]
    torch.testing.assert_close(torch.stack(logits), expected[prompt - 1 :], atol=1e-5, rtol=0)
    assert reader.cache.capacity < 600  # the cache is cut, not the text


@pytest.mark.parametrize("options", [{}, {"temperature": 1.5}, {"top_k": 5, "top_p": 0.9, "repetition_penalty": 1.3}])
def test_the_same_ids_as_without_a_cache(options: dict[str, float]) -> None:
    model, prompt, config = make_model(), random_ids(5), GenerateConfig(seed=11, **options)
    ids, generator = list(prompt), make_generator(11)
    for _ in range(40):
        ids += choose_token(whole_pass(model, ids)[-1], config, generator, torch.tensor(ids)).tolist()
    assert generate(model, prompt, max_new_tokens=40, seed=11, **options).ids == ids[5:]


def random_gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=97, n_layer=2, n_head=4, n_embd=32, n_positions=128, initializer_range=0.3, eos_token_id=None
        )
    )


def random_llama() -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=97, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, hidden_size=32,
            intermediate_size=48, max_position_embeddings=128, initializer_range=0.3, eos_token_id=None,
        )
    )  # fmt: skip


@pytest.mark.parametrize(("make", "convert"), [(random_gpt2, from_gpt2), (random_llama, from_llama)])
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_greedy_ids_and_attention_of_transformers(make: Any, convert: Any, penalty: float) -> None:
    torch.manual_seed(5)
    theirs, prompt = make().eval(), torch.tensor([[5, 17, 3, 88]])
    theirs.set_attn_implementation("eager")
    expected = theirs.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=100, do_sample=False, pad_token_id=0,
        repetition_penalty=penalty, output_attentions=True, output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    config = GenerateConfig(max_new_tokens=100, repetition_penalty=penalty)
    done = generate_tokens(convert(theirs), prompt[0].tolist(), config, end_id=None, decode=str)
    assert done.ids == expected.sequences[0, 4:].tolist()
    assert len(set(done.ids)) > 5
    chosen = torch.cat(expected.logits).softmax(-1)[range(100), done.ids]
    np.testing.assert_allclose(done.choices.probabilities, chosen, atol=1e-5)
    trace = generation_trace(done.recording.segments, list(map(str, range(104))))
    for layer, head in trace.iter_heads():
        weights = trace.weights(layer, head)
        for row, step in enumerate(expected.attentions[1:], 4):
            np.testing.assert_allclose(weights[row, : row + 1], step[layer][0, head, 0], atol=1e-5)


def test_seeds_and_the_global_random_state() -> None:
    model, before = make_model(), torch.get_rng_state()
    runs = [generate(model, [1], temperature=2.0, seed=seed).ids for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_probabilities_and_entropies_are_the_models_own() -> None:
    model, prompt = make_model(), random_ids(4)
    done = generate(model, prompt, max_new_tokens=150, top_k=2, temperature=0.5)
    logits = whole_pass(model, prompt + done.ids)
    expected = torch.distributions.Categorical(logits=logits[3:-1])
    chosen = expected.log_prob(torch.tensor(done.ids)).exp()
    np.testing.assert_allclose(done.choices.probabilities, chosen, atol=1e-5)
    np.testing.assert_allclose(done.choices.entropies, expected.entropy(), atol=1e-5)
    top = logits.softmax(-1).max(-1)
    assert done.choices.top_ids == top.indices.tolist()
    np.testing.assert_allclose(done.choices.top_probabilities, top.values, atol=1e-5)


@pytest.mark.parametrize(("prompt", "new"), [(3, 4), (5, 60), (20, 300), (700, 20)])
@pytest.mark.parametrize("config", [SMALL, replace(SMALL, kv_heads=2)])
def test_trace_of_every_step_equals_the_band_mask(config: ModelConfig, prompt: int, new: int) -> None:
    model, ids = make_model(config), random_ids(prompt)
    done = generate(model, ids, max_new_tokens=new)
    assert done.recording is not None
    text = ids + done.ids
    trace = generation_trace(done.recording.segments, [str(i) for i in text])
    with torch.no_grad():
        records = model(torch.tensor([text]), window=config.context, record=True).records
    assert trace.tokens == tuple(map(str, text))
    for layer, head in trace.iter_heads():
        expected = records[layer].weights()[0, head]
        np.testing.assert_allclose(trace.weights(layer, head), expected, atol=1e-5)
        assert trace.captured(layer, head).all()


def learned_reference(model: Transformer, ids: Sequence[int], new: int) -> tuple[list[int], list[list[int]]]:
    """Greedy text and what was read for each token, by whole passes: the older half goes when it is full."""
    context, held, chosen, reads = model.config.context, list(ids)[-model.config.context :], [], []
    for _ in range(new):
        reads.append(list(held))
        with torch.no_grad():
            chosen.append(int(model(torch.tensor([held])).logits[0, -1].argmax()))
        held = [*held, chosen[-1]]
        held = held if len(held) <= context else held[-max(1, context // 2) :]
    return chosen, reads


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
@pytest.mark.parametrize(("context", "prompt"), [(1, 1), (2, 5), (9, 3), (10, 10), (10, 33)])
def test_other_positions_drop_the_older_half(positions: str, context: int, prompt: int) -> None:
    model = make_model(replace(SMALL, positions=positions, context=context))
    ids, new = random_ids(prompt), 25
    done = generate(model, ids, max_new_tokens=new)
    expected, reads = learned_reference(model, ids, new)
    assert done.ids == expected
    assert any("older half was dropped" in note for note in done.notes)
    assert any(f"only the last {context} were read" in note for note in done.notes) == (prompt > context)
    first = max(0, prompt - context)
    trace = generation_trace(done.recording.segments, [str(i) for i in (ids + done.ids)[first:]])
    mine = {each: trace.weights(*each) for each in trace.iter_heads()}
    for row, held in enumerate(reads, prompt - first - 1):
        with torch.no_grad():
            records = model(torch.tensor([held]), record=True).records
        seen = slice(row + 1 - len(held), row + 1)
        for (layer, head), weights in mine.items():
            np.testing.assert_allclose(weights[row, seen], records[layer].weights()[0, head, -1], atol=1e-5)
            assert weights[row].sum() == pytest.approx(1, abs=1e-5)


def test_notes_only_where_something_did_not_fit() -> None:
    model = make_model()
    assert generate(model, random_ids(8), max_new_tokens=20).notes == ()
    (note,) = generate(model, random_ids(9), max_new_tokens=1).notes
    assert note == "the prompt has 9 tokens, the model's context 8: each token sees the 8 before it at most"


def test_ablated_heads_are_off_in_every_step() -> None:
    model, prompt = make_model(), random_ids(3)
    done = generate(model, prompt, max_new_tokens=30, ablate=("L0H1", "L1H2"))
    logits = whole_pass(model, prompt + done.ids, ablate=[(0, 1), (1, 2)])
    assert done.ids == logits[2:-1].argmax(-1).tolist()
    assert done.ids != generate(model, prompt, max_new_tokens=30).ids
    for wrong, message in (("L2H0", "layers 0–1"), ("L0H4", "heads 0–3"), ("H1", "names no head")):
        with pytest.raises(AttnError, match=message):
            generate(model, prompt, ablate=(wrong,))


def test_stops() -> None:
    model, prompt = make_model(), random_ids(3)
    free = generate(model, prompt, max_new_tokens=60)
    assert (free.stop_reason, len(free.ids), free.text) == ("length", 60, shown(free.ids))
    end = free.ids[20]
    first = free.ids.index(end)
    stopped = generate(model, prompt, end_id=end, max_new_tokens=60)
    assert (stopped.stop_reason, stopped.ids) == ("end", free.ids[: first + 1])
    assert generate(model, prompt, end_id=end, ignore_end=True, max_new_tokens=60).ids == free.ids
    word = free.text[10:13]
    cut = free.text.index(word)
    found = generate(model, prompt, stop=(word,), max_new_tokens=60)
    assert (found.stop_reason, found.text, found.ids) == ("stop", free.text[:cut], free.ids[: cut + 3])
    late = generate(model, prompt, minutes=1e-9)
    assert (late.stop_reason, len(late.ids)) == ("time", 1)


def test_an_interrupt_keeps_whole_tokens() -> None:
    model, parts = make_model(), []

    def press(text: str) -> None:
        parts.append(text)
        if len(parts) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    config = GenerateConfig(max_new_tokens=500)
    done = generate_tokens(model, [1, 2], config, end_id=None, decode=shown, on_text=press)
    assert signal.getsignal(signal.SIGINT) is before
    assert done.stop_reason == "interrupted"
    assert len(done.ids) == len(done.choices.probabilities) == 5
    assert done.text == "".join(parts) == shown(done.ids)
    assert generation_trace(done.recording.segments, list("abcdefg")).tokens == tuple("abcdefg")


def test_streaming_changes_nothing() -> None:
    model, parts = make_model(), []
    config = GenerateConfig(max_new_tokens=100, temperature=1.0)
    streamed = generate_tokens(model, [3], config, end_id=None, decode=shown, on_text=parts.append, trace=False)
    silent = generate(model, [3], max_new_tokens=100, temperature=1.0)
    assert streamed.ids == silent.ids
    assert "".join(parts) == streamed.text == silent.text
    assert streamed.recording is None


def test_errors_are_one_line() -> None:
    model = make_model()
    with pytest.raises(ConfigError, match="prompt is empty"):
        generate(model, [])
    with torch.no_grad():
        model.head.weight[3, 3] = torch.nan
    with pytest.raises(RunError, match="not finite"):
        generate(model, [1])
