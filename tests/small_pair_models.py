"""Small encoder–decoders of every kind with every option, and texts to read, shared by their tests."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from attn_widgets.attention import MECHANISMS
from attn_widgets.config import DENSE, MECHANISMS_OF, ModelConfig
from attn_widgets.models.convseq2seq import ConvSeq2Seq
from attn_widgets.models.encoder_decoder import EncoderDecoder
from attn_widgets.models.seq2seq import Seq2Seq

VOCAB = 50
LENGTHS = torch.tensor([9, 1, 4])


class Small(NamedTuple):
    """How a small model of one kind is made."""

    model: Any
    shape: dict[str, Any]
    spread: float
    options: list[dict[str, Any]]


SMALL = {
    "encoder_decoder": Small(
        EncoderDecoder,
        {"layers": 2, "heads": 4, "dim": 32, "context": 16},
        0.2,
        [
            *({"attention": name} for name in DENSE if name in MECHANISMS),
            {"positions": "learned", "norm": "layer", "mlp": "gelu_tanh", "bias": True, "tied": True},
            {"kv_heads": 2, "qk_norm": True, "mlp": "swiglu"},
            {"kv_heads": 1, "positions": "sinusoidal", "mlp": "gelu", "norm": "layer"},
        ],
    ),
    "seq2seq": Small(
        Seq2Seq,
        {"layers": 2, "heads": 8, "dim": 16},
        0.3,
        [
            *({"attention": name} for name in MECHANISMS_OF["seq2seq"]),
            {"cell": "lstm", "attention": "none", "layers": 1},
            {"cell": "lstm", "attention": "additive", "bias": True, "tied": True},
            {"kv_heads": 2, "bias": True, "layers": 1},
        ],
    ),
    "convseq2seq": Small(
        ConvSeq2Seq,
        {"layers": 3, "heads": 4, "dim": 32, "context": 16},
        0.1,
        [
            *({"attention": name} for name in DENSE if name in MECHANISMS),
            {"kernel": 1, "tied": True},
            {"kernel": 4, "positions": "sinusoidal", "heads": 1},
            {"layers": 1, "kernel": 5, "positions": "learned", "heads": 2},
        ],
    ),
}


def make(kind: str, dtype: torch.dtype = torch.float64, **options: Any) -> Any:
    """A small model whose every parameter is random, so that no part of it is idle."""
    torch.manual_seed(0)
    small = SMALL[kind]
    model = small.model(ModelConfig(**{"model": kind, **small.shape, **options}), VOCAB)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(small.spread * torch.randn(parameter.shape))
    return model.to(dtype).eval()


def texts() -> tuple[Tensor, Tensor]:
    """Sources, of which `LENGTHS` tokens are to be read and the others are random too, and targets."""
    random = torch.Generator().manual_seed(1)
    return torch.randint(VOCAB, (3, 9), generator=random), torch.randint(VOCAB, (3, 7), generator=random)
