"""The record of a mean over texts: with each mean weight, how many texts it is of and how far they lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from attn_widgets.errors import AttnError
from attn_widgets.trace.records import ALL, Arrays, Index, WeightsRecord


@dataclass(frozen=True, eq=False, repr=False)
class MeanRecord(WeightsRecord):
    """Mean weights over several texts.

    Attributes
    ----------
    deviation
        Standard deviation over the texts (of a sample, n - 1); NaN where there are fewer than two.
    texts
        How many texts have the cell; one matrix for all heads or one a head.
    """

    deviation: Float32[np.ndarray, "head query key"] | None = None
    texts: Int32[np.ndarray, "texts_head query key"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.deviation is None or self.texts is None:
            raise AttnError("a mean needs its deviation and its number of texts")
        works = (1, *self.matrix.shape[1:]), self.matrix.shape
        if self.deviation.shape != self.matrix.shape or self.texts.shape not in works:
            raise AttnError(
                f"deviation {self.deviation.shape} and texts {self.texts.shape} do not fit means {self.matrix.shape}"
            )

    def spread(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Float32[np.ndarray, "query key"]:
        """Give the standard deviation over the texts; NaN where fewer than two have the cell."""
        assert self.deviation is not None
        return self._pick(self.deviation, head, queries, keys)

    def counts(self, head: int, queries: Index = ALL, keys: Index = ALL) -> Int32[np.ndarray, "query key"]:
        """Count the texts that have each cell."""
        assert self.texts is not None
        return self._pick(self.texts, head, queries, keys)

    def arrays(self) -> Arrays:
        """Give the arrays held, by name."""
        assert self.deviation is not None
        assert self.texts is not None
        return {**super().arrays(), "deviation": self.deviation, "texts": self.texts}

    def settings(self) -> dict[str, Any]:
        """Give what `load_record` needs besides the arrays."""
        return {"record": "mean"}
