"""What every encoder–decoder promises to training and search, whatever it is made of."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attn_widgets.config import ModelConfig
from tests.small_pair_models import LENGTHS, SMALL, VOCAB, make, texts

CASES = [(kind, options) for kind, small in SMALL.items() for options in small.options]
ATTENDING = [(kind, options) for kind, options in CASES if options.get("attention") != "none"]


def assert_same(given: Any, expected: Any) -> None:
    torch.testing.assert_close(given, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("kind", "options"), CASES)
@torch.no_grad()
def test_padding_never_matters(kind: str, options: dict[str, Any]) -> None:
    model = make(kind, **options)
    source, target = texts()
    expected = model(source, LENGTHS, target).logits
    longer = F.pad(source, (0, 5))
    assert_same(model(longer, LENGTHS, target).logits, expected)
    for token in (0, 7):  # whatever stands there
        other = longer.masked_fill(torch.arange(14) >= LENGTHS[:, None], token)
        assert_same(model(other, LENGTHS, target).logits, expected)
    for row, length in enumerate(LENGTHS.tolist()):
        one = slice(row, row + 1)
        alone = model(source[one, :length], LENGTHS[one], target[one]).logits
        assert_same(alone, expected[one])


@pytest.mark.parametrize(("kind", "options"), CASES)
@torch.no_grad()
def test_every_source_token_matters_and_no_later_target_token(kind: str, options: dict[str, Any]) -> None:
    model = make(kind, **options)
    source, target = texts()
    before = model(source, LENGTHS, target).logits

    def differences(source: Tensor, target: Tensor) -> Tensor:
        return (model(source, LENGTHS, target).logits - before).abs().amax(-1)

    for place in range(9):
        changed = source.clone()
        changed[0, place] = (changed[0, place] + 1) % VOCAB
        difference = differences(changed, target)
        assert difference[0].min() > 1e-6
        assert difference[1:].max() == 0
    changed = target.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % VOCAB
    assert differences(source, changed)[:, :4].max() < 1e-12
    changed[:, 5:] = target[:, 5:]
    difference = differences(source, changed)
    reach = model.config.layers * (model.config.kernel - 1) if kind == "convseq2seq" else 6
    seen = torch.tensor([4 <= place <= 4 + reach for place in range(7)])
    assert difference[:, ~seen].max() < 1e-12
    assert difference[:, seen].min() > 1e-6


@pytest.mark.parametrize(("kind", "options"), CASES)
@torch.no_grad()
def test_step_by_step_equals_teacher_forcing_also_when_beams_are_reordered(kind: str, options: dict[str, Any]) -> None:
    model = make(kind, **options)
    source, target = texts()
    expected = model(source, LENGTHS, target).logits
    memory = model.encode(source, LENGTHS)
    assert_same(model.decode(memory, target).logits, expected)
    states, rows = [model.begin(memory)], []
    for ids in target.T:
        logits, state = model.decode_one(memory, states[-1], ids)
        rows.append(logits)
        states.append(state)
    assert_same(torch.stack(rows, 1), expected)

    picked = torch.tensor([2, 0, 0, 1])
    joined = torch.cat((target[picked, :3], target[[0, 1, 2, 0], 3:]), 1)
    expected = model(source[picked], LENGTHS[picked], joined).logits
    state = model.reorder(states[3], picked)  # an old state is still good
    theirs = memory if kind == "encoder_decoder" else model.encode(source[picked], LENGTHS[picked])
    for i in range(3, 7):
        logits, state = model.decode_one(theirs, state, joined[:, i])
        assert_same(logits, expected[:, i])
    again, _ = model.decode_one(memory, states[3], target[:, 3])
    assert_same(again, rows[3])


def silence(model: Any, record: int, head: int) -> None:
    """Take a head out of a model: its columns of the output map, or its context where there is no such map."""
    layers, size = model.config.layers, model.config.head_dim
    if model.config.model == "convseq2seq":
        layer = model.decoder[record]
        attend, keep = layer.attend, torch.ones(model.config.heads, 1, 1).double()
        keep[head] = 0

        def without(*tensors: Tensor, **options: Any) -> tuple[Tensor, Any]:
            context, left = attend(*tensors, **options)
            return context * keep, left

        layer.attend = without
        return
    if model.config.model == "seq2seq":
        heads = model.attention
    else:
        side, i = divmod(record, layers)
        heads = (model.encoder[i].attention, model.decoder[i].attention, model.decoder[i].cross)[side]
    heads.output.weight[:, head * size : (head + 1) * size] = 0


@pytest.mark.parametrize(("kind", "options"), ATTENDING)
@pytest.mark.parametrize("record", [False, True])
@torch.no_grad()
def test_ablation_equals_a_model_without_these_heads(kind: str, options: dict[str, Any], record: bool) -> None:
    model = make(kind, **options)
    source, target = texts()
    plain = model(source, LENGTHS, target).logits
    assert_same(model(source, LENGTHS, target, record=record).logits, plain)
    records, heads = len(model.kinds()), model.config.heads
    last = records - 1
    pairs = {(0, 0), (records // 2, heads - 1), (last, 0), (last, heads // 2)}  # of every kind of attention
    other = copy.deepcopy(model)
    for pair in pairs:
        silence(other, *pair)
    expected = other(source, LENGTHS, target).logits
    assert_same(model(source, LENGTHS, target, ablate=pairs, record=record).logits, expected)
    assert (expected - plain).abs().max() > 1e-3
    memory = model.encode(source, LENGTHS, ablate=pairs)
    stepped, _ = model.decode_one(memory, model.begin(memory), target[:, 0], ablate=pairs)
    assert_same(stepped, expected[:, 0])


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_every_parameter_gets_a_gradient_and_both_paths_give_the_same(kind: str, options: dict[str, Any]) -> None:
    source, target = texts()
    gradients = []
    for record in (False, True):
        model = make(kind, **options).train()
        logits = model(F.pad(source, (0, 2)), LENGTHS, target, record=record).logits
        F.cross_entropy(logits[:, :-1].flatten(0, 1), target[:, 1:].flatten()).backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients[0].values())
    assert_same(gradients[0], gradients[1])


@pytest.mark.parametrize(
    ("kind", "options", "steps", "loss_at_last"),
    [
        ("encoder_decoder", {"layers": 1, "heads": 2, "dim": 32, "context": 16}, 120, 1.2),
        ("convseq2seq", {"layers": 2, "heads": 1, "dim": 32, "context": 8}, 150, 0.5),
    ],
)
def test_an_untrained_model_knows_nothing_and_learns_to_reverse(
    kind: str, options: dict[str, Any], steps: int, loss_at_last: float
) -> None:
    torch.manual_seed(0)
    model = SMALL[kind].model(ModelConfig(model=kind, **options), 12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    random = torch.Generator().manual_seed(0)
    losses: list[float] = []
    for _ in range(steps):
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
    assert losses[-1] < loss_at_last  # without looking at the source 2.4 is the best
