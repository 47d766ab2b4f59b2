"""The masked language model against transformers' RoBERTa with the norm first, and its own promises."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import RobertaPreLayerNormConfig, RobertaPreLayerNormForMaskedLM

from attn_widgets.attention import MECHANISMS
from attn_widgets.config import MECHANISMS_OF, ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.encoder import Encoder
from attn_widgets.text.masking import mask_tokens

OPTIONS: list[dict[str, Any]] = [
    *({"attention": name} for name in MECHANISMS_OF["encoder"] if name in MECHANISMS),
    {"positions": "learned", "norm": "layer", "mlp": "gelu_tanh", "bias": True, "tied": True},
    {"kv_heads": 2, "qk_norm": True, "mlp": "swiglu"},
    {"kv_heads": 1, "positions": "sinusoidal", "mlp": "gelu", "norm": "layer"},
]
LENGTHS = torch.tensor([9, 4, 1])


def make(dtype: torch.dtype = torch.float64, **options: Any) -> Encoder:
    """A small model whose every parameter is random, so that no part of it is idle."""
    torch.manual_seed(0)
    shape = {"model": "encoder", "layers": 2, "heads": 4, "dim": 32, "context": 16}
    model = Encoder(ModelConfig(**{**shape, **options}), 50)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.to(dtype).eval()


def ids(length: int = 9) -> Tensor:
    return torch.randint(51, (3, length), generator=torch.Generator().manual_seed(1))


def robertas(model: Encoder) -> RobertaPreLayerNormForMaskedLM:
    """transformers', with our weights; what we lack is made idle: types of token, a norm of the embeddings."""
    shape = model.config
    theirs = RobertaPreLayerNormForMaskedLM(
        RobertaPreLayerNormConfig(
            vocab_size=51, hidden_size=shape.dim, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
            intermediate_size=shape.hidden_dim, max_position_embeddings=shape.context, layer_norm_eps=shape.norm_eps,
            type_vocab_size=1, tie_word_embeddings=False, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )
    ).double().eval()  # fmt: skip
    base: Any = theirs.roberta_prelayernorm
    pairs: list[tuple[Any, Any]] = [
        (base.embeddings.word_embeddings, model.embedding),
        (base.embeddings.position_embeddings, model.positions.learned),
        (base.LayerNorm, model.norm), (theirs.lm_head.dense, model.transform),
        (theirs.lm_head.layer_norm, model.transform_norm),
    ]  # fmt: skip
    with torch.no_grad():
        for layer, other in zip(model.layers, base.encoder.layer, strict=True):
            own: Any = layer
            inner, maps = other.attention.self, own.attention.qkv
            for i, map_ in enumerate((inner.query, inner.key, inner.value)):
                map_.weight.copy_(maps.weight.chunk(3)[i])
                map_.bias.copy_(maps.bias.chunk(3)[i])
            pairs += [
                (other.attention.LayerNorm, own.attention_norm), (other.attention.output.dense, own.attention.output),
                (other.intermediate.LayerNorm, own.mlp_norm), (other.intermediate.dense, own.mlp.up),
                (other.output.dense, own.mlp.down),
            ]  # fmt: skip
        for theirs_, ours in pairs:
            theirs_.load_state_dict(ours.state_dict())
        base.embeddings.LayerNorm = nn.Identity()
        base.embeddings.token_type_embeddings.weight.zero_()
        theirs.lm_head.decoder.weight[:50] = model.embedding.weight[:50] if model.head is None else model.head.weight
        theirs.lm_head.decoder.bias.zero_()
    return theirs


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_logits_and_weights_are_robertas(tied: bool, record: bool) -> None:
    model = make(positions="learned", norm="layer", mlp="gelu", bias=True, tied=tied)
    theirs = robertas(model)
    theirs.set_attn_implementation("eager")
    mask = (torch.arange(9) < LENGTHS[:, None]).long()
    places = torch.arange(9).expand(3, 9)
    expected = theirs(ids(), attention_mask=mask, position_ids=places, output_attentions=True)
    ours = model(ids(), LENGTHS, record=record)
    torch.testing.assert_close(ours.logits[mask > 0], expected.logits[..., :50][mask > 0], atol=1e-9, rtol=0)
    if record:
        for left, weights in zip(ours.records, expected.attentions, strict=True):
            torch.testing.assert_close(left.weights(), weights, atol=1e-9, rtol=0)


