"""The convolutional encoder–decoder against the paper's equations, spelt with torch's ``Conv1d`` and ``F.glu``."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.convseq2seq import ConvSeq2Seq
from tests.small_pair_models import LENGTHS, SMALL, texts
from tests.small_pair_models import make as make_small

OPTIONS = SMALL["convseq2seq"].options
make = partial(make_small, "convseq2seq")


def glu(part: Any, x: Tensor, before: int, after: int) -> Tensor:
    """One of our convolutions, by torch's own module."""
    theirs = nn.Conv1d(part.dim, 2 * part.dim, part.kernel).double()
    with torch.no_grad():
        theirs.weight.copy_(part.weight.unflatten(1, (part.dim, part.kernel)))
        theirs.bias.copy_(part.bias)  # type: ignore[union-attr]
    return F.glu(theirs(F.pad(x.T[None], (before, after)))[0].T, -1)


def equations(model: Any, source: Tensor, target: Tensor) -> tuple[Tensor, list[Tensor]]:
    """One text, with one head and the dot product: sections 3.1 to 3.4. Logits and the weights of every layer."""
    kernel, root = model.config.kernel, 0.5**0.5
    e = model.embedding(source) + model.source_positions(torch.zeros(1, len(source), 32).double())[0]
    g = model.embedding(target) + model.target_positions(torch.zeros(1, len(target), 32).double())[0]
    z = e @ model.source_map.weight.T + model.source_map.bias
    for part in model.encoder:
        z = (glu(part, z, (kernel - 1) // 2, kernel // 2) + z) * root
    z = z @ model.states_map.weight.T + model.states_map.bias
    x, weights = g @ model.target_map.weight.T + model.target_map.bias, []
    for layer in model.decoder:
        h = glu(layer.convolution, x, kernel - 1, 0)
        d = h @ layer.query.weight.T + layer.query.bias + g  # equation 1
        a = torch.exp(d @ z.T)
        a = a / a.sum(-1, keepdim=True)
        c = torch.einsum("ij,jd->id", a, z + e)  # equation 2
        c = c * len(source) * (1 / len(source)) ** 0.5
        x = ((h + c) * root + x) * root
        weights.append(a)
    return x @ model.head.weight.T, weights


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_logits_and_weights_are_the_papers_equations(positions: Any, kernel: int, record: bool) -> None:
    model = make(attention="dot", heads=1, kernel=kernel, positions=positions)
    source, target = texts()
    output = model(source, LENGTHS, target, record=record)
    for row, length in enumerate(LENGTHS.tolist()):
        logits, weights = equations(model, source[row, :length], target[row])
        torch.testing.assert_close(output.logits[row], logits, atol=1e-10, rtol=0)
        for layer, expected in enumerate(weights if record else []):
            ours = output.records[layer].weights()[row, 0]
            torch.testing.assert_close(ours[:, :length], expected, atol=1e-10, rtol=0)
            assert ours[:, length:].abs().sum() == 0


@pytest.mark.parametrize("options", OPTIONS)
def test_records_are_of_every_decoder_layer_and_do_not_change_the_logits(options: dict[str, Any]) -> None:
    model = make(**options)
    source, target = texts()
    plain, recorded = model(source, LENGTHS, target), model(source, LENGTHS, target, record=True)
    torch.testing.assert_close(plain.logits, recorded.logits, atol=1e-10, rtol=0)
    assert plain.records is None
    layers, heads = model.config.layers, model.config.heads
    assert model.kinds() == ("cross",) * layers
    assert [tuple(record.weights().shape) for record in recorded.records] == [(3, heads, 7, 9)] * layers
    assert model.encode(source, LENGTHS, record=True).records == ()


def test_what_is_not_there_is_named() -> None:
    model = make()
    source, target = texts()
    for call in (model.encode, lambda *pair, **options: model(*pair, target, **options)):
        with pytest.raises(ConfigError, match="--ablate L3H0: the model has layers 0–2 and heads 0–3"):
            call(source, LENGTHS, ablate=[(3, 0)])
    message = "learned positions end at --context 16; given 17 tokens; try --context 17 or fewer tokens"
    with pytest.raises(ConfigError, match=message):
        model.encode(F.pad(source, (0, 8)), LENGTHS)
    with pytest.raises(ConfigError, match=message):
        model(source, LENGTHS, F.pad(target, (0, 10)))


@pytest.mark.parametrize("options", OPTIONS)
def test_parameter_groups_and_stacked_rows(options: dict[str, Any]) -> None:
    model = make(**options)
    groups = model.parameter_groups()
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    layers = model.config.layers
    assert len(groups["matrices"]) == 3 + layers * (1 + 2)
    assert all(parameter.ndim == 2 and 50 not in parameter.shape for parameter in groups["matrices"])
    outer = 1 + (not options.get("tied", False)) + 2 * (options.get("positions") != "sinusoidal")
    assert len(groups["embeddings"]) == outer
    assert len(model.stacked_rows()) == 2 * layers
    assert all(sum(these) == len(parameter) for parameter, these in model.stacked_rows().items())


def test_an_untrained_model_keeps_the_variance_of_its_layers() -> None:
    torch.manual_seed(0)
    config = ModelConfig(model="convseq2seq", layers=10, heads=1, dim=256, context=64)
    model: Any = ConvSeq2Seq(config, 50)
    x = torch.randn(4, 66, 256)
    for part in model.encoder:
        y = (part(x) + x[:, 1:-1]) * 0.5**0.5
        assert 0.6 < y.std() / x.std() < 1.2  # section 3.5; a GLU lets a little less than its share through
        x = F.pad(y, (0, 0, 1, 1))
