"""The encoder–decoder transformer against torch's ``nn.Transformer``, and its own promises."""

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
from attn_widgets.models.encoder_decoder import EncoderDecoder

DENSE_HERE = [name for name in DENSE if name in MECHANISMS]
OPTIONS: list[dict[str, Any]] = [
    *({"attention": name} for name in DENSE_HERE),
    {"positions": "learned", "norm": "layer", "mlp": "gelu_tanh", "bias": True, "tied": True},
    {"kv_heads": 2, "qk_norm": True, "mlp": "swiglu"},
    {"kv_heads": 1, "positions": "sinusoidal", "mlp": "gelu", "norm": "layer"},
]
LENGTHS = torch.tensor([9, 4, 1])


def make(dtype: torch.dtype = torch.float64, **options: Any) -> EncoderDecoder:
    """A small model whose every parameter is random, so that no part of it is idle."""
    torch.manual_seed(0)
    model = EncoderDecoder(ModelConfig(**{"layers": 2, "heads": 4, "dim": 32, "context": 16, **options}), 50)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.to(dtype).eval()


def texts() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return torch.randint(50, (3, 9), generator=random), torch.randint(50, (3, 7), generator=random)


def torchs(model: EncoderDecoder) -> nn.Transformer:
    """torch's, with our weights."""
    config = model.config
    theirs = nn.Transformer(
        config.dim, config.heads, config.layers, config.layers, config.hidden_dim, 0.0, "gelu",
        layer_norm_eps=config.norm_eps, batch_first=True, norm_first=True, bias=config.bias,
    ).double().eval()  # fmt: skip

    def copied(name: str, ours: Any) -> dict[str, Tensor]:
        return {f"{name}.{key}": value for key, value in ours.state_dict().items()}

    state: dict[str, Tensor] = {}
    for side, layers in (("encoder", model.encoder), ("decoder", model.decoder)):
        for i, layer in enumerate(layers):
            parts: dict[str, Any] = {
                "self_attn.out_proj": layer.attention.output, "linear1": layer.mlp.up, "linear2": layer.mlp.down,
                "norm1": layer.attention_norm, "norm3" if side == "decoder" else "norm2": layer.mlp_norm,
            }  # fmt: skip
            name = f"{side}.layers.{i}"
            for kind in ["weight", "bias"][: 1 + config.bias]:
                state[f"{name}.self_attn.in_proj_{kind}"] = getattr(layer.attention.qkv, kind)
                if side == "decoder":
                    maps = [getattr(map_, kind) for map_ in (layer.cross.query, layer.cross.key_value)]
                    state[f"{name}.multihead_attn.in_proj_{kind}"] = torch.cat(maps)
            if side == "decoder":
                parts |= {"multihead_attn.out_proj": layer.cross.output, "norm2": layer.cross_norm}
            for part, ours in parts.items():
                state |= copied(f"{name}.{part}", ours)
        state |= copied(f"{side}.norm", getattr(model, f"{side}_norm"))
    theirs.load_state_dict(state)
    return theirs


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_logits_are_torchs_transformers(positions: Any, bias: bool, record: bool) -> None:
    model = make(positions=positions, bias=bias, norm="layer", mlp="gelu")
    source, target = texts()
    tables = [
        place.sinusoids if place.learned is None else place.learned.weight
        for place in (model.source_positions, model.target_positions)
    ]
    padding = torch.arange(9) >= LENGTHS[:, None]
    hidden = torchs(model)(
        model.embedding(source) + tables[0][:9], model.embedding(target) + tables[1][:7],
        tgt_mask=nn.Transformer.generate_square_subsequent_mask(7, dtype=torch.float64),
        src_key_padding_mask=torch.zeros(3, 9).double().masked_fill(padding, -torch.inf),
        memory_key_padding_mask=torch.zeros(3, 9).double().masked_fill(padding, -torch.inf),
    )  # fmt: skip
    ours = model(source, LENGTHS, target, record=record)
    torch.testing.assert_close(ours.logits, model.head(hidden), atol=1e-10, rtol=0)


@pytest.mark.parametrize("options", OPTIONS)
def test_records_come_by_kind_and_do_not_change_the_logits(options: dict[str, Any]) -> None:
    model = make(**options)
    source, target = texts()
    plain, recorded = model(source, LENGTHS, target), model(source, LENGTHS, target, record=True)
    torch.testing.assert_close(plain.logits, recorded.logits, atol=1e-10, rtol=0)
    assert plain.records is None
    assert model.kinds() == ("encoder", "encoder", "decoder", "decoder", "cross", "cross")
    shapes = [tuple(record.weights().shape) for record in recorded.records]
    assert shapes == [(3, 4, 9, 9)] * 2 + [(3, 4, 7, 7)] * 2 + [(3, 4, 7, 9)] * 2
    for kind, record in zip(model.kinds(), recorded.records, strict=True):
        weights = record.weights()
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]).to(weights))
        if kind == "decoder":
            assert torch.equal(weights > 0, torch.ones(3, 4, 7, 7).tril() > 0)
        else:
            assert torch.equal((weights > 0).any(-2), (torch.arange(9) < LENGTHS[:, None])[:, None].expand(3, 4, 9))


