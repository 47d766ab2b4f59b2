"""Functions of a person's own as mechanisms: refused before they are used, or as good as a built-in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import attn_widgets
from attn_widgets.attention import BUILT_IN, MECHANISMS, register
from attn_widgets.capture import capture_trace
from attn_widgets.config import ModelConfig
from attn_widgets.errors import AttnError, ConfigError
from attn_widgets.models import make_model
from attn_widgets.trace import MASKED, VALUE, AttentionTrace
from tests.tiny import TINY

PROMISE = (
    "; a mechanism returns (context, record), its record weights (batch, head, query, key) or an object with a method "
    "weights()"
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    for name in set(MECHANISMS) - BUILT_IN:
        del MECHANISMS[name]


def even(query: Tensor, key: Tensor, value: Tensor, *, mask=None, causal=False, record=False, **_: Any):
    """Look at all visible keys alike."""
    seen = torch.ones(*query.shape[:3], key.shape[2])
    if causal:
        seen = seen.tril(key.shape[2] - query.shape[2])
    if mask is not None:
        seen = seen * mask
    weights = seen / seen.sum(-1, keepdim=True)
    return weights @ value, weights if record else None


class Given:
    """A record of another kind than ours."""

    def __init__(self, weights: Tensor) -> None:
        self.given = weights

    def weights(self) -> Tensor:
        return self.given


class Seen(Given):
    """One that also tells what is visible, but not for a single row, which sees everything."""

    def visible(self) -> Tensor | None:
        return None if self.given.shape[2] == 1 else self.given[:, :1] > 0


def even_given(*inputs: Tensor, record: bool = False, **options: Any):
    context, weights = even(*inputs, record=record, **options)
    return context, None if weights is None else Given(weights)


def even_seen(*inputs: Tensor, record: bool = False, **options: Any):
    context, weights = even(*inputs, record=record, **options)
    return context, None if weights is None else Seen(weights)


def forgetful(query: Tensor, *rest: Tensor, record: bool = False, **options: Any):
    """Fails only where a text is longer than those that it was tried on."""
    context, weights = even(query, *rest, record=record, **options)
    return context, weights if query.shape[2] < 6 else None


def test_it_trains_traces_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = attn_widgets.train(
        text="to be or not to be " * 200, attention=even, steps=3, layers=1, dim=16, heads=2, context=8, batch=2,
        tokenizer="word", show=False,
    )  # fmt: skip
    trace = run.trace("to be or not")
    assert isinstance(trace, AttentionTrace)
    np.testing.assert_allclose(trace.weights(0, 1)[3], 0.25, atol=1e-6)
    assert len(run.generate("to be", max_new_tokens=3).ids) == 3
    del MECHANISMS["even"]
    again = attn_widgets.Run.load(run.folder)
    with pytest.raises(ConfigError, match=r"--attention even is not known here; .*register\(even\) first"):
        again.trace("to be")
    register(even)
    np.testing.assert_array_equal(again.trace("to be or not").weights(0, 1), trace.weights(0, 1))


def test_its_skills_are_scored(somewhere: Path) -> None:
    skills = attn_widgets.train(show=False, **{**TINY, "attention": even}).skills()
    assert all(0 < score.weight < 0.5 for score in skills)  # an equal share of every text


@pytest.mark.parametrize("function", [even, even_given, even_seen])
@pytest.mark.parametrize("piece", [256, 100])  # of 301 tokens: under 100 the last one is a piece of its own
def test_a_recurrent_model_is_traced_past_one_piece(
    function: Callable[..., Any], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attn_widgets.capture.reading.PIECE", piece)
    config = ModelConfig(model="recurrent", attention=register(function), layers=1, heads=2, dim=8, context=400)
    trace = capture_trace(make_model(config, 20), torch.arange(301) % 20, [str(i) for i in range(301)], str)
    expected = np.tril(np.ones((301, 301))) / np.arange(1, 302)[:, None]
    for head in (0, 1):
        np.testing.assert_allclose(trace.weights(0, head), expected, atol=1e-6)
    states = trace.states(0, 0)
    hidden = expected == 0
    assert (states[~hidden] == VALUE).all()
    assert (states[hidden] == (MASKED if function is even_seen else VALUE)).all()


@pytest.mark.parametrize("model", ["transformer", "encoder", "encoder_decoder", "recurrent", "seq2seq", "convseq2seq"])
def test_a_record_that_is_missing_after_all_is_one_line(model: Any) -> None:
    name = register(forgetful)
    torch.manual_seed(0)
    net = make_model(ModelConfig(model=model, attention=name, layers=1, heads=2, dim=8, context=16), 20)
    text = torch.arange(9)[None]
    inputs = (text, torch.tensor([9]), text) if net.config.reads_pairs else (text,)
    assert net(*inputs).logits.isfinite().all()
    with pytest.raises(AttnError) as caught:
        net(*inputs, record=True)
    assert str(caught.value) == f"--attention forgetful left None as its record, given record=True{PROMISE}"


def silent(query: Tensor, key: Tensor, value: Tensor, **_: Any):
    return value, None


def alone(query: Tensor, key: Tensor, value: Tensor, **_: Any):
    return value


def positional(query: Tensor, key: Tensor, value: Tensor):
    return value, None


def flat(*inputs: Tensor, **options: Any):
    context, weights = even(*inputs, **options)
    return context.flatten(2), weights


def thin(*inputs: Tensor, **options: Any):
    context, weights = even(*inputs, **options)
    return context, weights if weights is None else weights[0]


def unmasked(query: Tensor, key: Tensor, value: Tensor, *, mask=None, record=False, **_: Any):
    if mask is not None:
        raise ValueError("no mask,\nplease")
    return even(query, key, value, causal=True, record=record)


def said(*inputs: Tensor, record: bool = False, **options: Any):
    return even(*inputs, **options)[0], "all" if record else None


def half_seen(*inputs: Tensor, record: bool = False, **options: Any):
    context, weights = even(*inputs, record=record, **options)
    left = None if weights is None else Seen(weights)
    if left is not None:
        left.visible = lambda: torch.ones(5, 4, dtype=torch.bool)  # type: ignore[method-assign]
    return context, left


TAKES = "; a mechanism takes query, key and value and, by keyword, mask, causal, window, dropout and record"
FIRST, SECOND = "mask=None, causal=True, record=False", "mask=None, causal=True, record=True"
SHAPE = "a float32 tensor of the shape"


@pytest.mark.parametrize(
    ("function", "given", "fault"),
    [
        (silent, SECOND, f"its record was None{PROMISE}"),
        (alone, FIRST, f"it returned {SHAPE} (2, 3, 5, 4){PROMISE}"),
        (positional, FIRST, "it raised TypeError: positional() got an unexpected keyword argument 'mask'" + TAKES),
        (flat, FIRST, f"its context was {SHAPE} (2, 3, 20), not of the shape (2, 3, 5, 4) of the values{PROMISE}"),
        (thin, SECOND, f"its weights were {SHAPE} (3, 5, 5), not of the shape (2, 3, 5, 5){PROMISE}"),
        (unmasked, "mask=padding, causal=False, record=False", f"it raised ValueError: no mask,{TAKES}"),
        (said, SECOND, f"its record was a str{PROMISE}"),
        (
            half_seen,
            SECOND,
            "its record's visible() was a bool tensor of the shape (5, 4), not a bool one that can be broadcast to "
            f"(2, 3, 5, 5){PROMISE}",
        ),
    ],
)
def test_what_is_no_mechanism_is_refused_in_one_line(function: Callable[..., Any], given: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        register(function)
    assert str(caught.value) == f"{function.__name__} cannot be a mechanism: given {given}, {fault}"
    assert set(MECHANISMS) == BUILT_IN


def test_the_trial_draws_no_random_number() -> None:
    def noisy(query: Tensor, *rest: Tensor, **options: Any):
        return even(query + torch.randn(()), *rest, **options)

    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    register(noisy)
    assert torch.equal(torch.rand(4), expected)


def test_it_takes_no_name_that_means_something_else() -> None:
    def additive(*inputs: Tensor, **options: Any):
        return even(*inputs, **options)

    def none(*inputs: Tensor, **options: Any):
        return even(*inputs, **options)

    with pytest.raises(ConfigError, match="there is a mechanism additive already"):
        register(additive)
    with pytest.raises(ConfigError, match="--attention none means a model without attention; give your fun"):
        register(none)
    with pytest.raises(ConfigError, match="a mechanism of your own needs a name; given <lambda>: use def"):
        register(lambda *inputs, **options: even(*inputs, **options))
    assert set(MECHANISMS) == BUILT_IN
