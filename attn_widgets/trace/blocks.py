"""What a trace is made of: a layer's attention with the tokens of its axes, and the predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from attn_widgets.errors import AttnError
from attn_widgets.trace.records import Record

Kind = Literal["decoder", "encoder", "cross"]
Meta = Mapping[str, str | int | float]


@dataclass(frozen=True, eq=False)
class Predictions:
    """The most likely next token at each query row.

    Attributes
    ----------
    tokens
        The token as text; '' where a row predicts nothing.
    probabilities
        Its probability; NaN where a row predicts nothing.
    """

    tokens: tuple[str, ...]
    probabilities: Float32[np.ndarray, " query"]

    def __post_init__(self) -> None:
        if self.probabilities.shape != (len(self.tokens),):
            raise AttnError(f"{len(self.tokens)} predicted tokens, but probabilities {self.probabilities.shape}")


@dataclass(frozen=True, eq=False)
class Block:
    """One layer's attention with the tokens of both axes.

    `layer` counts calls from zero, never modules, and equals the block's place in its trace.
    """

    kind: Kind
    layer: int
    query_tokens: tuple[str, ...]
    key_tokens: tuple[str, ...]
    record: Record

    def __post_init__(self) -> None:
        given, needed = (len(self.query_tokens), len(self.key_tokens)), (self.record.queries, self.record.keys)
        if given != needed:
            raise AttnError(
                f"layer {self.layer} has {needed[0]} query rows and {needed[1]} keys; "
                f"given {given[0]} query tokens and {given[1]} key tokens"
            )