@pytest.mark.parametrize("options", OPTIONS)
def test_padding_never_matters(options: dict[str, Any]) -> None:
    model = make(**options)
    source, target = texts()
    longer = F.pad(source, (0, 5))
    longer[1, 4:], longer[2, 1:] = 7, 9
    torch.testing.assert_close(
        model(longer, LENGTHS, target).logits, model(source, LENGTHS, target).logits, atol=1e-10, rtol=0
    )
    alone = model(source[1:2, :4], LENGTHS[1:2], target[1:2]).logits
    torch.testing.assert_close(model(source, LENGTHS, target).logits[1:2], alone, atol=1e-10, rtol=0)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_source_token_matters_and_no_later_target_token(options: dict[str, Any]) -> None:
    model = make(**options)
    source, target = texts()
    before = model(source, LENGTHS, target).logits
    for place in (0, 8):
        changed = source.clone()
        changed[0, place] = (changed[0, place] + 1) % 50
        difference = (model(changed, LENGTHS, target).logits - before).abs().amax(-1)
        assert difference[0].min() > 1e-6
        assert difference[1:].max() == 0
    changed = target.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 50
    difference = (model(source, LENGTHS, changed).logits - before).abs().amax(-1)
    assert difference[:, :4].max() < 1e-12
    assert difference[:, 4:].min() > 1e-6


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
        early = state
        state = model.reorder(state, rows)
        for i in range(3, 7):
            logits, state = model.decode_one(memory, state, target[[0, 1, 2, 0], i])
            torch.testing.assert_close(logits, expected[:, i], atol=1e-10, rtol=0)
        again, _ = model.decode_one(memory, early, target[:, 3])  # an old state is still good
    torch.testing.assert_close(again, model.decode(memory, target).logits[:, 3], atol=1e-10, rtol=0)


@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[-2]])
@pytest.mark.parametrize("record", [False, True])
def test_ablation_equals_zeroed_columns_of_the_output_map(options: dict[str, Any], record: bool) -> None:
    model = make(**options)
    source, target = texts()
    pairs = {(0, 1), (3, 2), (4, 0), (4, 3)}
    other: Any = copy.deepcopy(model)
    with torch.no_grad():
        for output, head in [
            (other.encoder[0].attention.output, 1), (other.decoder[1].attention.output, 2),
            (other.decoder[0].cross.output, 0), (other.decoder[0].cross.output, 3),
        ]:  # fmt: skip
            output.weight[:, 8 * head : 8 * head + 8] = 0
    expected = other(source, LENGTHS, target).logits
    ablated = model(source, LENGTHS, target, ablate=pairs, record=record).logits
    torch.testing.assert_close(ablated, expected, atol=1e-10, rtol=0)
    assert (ablated - model(source, LENGTHS, target).logits).abs().max() > 1e-3
    memory = model.encode(source, LENGTHS, ablate=pairs)
    stepped, _ = model.decode_one(memory, model.begin(memory), target[:, 0], ablate=pairs)
    torch.testing.assert_close(stepped, expected[:, 0], atol=1e-10, rtol=0)


def test_ablating_a_head_that_is_not_there() -> None:
    model = make()
    source, target = texts()
    for pair, name in [((6, 0), "L6H0"), ((0, 4), "L0H4"), ((-1, 0), "L-1H0")]:
        with pytest.raises(ConfigError) as error:
            model(source, LENGTHS, target, ablate=[pair])
        assert str(error.value) == f"--ablate {name}: the model has layers 0–5 and heads 0–3"


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_positions_that_end_refuse_longer_texts(positions: Any) -> None:
    model = make(positions=positions)
    source, target = texts()
    message = f"{positions} positions end at --context 16; given 17 tokens; try --context 17 or fewer tokens"
    with pytest.raises(ConfigError, match=message):
        model.encode(F.pad(source, (0, 8)), LENGTHS)
    memory = model.encode(source, LENGTHS)
    with pytest.raises(ConfigError, match=message):
        model.decode(memory, F.pad(target, (0, 10)))
    state = model.begin(memory)
    for _ in range(16):
        _, state = model.decode_one(memory, state, target[:, 0])
    with pytest.raises(ConfigError, match=message):
        model.decode_one(memory, state, target[:, 0])


@pytest.mark.parametrize("options", OPTIONS)
def test_parameter_groups_and_stacked_rows(options: dict[str, Any]) -> None:
    model = make(**options)
    groups = model.parameter_groups()
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    maps = 3 if options.get("mlp") == "swiglu" else 2
    assert len(groups["matrices"]) == 2 * (2 + maps) + 2 * (2 + 3 + maps)
    assert all(parameter.ndim == 2 and 50 not in parameter.shape for parameter in groups["matrices"])
    outer = 1 + (not options.get("tied", False)) + 2 * (options.get("positions") == "learned")
    assert len(groups["embeddings"]) == outer
    rows = model.stacked_rows()
    assert len(rows) == 6
    assert all(sum(these) == len(parameter) for parameter, these in rows.items())
    assert sum(parameter.numel() for parameter in model.parameters()) == model.num_parameters()


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


def test_dropout_acts_in_training_only() -> None:
    model = make(dropout=0.3)
    source, target = texts()
    assert torch.equal(model(source, LENGTHS, target).logits, model(source, LENGTHS, target).logits)
    model.train()
    assert not torch.equal(model(source, LENGTHS, target).logits, model(source, LENGTHS, target).logits)


def test_an_untrained_model_knows_nothing_and_learns_to_reverse() -> None:
    torch.manual_seed(0)
    model = EncoderDecoder(ModelConfig(layers=1, heads=2, dim=32, context=16, model="encoder_decoder"), 12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    random = torch.Generator().manual_seed(0)
    losses: list[float] = []
    for _ in range(120):
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
    assert losses[-1] < 1.2  # without looking at the source 2.4 is the best
