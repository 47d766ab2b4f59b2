"""Copy the weights of a transformers GPT-2 or Llama into our transformer.

Knows their attributes and imports nothing of them. A setting that ours does not have is refused, so
that a converted model gives the same logits and the same attention.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.transformer import Block, Transformer

_GPT2_ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu2": "relu2"}


def from_gpt2(hf_model: Any) -> Transformer:
    """Make our transformer from a transformers ``GPT2LMHeadModel``.

    Parameters
    ----------
    hf_model
        The model whose weights are copied; it is not changed.

    Returns
    -------
    Transformer
        On the same device, in the same dtype and mode (training or not).

    Raises
    ------
    ConfigError
        For a setting that our model does not have.
    """
    theirs = hf_model.config
    _refuse(theirs, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False, add_cross_attention=False)
    rates = {theirs.resid_pdrop, theirs.embd_pdrop, theirs.attn_pdrop}
    if len(rates) > 1:
        raise ConfigError(f"resid_pdrop, embd_pdrop and attn_pdrop must be one rate; given {sorted(rates)}")
    config = ModelConfig(
        layers=theirs.n_layer, heads=theirs.n_head, dim=theirs.n_embd, context=theirs.n_positions,
        positions="learned", norm="layer", norm_eps=theirs.layer_norm_epsilon, bias=True,
        mlp=_activation(theirs.activation_function, _GPT2_ACTIVATIONS), hidden=theirs.n_inner,
        tied=bool(theirs.tie_word_embeddings), dropout=rates.pop(),
    )  # fmt: skip
    body = hf_model.transformer
    ours = _like(hf_model, config, theirs.vocab_size)
    with torch.no_grad():
        ours.embedding.weight.copy_(body.wte.weight)
        ours.head.weight.copy_(hf_model.lm_head.weight)
        assert ours.positions is not None
        ours.positions.weight.copy_(body.wpe.weight)
        _copy(ours.norm, body.ln_f.weight, body.ln_f.bias)
        for block, layer in zip(_blocks(ours), body.h, strict=True):
            _copy(block.attention_norm, layer.ln_1.weight, layer.ln_1.bias)
            _copy(block.mlp_norm, layer.ln_2.weight, layer.ln_2.bias)
            # Their Conv1D keeps (in, out), the transpose of a linear map's weight.
            _copy(block.attention.qkv, layer.attn.c_attn.weight.T, layer.attn.c_attn.bias)
            _copy(block.attention.output, layer.attn.c_proj.weight.T, layer.attn.c_proj.bias)
            _copy(block.mlp.up, layer.mlp.c_fc.weight.T, layer.mlp.c_fc.bias)
            _copy(block.mlp.down, layer.mlp.c_proj.weight.T, layer.mlp.c_proj.bias)
    return ours


def from_llama(hf_model: Any) -> Transformer:
    """Make our transformer from a transformers ``LlamaForCausalLM``.

    Parameters
    ----------
    hf_model
        The model whose weights are copied; it is not changed.

    Returns
    -------
    Transformer
        On the same device, in the same dtype and mode. Where only one of ``attention_bias`` and
        ``mlp_bias`` is set, the other biases are there and zero.

    Raises
    ------
    ConfigError
        For a setting that our model does not have, such as scaled rotary frequencies.
    """
    theirs = hf_model.config
    rope = dict(theirs.rope_parameters)
    kind, theta = rope.pop("rope_type", "default"), rope.pop("rope_theta")
    share = rope.pop("partial_rotary_factor", 1.0)
    if kind != "default" or share != 1.0:
        raise ConfigError(f"rope_parameters must be of type default over whole heads; given {theirs.rope_parameters}")
    _refuse(theirs, attention_dropout=0.0, head_dim=theirs.hidden_size // theirs.num_attention_heads)
    bias = bool(theirs.attention_bias or theirs.mlp_bias)
    config = ModelConfig(
        layers=theirs.num_hidden_layers, heads=theirs.num_attention_heads, dim=theirs.hidden_size,
        context=theirs.max_position_embeddings, kv_heads=theirs.num_key_value_heads, rope_theta=float(theta),
        positions="rotary", norm="rms", norm_eps=theirs.rms_norm_eps, bias=bias,
        mlp=_activation(theirs.hidden_act, {"silu": "swiglu", "swish": "swiglu"}), hidden=theirs.intermediate_size,
        tied=bool(theirs.tie_word_embeddings),
    )  # fmt: skip
    body = hf_model.model
    ours = _like(hf_model, config, theirs.vocab_size)
    with torch.no_grad():
        ours.embedding.weight.copy_(body.embed_tokens.weight)
        ours.head.weight.copy_(hf_model.lm_head.weight)
        _copy(ours.norm, body.norm.weight)
        for block, layer in zip(_blocks(ours), body.layers, strict=True):
            _copy(block.attention_norm, layer.input_layernorm.weight)
            _copy(block.mlp_norm, layer.post_attention_layernorm.weight)
            attention, mlp = layer.self_attn, layer.mlp
            maps = (attention.q_proj, attention.k_proj, attention.v_proj)
            biases = None if maps[0].bias is None else torch.cat([m.bias for m in maps])
            _copy(block.attention.qkv, torch.cat([m.weight for m in maps]), biases)
            _copy(block.attention.output, attention.o_proj.weight, attention.o_proj.bias)
            assert block.mlp.gate is not None
            _copy(block.mlp.gate, mlp.gate_proj.weight, mlp.gate_proj.bias)
            _copy(block.mlp.up, mlp.up_proj.weight, mlp.up_proj.bias)
            _copy(block.mlp.down, mlp.down_proj.weight, mlp.down_proj.bias)
    return ours


def _refuse(theirs: Any, **needed: Any) -> None:
    for name, value in needed.items():
        if getattr(theirs, name) != value:
            raise ConfigError(f"{name}={getattr(theirs, name)} has no counterpart here; only {name}={value} has")


def _activation(name: str, known: dict[str, str]) -> Any:
    if name not in known:
        raise ConfigError(f"activation {name!r} has no counterpart here; these have: {', '.join(known)}")
    return known[name]


def _like(hf_model: Any, config: ModelConfig, vocab_size: int) -> Transformer:
    weight: Tensor = next(hf_model.parameters())
    ours = Transformer(config, vocab_size).to(device=weight.device, dtype=weight.dtype)
    return ours.train(hf_model.training)


def _blocks(ours: Transformer) -> list[Block]:
    return [block for block in ours.blocks if isinstance(block, Block)]


def _copy(into: nn.Module, weight: Tensor, bias: Tensor | None = None) -> None:
    """Copy a weight, and a bias or zeros where ours has one."""
    for name, parameter in into.named_parameters():
        if name == "weight":
            parameter.copy_(weight)
        elif bias is None:
            parameter.zero_()
        else:
            parameter.copy_(bias)
