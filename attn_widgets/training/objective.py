"""What training minimises, and how a model is scored: the cross-entropy of the next token."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attn_widgets.text.batches import IGNORED, Batch

SCORED_AT_ONCE = 4096  # tokens


class NextTokenLoss(nn.Module):
    """A language model and its loss as one module.

    What wraps a module for training (autocast, gradient exchange) wraps this one, and the model
    inside stays as it was made.

    Parameters
    ----------
    model
        Maps its inputs to ``logits``.
    smoothing
        Share of the target's probability that is spread over all tokens (label smoothing, Szegedy et
        al., arXiv:1512.00567, section 7).
    """

    def __init__(self, model: nn.Module, smoothing: float = 0.0) -> None:
        super().__init__()
        self.model, self.smoothing = model, smoothing

    def forward(self, *tensors: Tensor) -> Tensor:
        """Mean cross-entropy in nats per token, for the model's inputs and, last, the targets (batch, query)."""
        *inputs, targets = tensors
        logits = self.model(*inputs).logits  # (B, Q, V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=self.smoothing)


def on_device(batch: Batch, device: torch.device) -> list[Tensor]:
    """Make tensors of the inputs of a batch and, last, its targets."""
    return [torch.from_numpy(array).to(device) for array in (*batch.inputs, batch.targets)]


def total_loss(
    model: nn.Module, batches: Iterable[Batch], device: torch.device, stop: Callable[[], bool] = lambda: False
) -> tuple[float, int] | None:
    """Score a model.

    Parameters
    ----------
    model
        Maps inputs to ``logits``; scored as if not training, in its own number format.
    batches
        What to score it on.
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
            for batch in batches:
                *inputs, targets = on_device(batch, device)
                logits = model(*inputs).logits
                # Without a sum: float32 would lose digits that a score shows.
                losses = F.cross_entropy(
                    logits.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=IGNORED
                )
                nats += losses.cpu().double().sum().item()
                count += int((batch.targets != IGNORED).sum())
                if stop():
                    return None
    finally:
        model.train(training)
    return nats, count


def is_finite(model: nn.Module) -> bool:
    """Whether every trained number is finite."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())
