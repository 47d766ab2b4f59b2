"""What a generation remembers of its attention and of its choices, at next to no cost a token.

Of every row only the queries are kept, as the model left them; the keys stay where they are, in the cache. Weights,
probabilities and entropies are worked out later, many rows at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from attn_widgets.capture.segments import Segment
from attn_widgets.models import KeyValueCache

CHUNK = 64
"""Rows of logits that wait to be summed up together."""


@dataclass
class Recording:
    """Queries and keys of the rows read, in one segment for each time the window was filled.

    Attributes
    ----------
    window
        How many keys a row saw at most.
    scale
        Factor on the dot products.
    segments
        Those that are closed.
    rows
        Rows read so far.
    """

    window: int
    scale: float
    segments: list[Segment] = field(default_factory=list)
    rows: int = 0
    _queries: list[Sequence[Tensor]] = field(default_factory=list)

    def add(self, queries: Sequence[Tensor]) -> None:
        """Keep the queries of each layer, (1, H, Q, d), of the next Q rows."""
        self._queries.append(queries)
        self.rows += queries[0].shape[2]

    def close(self, cache: KeyValueCache) -> None:
        """End a segment, whose keys are those that `cache` holds now: views, no copies."""
        if not self._queries:
            return
        queries = [torch.cat(layer, dim=2)[0] for layer in zip(*self._queries, strict=True)]
        keys = [cache.keys(layer)[0] for layer in range(len(queries))]  # the last key is that of the last row
        first_row, first_key = self.rows - queries[0].shape[1], self.rows - cache.length
        self.segments.append(Segment(first_row, first_key, queries, keys, self.scale, self.window))
        self._queries = []


@dataclass
class Choices:
    """Probability and entropy of every chosen token, and the likeliest token of every row.

    All are of the model's own distribution, before temperature and filters.

    Attributes
    ----------
    probabilities
        Of the token that was chosen.
    entropies
        In nats, of the distribution that it was chosen from.
    top_ids, top_probabilities
        Of the likeliest token after every row read, those of the prompt included.
    """

    probabilities: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    top_ids: list[int] = field(default_factory=list)
    top_probabilities: list[float] = field(default_factory=list)
    _waiting: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def add(self, logits: Tensor, token: Tensor) -> None:
        """Count a chosen `token` (1,) and the `logits` (V,) it was chosen from."""
        self._waiting.append((logits, token))
        if len(self._waiting) >= CHUNK:
            self.flush()

    def add_rows(self, logits: Tensor) -> None:
        """Count rows (Q, V) from which nothing is chosen."""
        self.flush()
        for part in torch.split(logits, CHUNK):
            self._top(part.float().softmax(-1))

    def flush(self) -> None:
        """Work out what is waiting."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        logits = torch.stack([row for row, _ in waiting]).float()
        probabilities = logits.softmax(-1)
        chosen = probabilities.gather(-1, torch.stack([token for _, token in waiting]))
        self.probabilities += chosen[:, 0].tolist()
        self.entropies += torch.special.entr(probabilities).sum(-1).tolist()
        self._top(probabilities)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and entropies as float32."""
        return np.array(self.probabilities, np.float32), np.array(self.entropies, np.float32)

    def _top(self, probabilities: Tensor) -> None:
        top = probabilities.max(-1)
        self.top_ids += top.indices.tolist()
        self.top_probabilities += top.values.tolist()
