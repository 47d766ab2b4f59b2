"""Every mechanism in the transformer: what it promises to training, generation and traces, whatever it computes."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor

from attn_widgets.attention import BUILT_IN
from attn_widgets.capture import capture_trace
from attn_widgets.config import GenerateConfig, ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.flags import options as flag_options
from attn_widgets.generation.decode import generate_tokens
from attn_widgets.models import Encoder, Transformer

NAMES = sorted(BUILT_IN)
VOCAB = 20


def make_model(name: str, **options: Any) -> Transformer:
    torch.manual_seed(0)
    config = ModelConfig(attention=name, **{"context": 32, "heads": 4, "kv_heads": 2, "dim": 32, "chunk": 4, **options})
    model = Transformer(config, VOCAB)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def make_ids(count: int, rows: int = 2) -> Tensor:
    return torch.randint(VOCAB, (rows, count), generator=torch.Generator().manual_seed(1))


def test_every_mechanism_is_a_choice_and_none_is_the_only_other() -> None:
    assert set(get_args(get_type_hints(ModelConfig)["attention"])) == BUILT_IN | {"none"}


@pytest.mark.parametrize("name", NAMES)
def test_no_token_sees_a_later_one(name: str) -> None:
    model, ids = make_model(name), make_ids(30)
    if name == "lsh":  # later tokens decide who meets whom, so that only the weights can be asked
        for record in model(ids, record=True).records or ():
            assert not record.weights().triu(1).any()
        return
    other = ids.clone()
    other[:, 20:] = (other[:, 20:] + 1) % VOCAB
    before, after = (model(both).logits[:, :20] for both in (ids, other))
    torch.testing.assert_close(before, after, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_training_scoring_and_recording_agree(name: str) -> None:
    model, ids = make_model(name), make_ids(30)
    recorded = model(ids, record=True)
    torch.testing.assert_close(model(ids).logits, recorded.logits, atol=5e-6, rtol=0)
    torch.testing.assert_close(model.train()(ids).logits, recorded.logits, atol=5e-6, rtol=0)
    assert len(recorded.records or ()) == len(model.kinds())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 7, 40])
def test_decoding_agrees_with_reading_it_all(name: str, count: int) -> None:
    """Past the context too: under the band mask, or under the mechanism's own reach."""
    model, ids = make_model(name), make_ids(count, rows=1)
    decoded = generate_tokens(
        model, ids[0].tolist(), GenerateConfig(max_new_tokens=20), end_id=None, decode=str, trace=False
    )
    fed = [*decoded.prompt_ids, *decoded.ids]
    for place in range(count, len(fed)):
        window = model.config.context if place > model.config.context else None
        logits = model(torch.tensor([fed[:place]]), window=window).logits[0, -1]
        assert logits.max() - logits[fed[place]] < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_has_the_weights_of_the_pass(name: str) -> None:
    model, ids = make_model(name), make_ids(30, rows=1)
    trace = capture_trace(model, ids[0], [str(i) for i in range(30)], str)
    for layer, record in enumerate(model(ids, record=True).records or ()):
        for head, weights in enumerate(record.weights()[0].detach()):
            np.testing.assert_allclose(trace.weights(layer, head), weights, atol=2e-6)


@pytest.mark.parametrize("name", ["dot", "general", "concat", "additive", "sliding_window", "segment_memory"])
def test_a_long_text_is_traced_in_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = make_model(name, context=64), make_ids(50, rows=1)
    tokens = [str(i) for i in range(50)]
    whole = capture_trace(model, ids[0], tokens, str)
    monkeypatch.setattr("attn_widgets.capture.reading.PIECE", 7)
    pieces = capture_trace(model, ids[0], tokens, str)
    for layer, head in whole.iter_heads():
        np.testing.assert_allclose(pieces.weights(layer, head), whole.weights(layer, head), atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_learns_and_is_in_one_group(name: str) -> None:
    model, ids = make_model(name), make_ids(30)
    model.train()(ids).logits.logsumexp(-1).sum().backward()
    grouped = [parameter for group in model.parameter_groups().values() for parameter in group]
    assert sorted(map(id, grouped)) == sorted(map(id, model.parameters()))
    assert all(matrix.ndim == 2 for matrix in model.parameter_groups()["matrices"])
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(("segment", "learns"), [(10, False), (20, True)])
def test_no_gradient_enters_the_memory(segment: int, learns: bool) -> None:
    """Transformer-XL: what an earlier segment is read as does not learn from a later one."""
    model = make_model("segment_memory", segment=segment, context=30)
    first, second = torch.arange(10)[None], torch.arange(10, 20)[None]
    model.train()(torch.cat((first, second), 1)).logits[:, 10:].logsumexp(-1).sum().backward()
    gradient = model.embedding.weight.grad
    assert gradient is not None
    assert bool(gradient[:10].any()) == learns
    assert gradient[10:].any(1).all()


def test_heads_of_an_odd_width_have_relative_positions_and_no_rotary_ones() -> None:
    model = make_model("segment_memory", dim=28, kv_heads=4)
    assert (model.config.head_dim, model.rotary) == (7, None)
    assert bool(model(make_ids(40)).logits.isfinite().all())
    with pytest.raises(ConfigError, match=r"^--positions rotary needs an even head width; --dim 28 / --heads 4 = 7"):
        make_model("scaled_dot", dim=28, kv_heads=4)


def test_a_window_is_as_wide_as_its_help_says() -> None:
    """The last eight tokens, the own one among them; in an encoder four on each side of it."""
    seen = make_model("sliding_window", window=8)(make_ids(30, 1), record=True).records[0].weights()[0, 0, 15]  # type: ignore[index]
    assert seen.nonzero().flatten().tolist() == [*range(8, 16)]
    both = Encoder(ModelConfig(model="encoder", attention="sliding_window", window=8, context=32), VOCAB).eval()
    seen = both(make_ids(30, 1), record=True).records[0].weights()[0, 0, 15]
    assert seen.nonzero().flatten().tolist() == [*range(11, 20)]
    told = flag_options((ModelConfig,))["window"].help
    assert told.startswith("tokens that one sees under sliding_window, itself included; in an encoder half as many on")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "sliding_window", "window": 65}, "--window 65 is wider than --context 64; try --window 32"),
        ({"attention": "segment_memory", "segment": 65}, "--segment 65 is wider than --context 64; try --segment 32"),
        ({"attention": "segment_memory", "positions": "learned"}, "relative positions of its own; leave --positions"),
        ({"attention": "lsh", "model": "seq2seq"}, "--attention lsh does not work in --model seq2seq; try one of sca"),
        ({"attention": "none"}, "--attention none does not work in --model transformer; try one of scaled_dot"),
        ({"attention": "lsh", "chunk": 0}, "--chunk must be at least 1; given 0"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ModelConfig(**options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
