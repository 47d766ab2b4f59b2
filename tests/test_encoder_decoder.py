"""The encoder–decoder transformer against torch's ``nn.Transformer``."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_widgets.errors import ConfigError
from attn_widgets.models.encoder_decoder import EncoderDecoder
from tests.small_pair_models import LENGTHS, SMALL, texts
from tests.small_pair_models import make as make_small

OPTIONS = SMALL["encoder_decoder"].options
make = partial(make_small, "encoder_decoder")


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


def test_dropout_acts_in_training_only() -> None:
    model = make(dropout=0.3)
    source, target = texts()
    assert torch.equal(model(source, LENGTHS, target).logits, model(source, LENGTHS, target).logits)
    model.train()
    assert not torch.equal(model(source, LENGTHS, target).logits, model(source, LENGTHS, target).logits)
