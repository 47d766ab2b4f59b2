"""What training minimises, and how a model is scored: the cross-entropy of the next token, and of a teacher's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

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
    teacher
        Whom the model imitates; None for the text alone.
    """

    def __init__(self, model: nn.Module, smoothing: float = 0.0, teacher: Teacher | None = None) -> None:
        super().__init__()
        self.model, self.smoothing, self._teacher = model, smoothing, teacher

    def forward(self, *tensors: Tensor) -> Tensor:
        """Losses in nats per token, for the model's inputs and, last, the targets (batch, query).

        Returns
        -------
        Tensor
            (2,): what is minimised, and the cross-entropy of the targets, without a gradient.
        """
        *inputs, targets = tensors
        logits, labels = self.model(*inputs).logits, targets.flatten()  # (B, Q, V)
        rows = logits.flatten(0, 1)
        loss = F.cross_entropy(rows, labels, label_smoothing=self.smoothing)
        told = F.cross_entropy(rows.detach(), labels) if self.smoothing else loss.detach()
        if self._teacher is not None:
            soft = self._teacher.loss(inputs, logits, targets)
            loss = (1 - self._teacher.weight) * loss + self._teacher.weight * soft
        return torch.stack([loss, told])


class Teacher(NamedTuple):
    """A model to imitate (knowledge distillation: Hinton, Vinyals and Dean, arXiv:1503.02531, section 2).

    Attributes
    ----------
    model
        Takes the student's inputs and gives logits over the same tokens; never trained here.
    weight
        α of the loss (1 − α) · cross-entropy + α · T² · KL(teacher ‖ student).
    temperature
        T, by which both models' logits are divided in the second term; T² keeps its gradients as large
        as those of the first.
    """

    model: nn.Module
    weight: float
    temperature: float

    def loss(self, inputs: Sequence[Tensor], logits: Tensor, targets: Tensor) -> Tensor:
        """T² · KL(teacher ‖ student) in nats, mean over the positions with a target.

        The paper's cross-entropy with soft targets is this and the teacher's entropy, which has no gradient.
        """
        with torch.no_grad():
            wise = self.model(*inputs).logits
        asked = targets != IGNORED
        return self.temperature**2 * divergence(wise[asked], logits[asked], self.temperature)


def divergence(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """KL(teacher ‖ student) in nats of two sets of logits (position, token), mean over positions.

    Both are divided by `temperature` before the softmax. A token that the teacher excludes (−∞) adds nothing.
    """
    wise = torch.softmax(teacher.float() / temperature, dim=-1)
    own = torch.log_softmax(student.float() / temperature, dim=-1)
    return F.kl_div(own, wise, reduction="sum") / max(1, len(student))


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
