"""Attention pooling against keras's additive attention, and a class read from an encoder."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attn_widgets.attention import padding_mask
from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.encoder import Encoder
from attn_widgets.models.pooling import AttentionPooling, Classifier

LENGTHS = torch.tensor([9, 4, 1])


def pooling(heads: int = 1, dim: int = 16) -> AttentionPooling:
    torch.manual_seed(0)
    model = AttentionPooling(dim, heads)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


def states(dim: int = 16) -> Tensor:
    return torch.randn(3, 9, dim, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("heads", [1, 4])
def test_result_and_weights_are_keras_additive_attentions(heads: int, record: bool) -> None:
    keras = pytest.importorskip("keras")
    model, x = pooling(heads), states()
    pooled, left = model(x, padding_mask(LENGTHS, 9), record=record)
    projected = model.projection(x)
    for head, (keys, values) in enumerate(zip(projected.chunk(heads, -1), x.chunk(heads, -1), strict=True)):
        layer = keras.layers.AdditiveAttention()
        query = torch.zeros(3, 1, keys.shape[-1])  # all that is sought is in the scale
        layer.build([query.shape, values.shape, keys.shape])
        layer.scale.assign(model.query[head].detach())
        mask = [None, torch.arange(9) < LENGTHS[:, None]]
        expected, weights = layer([query, values, keys], mask=mask, return_attention_scores=True)
        width = keys.shape[-1]
        torch.testing.assert_close(pooled[:, head * width : (head + 1) * width], expected[:, 0], atol=1e-5, rtol=0)
        if left is not None:
            torch.testing.assert_close(left.weights()[:, head], weights, atol=1e-6, rtol=0)
    assert (left is not None) == record


def test_one_head_is_the_papers_equations() -> None:
    model, x = pooling(), states()
    pooled, left = model(x, record=True)
    hidden = torch.tanh(x @ model.projection.weight.T + model.projection.bias)
    weights = torch.softmax(hidden @ model.query[0], -1)
    torch.testing.assert_close(left.weights()[:, 0, 0], weights, atol=1e-6, rtol=0)
    torch.testing.assert_close(pooled, (weights[..., None] * x).sum(1), atol=1e-6, rtol=0)


def test_heads_are_switched_off_and_have_to_divide_the_width() -> None:
    model, x = pooling(4), states()
    whole, without = model(x)[0], model(x, ablated=torch.tensor([1]))[0]
    assert torch.equal(without[:, 4:8], torch.zeros(3, 4))
    assert torch.equal(without[:, 8:], whole[:, 8:])
    with pytest.raises(ConfigError, match="--heads 3 does not divide the width 16; try 1"):
        AttentionPooling(16, 3)


def test_no_token_gives_zeros_and_finite_gradients() -> None:
    model, x = pooling(2), states().requires_grad_()
    pooled, _ = model(x, padding_mask(torch.tensor([9, 0, 1]), 9))
    assert torch.equal(pooled[1], torch.zeros(16))
    pooled.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def classifier(**options: Any) -> Classifier:
    torch.manual_seed(0)
    shape = {"model": "encoder", "layers": 2, "heads": 4, "dim": 32, "context": 16}
    return Classifier(ModelConfig(**{**shape, **options}), 50, 3)


def test_a_class_its_records_and_its_padding() -> None:
    model = classifier().double().eval()
    ids = torch.randint(50, (3, 9), generator=torch.Generator().manual_seed(1))
    plain, recorded = model(ids, LENGTHS), model(ids, LENGTHS, record=True)
    assert plain.logits.shape == (3, 1, 3)
    torch.testing.assert_close(plain.logits, recorded.logits, atol=1e-12, rtol=0)
    assert model.kinds() == ("encoder", "encoder", "cross")
    assert [tuple(record.weights().shape) for record in recorded.records] == [(3, 4, 9, 9)] * 2 + [(3, 4, 1, 9)]
    assert torch.equal(recorded.records[2].weights()[:, 0, 0] > 0, torch.arange(9) < LENGTHS[:, None])
    torch.testing.assert_close(model(F.pad(ids, (0, 4), value=7), LENGTHS).logits, plain.logits, atol=1e-12, rtol=0)
    assert not torch.equal(model(ids, LENGTHS, ablate=[(2, 1)]).logits, plain.logits)
    with pytest.raises(ConfigError, match="--ablate L3H0: the model has layers 0–2 and heads 0–3"):
        model(ids, LENGTHS, ablate=[(3, 0)])


def test_its_encoder_is_the_masked_language_models() -> None:
    model, pretrained = classifier(), Encoder(classifier().config, 50)
    own = ("transform", "head")
    shared = {name: value for name, value in pretrained.state_dict().items() if not name.startswith(own)}
    missing, unexpected = model.load_state_dict(shared, strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"pooling", "head"}


def test_parameter_groups_hold_each_parameter_once() -> None:
    model = classifier()
    groups = model.parameter_groups()
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert any(parameter is model.pooling.projection.weight for parameter in groups["matrices"])
    assert any(parameter is model.pooling.query for parameter in groups["gains"])


def test_the_word_that_decides_is_found_and_looked_at() -> None:
    """Class = which of the tokens 1, 2 and 3 stands somewhere in the text."""
    model = classifier(layers=1, heads=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    random = torch.Generator().manual_seed(0)

    def texts() -> tuple[Tensor, Tensor, Tensor]:
        ids, place = torch.randint(4, 50, (32, 10), generator=random), torch.randint(10, (32, 1), generator=random)
        classes = torch.randint(3, (32, 1), generator=random)
        return ids.scatter(1, place, classes + 1), classes, place

    for _ in range(80):
        ids, classes, _ = texts()
        loss = F.cross_entropy(model(ids).logits.flatten(0, 1), classes.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ids, classes, place = texts()
    output = model.eval()(ids, record=True)
    assert (output.logits.argmax(-1) == classes).float().mean() > 0.95
    assert output.records[-1].weights()[:, 0, 0].gather(1, place).mean() > 0.5  # chance is 0.1
