"""The recurrent encoder–decoder against torch's cells, source by source."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_widgets.attention import MECHANISMS
from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.seq2seq import Seq2Seq
from attn_widgets.training.optimizers import make_optimizer, set_rates
from tests.small_pair_models import LENGTHS, SMALL, VOCAB, texts
from tests.small_pair_models import make as make_small

OPTIONS = SMALL["seq2seq"].options
make = partial(make_small, "seq2seq")


def copied(cells: nn.Module, config: ModelConfig, inputs: int, both_ways: bool) -> Any:
    kind: Any = nn.LSTM if config.cell == "lstm" else nn.GRU
    theirs = kind(inputs, config.dim, config.layers, batch_first=True, bidirectional=both_ways).double()
    theirs.load_state_dict(cells.state_dict())
    return theirs


def by_hand(model: Seq2Seq, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
    """Logits and attention weights of one source without padding, with torch's own cells and step by step."""
    config: Any = model.config
    attends, dim, lstm = config.attention != "none", config.dim, config.cell == "lstm"
    encoder = copied(model.encoder.cells, config, dim, True)
    decoder = copied(model.decoder.cells, config, dim if attends else 3 * dim, False)
    outputs, last = encoder(model.embedding(source)[None])
    # Forward at the last token, backward at the first: halves of the top layer's outputs.
    summary = torch.cat((outputs[0, -1, :dim], outputs[0, 0, dim:]))
    torch.testing.assert_close(summary, (last[0] if lstm else last)[-2:, 0].flatten())
    start = torch.tanh(model.start(summary)).view(config.layers, 1, -1)
    state = tuple(part.contiguous() for part in start.split(dim, -1)) if lstm else start
    rows, seen = [], []
    for token in target:
        x = model.embedding(token)
        out, state = decoder((x if attends else torch.cat((x, summary)))[None, None], state)
        s, context = out[0, 0], summary
        if attends:
            heads: Any = model.attention
            groups, d = config.key_value_heads, config.head_dim
            both = heads.key_value(outputs[0]).split(groups * d, -1)
            key, value = (part.view(1, -1, groups, d).transpose(1, 2) for part in both)
            query = heads.query(s).view(1, config.heads, 1, d)
            context, record = MECHANISMS[config.attention](query, key, value, record=True, **heads.weights)
            context = heads.output(context.flatten())
            seen.append(record.weights()[0, :, 0])
        rows.append(model.head(torch.tanh(model.combine(torch.cat((context, s))))))
    return torch.stack(rows), torch.stack(seen, 1) if seen else None


@pytest.mark.parametrize("options", OPTIONS)
@torch.no_grad()
def test_a_padded_batch_in_one_call_equals_torchs_cells_step_by_step_without_padding(options: dict[str, Any]) -> None:
    model = make(**options)
    source, target = texts()
    output = model(source, LENGTHS, target, record=True)
    for row, length in enumerate(LENGTHS.tolist()):
        logits, weights = by_hand(model, source[row, :length], target[row])
        torch.testing.assert_close(output.logits[row], logits, atol=1e-11, rtol=0)
        if weights is not None:
            mine = output.records[0].weights()[row]
            torch.testing.assert_close(mine[..., :length], weights, atol=1e-11, rtol=0)
            assert not mine[..., length:].any()
    assert len(output.records) == len(model.kinds()) == (model.attention is not None)
    assert set(model.kinds()) <= {"cross"}


