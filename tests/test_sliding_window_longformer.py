"""Sliding-window attention against transformers' Longformer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import LongformerConfig, LongformerModel
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

from attn_widgets.attention import padding_mask
from attn_widgets.attention.sliding_window import sliding_window


def longformer(window: int) -> LongformerSelfAttention:
    torch.manual_seed(1)
    config = LongformerConfig(hidden_size=32, num_attention_heads=4, attention_window=[window])
    theirs = LongformerSelfAttention(config, 0).eval()
    for name in ("query", "key", "value"):  # ours has one projection; theirs gets the same for its global tokens
        getattr(theirs, f"{name}_global").load_state_dict(getattr(theirs, name).state_dict())
    return theirs


def heads_of(theirs: LongformerSelfAttention, x: Tensor) -> list[Tensor]:
    maps = theirs.query, theirs.key, theirs.value
    return [project(x).view(*x.shape[:2], 4, 8).transpose(1, 2) for project in maps]


def absolute(weights: Tensor, everywhere: list[int]) -> Tensor:
    """Longformer's (B, T, H, global + window + 1) on absolute positions (B, H, T, T)."""
    _, length, _, columns = weights.shape
    side = (columns - len(everywhere) - 1) // 2
    dense = torch.zeros(weights.shape[0], weights.shape[2], length, length)
    for i in range(length):
        for column in range(columns):
            near = column - len(everywhere) - side + i
            j = everywhere[column] if column < len(everywhere) else near
            if 0 <= j < length:
                dense[:, :, i, j] += weights[:, i, :, column]
    return dense


@pytest.mark.parametrize("everywhere", [[], [0], [2, 81]])
@pytest.mark.parametrize("window", [4, 8])  # 2 fails in theirs
def test_longformers_layer_gives_the_same_weights_and_output(window: int, everywhere: list[int]) -> None:
    theirs = longformer(window)
    x = torch.randn(2, 128, 32)
    lengths = torch.tensor([128, 101])
    real = padding_mask(lengths, 128)
    attention = torch.where(real[:, 0, 0], 0.0, -10000.0)
    attention[:, everywhere] = 10000.0
    with torch.no_grad():
        output, weights, *dense_rows = theirs(
            x, attention, attention < 0, attention > 0, bool(everywhere), output_attentions=True
        )
    expected = absolute(weights, everywhere)
    if everywhere:
        expected[:, :, everywhere] = dense_rows[0]
    context, record = sliding_window(
        *heads_of(theirs, x), mask=real, window=window, global_positions=tuple(everywhere), record=True
    )
    assert record is not None
    for text, length in enumerate(lengths):  # theirs leaves rows of padding undefined
        ours = context[text, :, :length].transpose(0, 1).flatten(1)
        torch.testing.assert_close(ours, output[text, :length], atol=1e-6, rtol=0)
        torch.testing.assert_close(record.weights()[text, :, :length], expected[text, :, :length], atol=1e-6, rtol=0)


def test_longformer_models_attentions_are_ours_in_every_layer() -> None:
    torch.manual_seed(2)
    config = LongformerConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        attention_window=[4, 8], max_position_embeddings=140, initializer_range=0.3,
    )  # fmt: skip
    model = LongformerModel(config, add_pooling_layer=False).eval()
    ids = torch.randint(3, 50, (2, 128))
    with torch.no_grad():
        given = model(ids, output_attentions=True, output_hidden_states=True)
        for layer, window in enumerate(config.attention_window):
            weights = given.attentions[layer]
            assert weights.shape == (2, 4, 128, window + 1)
            x = given.hidden_states[layer]
            query, key, value = heads_of(model.encoder.layer[layer].attention.self, x)
            _, record = sliding_window(query, key, value, window=window, record=True)
            assert record is not None
            expected = absolute(weights.transpose(1, 2), [])
            torch.testing.assert_close(record.weights(), expected, atol=1e-5, rtol=0)
