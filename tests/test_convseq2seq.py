"""The convolutional encoder–decoder against the paper's equations, spelt with torch's ``Conv1d`` and ``F.glu``."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_widgets.attention import MECHANISMS
from attn_widgets.config import DENSE, ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.convseq2seq import ConvSeq2Seq

OPTIONS: list[dict[str, Any]] = [
    *({"attention": name} for name in DENSE if name in MECHANISMS),
    {"kernel": 1, "tied": True},
    {"kernel": 4, "positions": "sinusoidal", "heads": 1},
    {"layers": 1, "kernel": 5, "positions": "learned", "heads": 2},
]
LENGTHS = torch.tensor([9, 4, 1])


def make(dtype: torch.dtype = torch.float64, **options: Any) -> ConvSeq2Seq:
    """A small model whose every parameter is random, so that no part of it is idle."""
    torch.manual_seed(0)
    shape = {"model": "convseq2seq", "layers": 3, "heads": 4, "dim": 32, "context": 16}
    model = ConvSeq2Seq(ModelConfig(**{**shape, **options}), 50)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.to(dtype).eval()


def texts() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return torch.randint(50, (3, 9), generator=random), torch.randint(50, (3, 7), generator=random)


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


@pytest.mark.parametrize("options", OPTIONS)
def test_padding_never_matters(options: dict[str, Any]) -> None:
    model = make(**options)
    source, target = texts()
    longer = F.pad(source, (0, 5))
    longer[1, 4:], longer[2, 1:] = 7, 9
    expected = model(source, LENGTHS, target).logits
    torch.testing.assert_close(model(longer, LENGTHS, target).logits, expected, atol=1e-10, rtol=0)
    alone = model(source[1:2, :4], LENGTHS[1:2], target[1:2]).logits
    torch.testing.assert_close(expected[1:2], alone, atol=1e-10, rtol=0)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_source_token_matters_and_no_later_target_token(options: dict[str, Any]) -> None:
    model = make(**options)
    source, target = texts()
    before = model(source, LENGTHS, target).logits
    for place in (0, 8):
        changed = source.clone()
        changed[0, place] = (changed[0, place] + 1) % 50
        difference = (model(changed, LENGTHS, target).logits - before).abs().amax(-1)
        assert difference[0].min() > 1e-7
        assert difference[1:].max() == 0
    changed = target.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 50
    difference = (model(source, LENGTHS, changed).logits - before).abs().amax(-1)
    reach = model.config.layers * (model.config.kernel - 1)
    seen = [4 <= place <= 4 + reach for place in range(7)]
    assert (difference.amax(0) > 1e-12).tolist() == seen


@pytest.mark.parametrize("options", OPTIONS)
def test_step_by_step_equals_teacher_forcing_also_when_beams_are_reordered(options: dict[str, Any]) -> None:
    model = make(**options)
    source, target = texts()
    rows = torch.tensor([2, 0, 0, 1])
    expected = model(source[rows], LENGTHS[rows], torch.cat((target[rows, :3], target[[0, 1, 2, 0], 3:]), 1)).logits
    memory = model.encode(source, LENGTHS)
    state = model.begin(memory)
    with torch.no_grad():
        for i in range(3):
            logits, state = model.decode_one(memory, state, target[:, i])
            torch.testing.assert_close(logits[rows], expected[:, i], atol=1e-10, rtol=0)
        early, state = state, model.reorder(state, rows)
        theirs = model.encode(source[rows], LENGTHS[rows])
        for i in range(3, 7):
            logits, state = model.decode_one(theirs, state, target[[0, 1, 2, 0], i])
            torch.testing.assert_close(logits, expected[:, i], atol=1e-10, rtol=0)
        again, _ = model.decode_one(memory, early, target[:, 3])  # an old state is still good
    torch.testing.assert_close(again, model.decode(memory, target).logits[:, 3], atol=1e-10, rtol=0)


@pytest.mark.parametrize("record", [False, True])
def test_an_ablated_head_gives_no_context(record: bool) -> None:
    model = make()
    source, target = texts()
    other: Any = copy.deepcopy(model)
    attend = other.decoder[1].attend

    def without_head_2(*tensors: Tensor, **options: Any) -> tuple[Tensor, Any]:
        context, left = attend(*tensors, **options)
        return context * torch.tensor([1.0, 1, 0, 1]).double()[:, None, None], left

    other.decoder[1].attend = without_head_2
    ablated = model(source, LENGTHS, target, ablate=[(1, 2)], record=record).logits
    torch.testing.assert_close(ablated, other(source, LENGTHS, target).logits, atol=1e-12, rtol=0)
    assert (ablated - model(source, LENGTHS, target).logits).abs().max() > 1e-3
    memory = model.encode(source, LENGTHS)
    stepped, _ = model.decode_one(memory, model.begin(memory), target[:, 0], ablate=[(1, 2)])
    torch.testing.assert_close(stepped, ablated[:, 0], atol=1e-10, rtol=0)


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


@pytest.mark.parametrize("options", OPTIONS)
def test_every_parameter_gets_a_gradient_and_both_paths_give_the_same(options: dict[str, Any]) -> None:
    source, target = texts()
    gradients = []
    for record in (False, True):
        model = make(**options).train()
        logits = model(source, LENGTHS, target, record=record).logits
        F.cross_entropy(logits[:, :-1].flatten(0, 1), target[:, 1:].flatten()).backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients[0].values())
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-10, rtol=0)


def test_an_untrained_model_keeps_the_variance_of_its_layers() -> None:
    torch.manual_seed(0)
    config = ModelConfig(model="convseq2seq", layers=10, heads=1, dim=256, context=64)
    model: Any = ConvSeq2Seq(config, 50)
    x = torch.randn(4, 66, 256)
    for part in model.encoder:
        y = (part(x) + x[:, 1:-1]) * 0.5**0.5
        assert 0.6 < y.std() / x.std() < 1.2  # section 3.5; a GLU lets a little less than its share through
        x = F.pad(y, (0, 0, 1, 1))


def test_an_untrained_model_knows_nothing_and_learns_to_reverse() -> None:
    torch.manual_seed(0)
    model = ConvSeq2Seq(ModelConfig(model="convseq2seq", layers=2, heads=1, dim=32, context=8), 12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    random = torch.Generator().manual_seed(0)
    losses: list[float] = []
    for _ in range(150):
        source = torch.randint(1, 12, (32, 5), generator=random)
        target = torch.cat((torch.zeros(32, 1, dtype=torch.long), source.flip(1)), 1)
        loss = F.cross_entropy(
            model(source, torch.full((32,), 5), target[:, :-1]).logits.flatten(0, 1), target[:, 1:].flatten()
        )
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(losses[0] - torch.tensor(12.0).log().item()) < 0.1
    assert losses[-1] < 0.5  # without looking at the source 2.4 is the best