@pytest.mark.parametrize("options", OPTIONS)
def test_logits_do_not_depend_on_the_record_nor_on_padding(options: dict[str, Any]) -> None:
    model = make(**options)
    plain, recorded = model(ids(), LENGTHS), model(ids(), LENGTHS, record=True)
    torch.testing.assert_close(plain.logits, recorded.logits, atol=1e-10, rtol=0)
    assert plain.records is None
    assert len(recorded.records) == 2
    assert model.kinds() == ("encoder", "encoder")
    longer = F.pad(ids(), (0, 5))
    longer[1, 4:], longer[2, 1:] = 7, 9
    padded, alone = model(longer, LENGTHS).logits, model(ids()[1:2, :4]).logits
    for row, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(padded[row, :length], plain.logits[row, :length], atol=1e-10, rtol=0)
    torch.testing.assert_close(plain.logits[1:2, :4], alone, atol=1e-10, rtol=0)
    for record in recorded.records:
        assert record.weights()[1, :, :, 4:].max() == 0


@pytest.mark.parametrize("options", OPTIONS)
def test_every_token_matters_to_every_other_within_reach(options: dict[str, Any]) -> None:
    model = make(**options)
    windowed = options.get("attention") == "sliding_window"  # of 4 tokens: 2 on each side in each of 2 layers
    reach = 4 if windowed else 9
    for place in (0, 3, 8):
        changed = ids()
        changed[:, place] = (changed[:, place] + 1) % 51
        difference = (model(ids()).logits - model(changed).logits).abs().amax(-1)  # (B, Q)
        near = (torch.arange(9) - place).abs() <= reach
        assert difference[:, near].min() > 1e-6
        assert (difference[:, ~near] == 0).all()


def test_the_mask_token_is_read_and_never_predicted() -> None:
    for tied in (False, True):
        model = make(tied=tied)
        assert model.mask_id == model.vocab_size == 50
        assert model.embedding.weight.shape == (51, 32)
        assert model(torch.full((1, 3), model.mask_id)).logits.shape == (1, 3, 50)


@pytest.mark.parametrize("record", [False, True])
def test_ablation_equals_zeroed_columns_of_the_output_map(record: bool) -> None:
    model = make()
    other: Any = copy.deepcopy(model)
    with torch.no_grad():
        for layer, head in [(0, 1), (1, 0), (1, 3)]:
            other.layers[layer].attention.output.weight[:, 8 * head : 8 * head + 8] = 0
    ablated = model(ids(), LENGTHS, ablate={(0, 1), (1, 0), (1, 3)}, record=record).logits
    torch.testing.assert_close(ablated, other(ids(), LENGTHS).logits, atol=1e-12, rtol=0)
    assert (ablated - model(ids(), LENGTHS).logits).abs().max() > 1e-3


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="--ablate L2H0: the model has layers 0–1 and heads 0–3"):
        make()(ids(), ablate=[(2, 0)])
    with pytest.raises(ConfigError, match="learned positions end at --context 16; given 17 tokens"):
        make(positions="learned")(ids(17))


@pytest.mark.parametrize("options", OPTIONS)
def test_parameter_groups_and_stacked_rows(options: dict[str, Any]) -> None:
    model = make(**options)
    groups = model.parameter_groups()
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    maps = 5 if options.get("mlp") == "swiglu" else 4
    assert len(groups["matrices"]) == 2 * maps + 1
    assert all(parameter.ndim == 2 and not {50, 51} & set(parameter.shape) for parameter in groups["matrices"])
    outer = 1 + (not options.get("tied", False)) + (options.get("positions") == "learned")
    assert len(groups["embeddings"]) == outer
    assert all(sum(these) == len(parameter) for parameter, these in model.stacked_rows().items())
    assert len(model.stacked_rows()) == 2


@pytest.mark.parametrize("options", OPTIONS)
def test_every_parameter_gets_a_gradient(options: dict[str, Any]) -> None:
    model = make(**options).train()
    F.cross_entropy(model(ids(), LENGTHS).logits[0], ids()[0] % 50).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_hidden_token_is_told_from_both_sides() -> None:
    torch.manual_seed(0)
    model = Encoder(ModelConfig(model="encoder", layers=1, heads=2, dim=32, context=16), 12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    random = np.random.default_rng(0)
    losses: list[float] = []
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 200)
        # Each token is its neighbour's plus one: known from either side.
        text = (random.integers(12, size=(32, 1)) + np.arange(8)) % 12
        inputs, targets = (torch.from_numpy(x) for x in mask_tokens(text, model.mask_id, 12, random))
        loss = F.cross_entropy(model(inputs).logits.flatten(0, 1), targets.flatten())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(losses[0] - np.log(12)) < 0.1  # an untrained model knows nothing
    model.eval()
    told = []
    for place in (0, 4, 7):
        texts = (torch.arange(12)[:, None] + torch.arange(8)) % 12
        asked = texts.clone()
        asked[:, place] = model.mask_id
        told.append(model(asked).logits[:, place].argmax(-1) == texts[:, place])
    assert torch.cat(told).float().mean() > 0.95
