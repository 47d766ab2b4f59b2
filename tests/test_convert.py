"""Transformers' GPT-2 and Llama with random weights: ours with the copied weights computes the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from attn_widgets.errors import ConfigError
from attn_widgets.models import KeyValueCache, Transformer, from_gpt2, from_llama

LENGTHS = [1, 7, 64]


def randomised(model: Any) -> Any:
    """Every parameter random: gains that are all one and biases that are all zero would hide a wrong copy."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.eval()


def gpt2(**options: Any) -> Any:
    config: dict[str, Any] = {
        "attn_implementation": "eager",
        "vocab_size": 90,
        "n_positions": 64,
        "n_embd": 32,
        "n_layer": 3,
        "n_head": 4,
        **options,
    }
    return randomised(GPT2LMHeadModel(GPT2Config(**config)))


def llama(**options: Any) -> Any:
    config: dict[str, Any] = {
        "attn_implementation": "eager", "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 64, **options,
    }  # fmt: skip
    return randomised(LlamaForCausalLM(LlamaConfig(**config)))


def assert_same(theirs: Any, ours: Transformer, length: int) -> None:
    ids = torch.randint(90, (2, length), generator=torch.Generator().manual_seed(length))
    with torch.no_grad():
        expected = theirs(ids, output_attentions=True)
        output = ours(ids, record=True)
        fused = ours(ids).logits
    torch.testing.assert_close(output.logits, expected.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(fused, expected.logits, atol=1e-5, rtol=0)
    assert output.records is not None
    assert len(output.records) == len(expected.attentions) == 3
    for record, attention in zip(output.records, expected.attentions, strict=True):
        torch.testing.assert_close(record.weights(), attention, atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    "options",
    [{}, {"activation_function": "gelu", "n_inner": 40, "layer_norm_epsilon": 1e-3}, {"tie_word_embeddings": False}],
)
def test_gpt2(options: dict[str, Any], length: int) -> None:
    theirs = gpt2(**options)
    assert_same(theirs, from_gpt2(theirs), length)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_key_value_heads": 2, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        {"num_key_value_heads": 1, "attention_bias": True, "mlp_bias": True, "rms_norm_eps": 1e-3},
        {"attention_bias": True, "tie_word_embeddings": True},
    ],
)
def test_llama(options: dict[str, Any], length: int) -> None:
    theirs = llama(**options)
    assert_same(theirs, from_llama(theirs), length)


def test_a_converted_model_reads_with_a_cache() -> None:
    theirs = llama(num_key_value_heads=2)
    ours = from_llama(theirs)
    ids = torch.randint(90, (1, 20))
    cache = KeyValueCache(ours.config)
    with torch.no_grad():
        logits = torch.cat([ours(piece, cache=cache).logits for piece in ids.split([6, 1, 1, 12], 1)], 1)
        torch.testing.assert_close(logits, theirs(ids).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_as_many_and_copies(tied: bool) -> None:
    theirs = gpt2(tie_word_embeddings=tied)
    ours = from_gpt2(theirs)
    assert ours.num_parameters() == theirs.num_parameters()
    before = theirs.transformer.wte.weight.clone()
    with torch.no_grad():
        ours.embedding.weight.zero_()
    assert torch.equal(theirs.transformer.wte.weight, before)


def test_dtype_mode_and_dropout_are_theirs() -> None:
    theirs = gpt2(resid_pdrop=0.25, embd_pdrop=0.25, attn_pdrop=0.25).double().train()
    ours = from_gpt2(theirs)
    assert ours.embedding.weight.dtype == torch.float64
    assert ours.training
    assert ours.config.dropout == 0.25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation_function": "tanh"}, "activation 'tanh' has no counterpart here; these have: gelu, gelu_new"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx=True has no counterpart here"),
        ({"scale_attn_weights": False}, "scale_attn_weights=False has no counterpart here"),
        ({"attn_pdrop": 0.5}, "must be one rate; given"),
    ],
)
def test_settings_of_gpt2_that_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        from_gpt2(gpt2(**options))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_act": "gelu"}, "activation 'gelu' has no counterpart here"),
        (
            {"rope_parameters": {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 2.0}},
            "rope_parameters must be of type default",
        ),
        ({"head_dim": 16}, "head_dim=16 has no counterpart here; only head_dim=8"),
        ({"attention_dropout": 0.1}, "attention_dropout=0.1 has no counterpart here"),
    ],
)
def test_settings_of_llama_that_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        from_llama(llama(**options))
    assert "\n" not in str(error.value)