@torch.no_grad()
def test_scaled_dot_is_torchs_multihead_attention_with_eight_heads() -> None:
    model = make(bias=True)
    heads: Any = model.attention
    theirs = nn.MultiheadAttention(16, 8, kdim=32, vdim=32, batch_first=True).double()
    for ours, weight in zip(
        (heads.query.weight, *heads.key_value.weight.chunk(2), heads.output.weight),
        (theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight, theirs.out_proj.weight),
        strict=True,
    ):
        weight.copy_(ours)
    theirs.in_proj_bias.copy_(torch.cat((heads.query.bias, heads.key_value.bias)))
    theirs.out_proj.bias.copy_(heads.output.bias)
    x, memory = torch.randn(3, 7, 16).double(), torch.randn(3, 9, 32).double()
    hidden = torch.arange(9) >= LENGTHS[:, None]
    expected, weights = theirs(x, memory, memory, key_padding_mask=hidden, average_attn_weights=False)
    context, record = heads(x, *heads.remember(memory), mask=~hidden[:, None, None], record=True)
    torch.testing.assert_close(context, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(record.weights(), weights, atol=1e-12, rtol=0)
    assert weights.shape[1] == 8


@torch.no_grad()
def test_without_attention_the_decoder_gets_the_last_states_and_no_more() -> None:
    model = make(attention="none")
    source, target = texts()
    memory = model.encode(source, LENGTHS, record=True)
    assert memory.key is memory.value is memory.visible is None
    assert memory.records == ()
    assert memory.summary.shape == (3, 32)
    moved = memory._replace(summary=memory.summary.flip(0))
    steps = (model.decode(moved, target).logits - model.decode(memory, target).logits)[[0, 2]].abs().amax(-1)
    assert steps.min() > 1e-6  # it is fed at every step


def test_what_cannot_work_is_named() -> None:
    source, target = texts()
    with pytest.raises(ConfigError) as error:
        make()(source, LENGTHS, target, ablate=[(1, 0)])
    assert str(error.value) == "--ablate L1H0: the model has one attention layer, 0, and heads 0–7"
    with pytest.raises(ConfigError, match="--ablate L0H0: the model has --attention none, no head to switch off"):
        make(attention="none").encode(source, LENGTHS, ablate=[(0, 0)])
    for empty in ((source[:, :0], LENGTHS * 0), (source, LENGTHS - 1)):
        with pytest.raises(ConfigError) as error:
            make().encode(*empty)
        assert str(error.value) == "the source is empty; give at least one token"


@pytest.mark.parametrize("options", OPTIONS)
def test_parameters_by_role(options: dict[str, Any]) -> None:
    model = make(**options)
    groups, layers = model.parameter_groups(), model.config.layers
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    # Two maps in each of three cells a layer, the start, the combining map, attention's three.
    assert len(groups["matrices"]) == 6 * layers + 2 + 3 * (model.attention is not None)
    assert all(parameter.ndim == 2 and VOCAB not in parameter.shape for parameter in groups["matrices"])
    assert len(groups["embeddings"]) == 2 - model.config.tied
    stacks = model.stacked_rows()
    assert len(stacks) == 6 * layers + 1 + (model.attention is not None)
    assert all(sum(rows) == len(parameter) for parameter, rows in stacks.items())
    assert model.num_parameters() == sum(p.numel() for p in model.parameters())


def test_number_of_parameters() -> None:
    gate = 2 * 16**2 + 2 * 16  # two maps and two biases
    encoder = 2 * 3 * gate + 2 * 3 * (gate + 16**2)  # two ways; the second layer reads both
    ends = 32 * 32 + 2 * VOCAB * 16  # the start of two layers; embedding and head
    attention = 2 * 16**2 + 2 * 32 * 16 + 32 * 16  # query and output, key and value, and from both to one
    assert make().num_parameters() == encoder + 2 * 3 * gate + ends + attention
    none = encoder + 2 * 3 * gate + 3 * 32 * 16 + ends + 48 * 16  # the summary enters the first layer
    assert make(attention="none").num_parameters() == none


@pytest.mark.parametrize("options", [{}, {"cell": "lstm", "attention": "additive"}])
def test_autocast_and_bfloat16(options: dict[str, Any]) -> None:
    source, target = texts()
    model, given = make(torch.float32, **options).train(), (F.pad(source, (0, 2)), LENGTHS, target)
    exact = model(*given).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(*given).logits
        logits.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert (logits.float() - exact).abs().max() < 0.05 * exact.abs().max()
    with torch.no_grad():
        logits = make(torch.bfloat16, **options)(*given).logits
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - exact).abs().max() < 0.1 * exact.abs().max()


def test_dropout_acts_in_training_alone_and_everywhere() -> None:
    source, target = texts()
    model, given = make(dropout=0.5), (source, LENGTHS, target)
    torch.testing.assert_close(model(*given).logits, make()(*given).logits)
    model.train()
    seen: list[float] = []
    original = F.dropout

    def count(x: Tensor, p: float = 0.5, *args: Any, **more: Any) -> Tensor:
        seen.append(p)
        return original(x, p, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "dropout", count)
        model(*given, record=True)
    assert seen == [0.5] * 6  # both embeddings, both sides' states, the weights, what predicts
    assert model.encoder.cells.dropout == model.decoder.cells.dropout == 0.5  # between the layers


END = 19


def learn(attention: Any, optimizer: Any, rate: float) -> float:
    """Share of unseen sources that are reversed without a mistake after a few seconds of training."""
    torch.manual_seed(0)
    model = Seq2Seq(ModelConfig(model="seq2seq", attention=attention, layers=1, dim=64), END + 1)
    made = make_optimizer(model, TrainConfig(optimizer=optimizer, learning_rate=rate))

    def batch(rows: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        source = torch.randint(END, (rows, 8))
        ends, wanted = torch.full((rows, 1), END), source.flip(1)
        return source, torch.full((rows,), 8), torch.cat((ends, wanted), 1), torch.cat((wanted, ends), 1)

    for step in range(150):
        set_rates(made, min(1, (step + 1) / 10, (150 - step) / 60))
        *given, wanted = batch(32)
        loss = F.cross_entropy(model(*given).logits.flatten(0, 1), wanted.flatten())
        made.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        made.step()
    *given, wanted = batch(200)
    with torch.no_grad():
        return (model.eval()(*given).logits.argmax(-1) == wanted).all(1).float().mean().item()


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 0.01), ("muon", 0.02)])
def test_attention_learns_to_reverse_what_a_single_state_cannot_hold_yet(optimizer: str, rate: float) -> None:
    scores = {name: learn(name, optimizer, rate) for name in ("general", "none")}
    assert scores["general"] > 0.9
    assert scores["none"] < 0.5


def test_state_is_parameters_alone_and_loads_strictly() -> None:
    model = make(torch.float32, attention="concat")
    other = Seq2Seq(model.config, VOCAB).eval()
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}
    other.load_state_dict(model.state_dict())
    source, target = texts()
    assert torch.equal(model(source, LENGTHS, target).logits, other(source, LENGTHS, target).logits)
