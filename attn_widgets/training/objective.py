"""What training minimises, and how a model is scored: the cross-entropy of the next token."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCORED_AT_ONCE = 4096  # tokens


class NextTokenLoss(nn.Module):
    """A language model and its loss as one module.

    What wraps a module for training (autocast, gradient exchange) wraps this one, and the model
    inside stays as it was made.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats per token, for ids (batch, query)."""
        logits = self.model(inputs).logits  # (B, Q, V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def total_loss(
    model: nn.Module,
    batches: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    device: torch.device,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[float, int] | None:
    """Score a model on batches of windows.

    Parameters
    ----------
    model
        Maps ids to ``logits``; scored as if not training, in its own number format.
    batches
        Inputs, targets and which of them count, each (row, context).
    device
        Where the model is.
    stop
        Asked after every batch.

    Returns
    -------
    tuple or None
        Total cross-entropy in nats and the number of tokens; None when stopped.
    """
    nats, count, training = 0.0, 0, model.training
    model.eval()
    try:
        with torch.no_grad():
            for inputs, targets, valid in batches:
                logits = model(torch.from_numpy(inputs).to(device)).logits
                wanted = torch.from_numpy(targets).to(device)
                losses = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
                nats += losses.cpu()[torch.from_numpy(valid).flatten()].double().sum().item()
                count += int(valid.sum())
                if stop():
                    return None
    finally:
        model.train(training)
    return nats, count


def is_finite(model: nn.Module) -> bool:
    """Whether every trained number is finite."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())
