"""What models of every kind do alike: dropout between layers, and how weights begin."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def drop(x: Float[Tensor, "*shape"], rate: float, training: bool) -> Float[Tensor, "*shape"]:
    """Dropout that costs nothing at a rate of zero."""
    return F.dropout(x, rate) if training and rate else x


def initialise(model: nn.Module, sublayers: int) -> None:
    """GPT-2's: normal with deviation 0.02, smaller by √sublayers where a sublayer writes to the stream."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name and ".weights." not in name:
            writes = name.endswith(("output.weight", "down.weight"))
            nn.init.normal_(parameter, std=0.02 / sublayers**0.5 if writes else 0.02)
