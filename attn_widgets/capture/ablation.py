"""What a model predicts with and without some of its heads.

Switching a head off sets its output to zero before the output projection (zero ablation, as
in Michel et al. 2019, "Are Sixteen Heads Really Better than One?", section 2.3).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Integer
from torch import Tensor

from attn_widgets.capture.reading import read_text
from attn_widgets.capture.trace import Top, join_predictions, top_tokens
from attn_widgets.models import EncoderModel, LanguageModel
from attn_widgets.trace import Predictions


@dataclass(frozen=True, eq=False)
class Ablation:
    """Predictions at every row of a text, with all heads and without some.

    Attributes
    ----------
    before, after
        The likeliest next token at each row, and its probability.
    still
        Probability that the token predicted before has after.
    """

    before: Predictions
    after: Predictions
    still: Float32[np.ndarray, " query"]

    @property
    def changed(self) -> tuple[int, ...]:
        """Rows at which another token is predicted."""
        pairs = zip(self.before.tokens, self.after.tokens, strict=True)
        return tuple(row for row, (before, after) in enumerate(pairs) if before != after)


def compare_ablation(
    model: LanguageModel | EncoderModel,
    ids: Integer[np.ndarray, " query"] | Integer[Tensor, " query"],
    next_token: Callable[[int], str],
    ablate: Collection[tuple[int, int]],
) -> Ablation:
    """Read a text twice, with all heads and with the heads (layer, head) of `ablate` switched off.

    Raises
    ------
    AttnError
        As `capture_trace` does.
    """
    text = torch.as_tensor(ids)
    before: list[Top] = []
    after: list[Top] = []
    still: list[Tensor] = []

    def visit_before(logits: Tensor, records: tuple[Any, ...] | None) -> None:
        before.append(top_tokens(logits))

    def visit_after(logits: Tensor, records: tuple[Any, ...] | None) -> None:
        chosen = before[len(after)][0]
        after.append(top_tokens(logits))
        still.append(logits.softmax(-1).gather(-1, chosen[:, None])[:, 0])

    read_text(model, text, visit_before)
    read_text(model, text, visit_after, ablate=ablate)
    return Ablation(
        join_predictions(before, next_token), join_predictions(after, next_token), torch.cat(still).cpu().numpy()
    )
