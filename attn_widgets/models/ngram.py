"""The n-gram model: counts instead of attention.

What language models were before neural ones, and what a training has to beat. Counting takes a second, and the
probabilities, interpolated Witten–Bell, are exact; see `text.ngrams` for the formula and its sources.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Integer
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.base import ModelOutput
from attn_widgets.text.ngrams import NGramCounts, count_ngrams


class NGramCache:
    """The last tokens of a text: all that the next one depends on.

    Parameters
    ----------
    batch
        Texts side by side, all of one length.
    capacity
        Tokens that are kept.
    """

    def __init__(self, batch: int, capacity: int) -> None:
        self.capacity = capacity
        self.position = 0
        """Position of the next token, counted from the start of the text."""
        self.ids = torch.zeros(batch, 0, dtype=torch.long)

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.ids.shape[1]

    def append(self, ids: Int[Tensor, "batch query"]) -> Int[Tensor, "batch key"]:
        """Read tokens on; return those that were held and the new ones."""
        both = torch.cat((self.ids.to(ids), ids), 1)
        self.position += ids.shape[1]
        self.ids = both
        self.keep(self.capacity)
        return both

    def keep(self, last: int) -> None:
        """Let go of all but the last tokens."""
        self.ids = self.ids[:, max(0, self.length - max(0, last)) :]


class NGram(nn.Module):
    """A language model that looks ``config.order - 1`` tokens back.

    It has no trained parameters: `count` fits it at once, and before that all tokens are equally likely. Its state
    is the counts that are not zero, so that its size follows from the text.

    Parameters
    ----------
    config
        Only ``order`` matters.
    vocab_size
        Number of token ids.
    """

    caches = True
    ends_at_context = False

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.config, self.vocab_size = config, vocab_size
        for n in range(1, config.order + 1):
            self.register_buffer(f"keys_{n}", torch.zeros(0, dtype=torch.int64))
            self.register_buffer(f"counts_{n}", torch.zeros(0, dtype=torch.int32))
        self._derived: NGramCounts | None = None

    @property
    def device(self) -> torch.device:
        """Where ids are expected and logits come back; the look-up itself is done on the CPU."""
        return self.get_buffer("keys_1").device

    @property
    def counted(self) -> NGramCounts:
        """The counts as NumPy arrays, with the sums that the probabilities need."""
        if self._derived is None:
            numbers = range(1, self.config.order + 1)
            keys, counts = ([self.get_buffer(f"{name}_{n}").cpu().numpy() for n in numbers] for name in _BUFFERS)
            self._derived = NGramCounts(self.vocab_size, keys, counts)
        return self._derived

    def count(self, tokens: Integer[np.ndarray, " token"]) -> None:
        """Fit to a text (token,), in place of whatever was counted before.

        Raises
        ------
        ConfigError
            For an id that the vocabulary lacks.
        """
        self._derived = count_ngrams(tokens, self.vocab_size, self.config.order)
        for name in _BUFFERS:
            for n, array in enumerate(getattr(self._derived, name), start=1):
                setattr(self, f"{name}_{n}", torch.from_numpy(array).to(self.device))

    def log_probability(self, tokens: Integer[np.ndarray, " token"]) -> Float64[np.ndarray, " token"]:
        """Natural log probability (token,) of each token after all those before it, in float64.

        The fast way to score a long text: nothing is as wide as the vocabulary.
        """
        return self.counted.log_probability(tokens)

    def forward(
        self,
        ids: Int[Tensor, "batch query"],
        *,
        cache: NGramCache | None = None,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
        window: int | None = None,
    ) -> ModelOutput:
        """Natural log probabilities (batch, query, vocab) of the next token after every position.

        Parameters
        ----------
        ids
            Token ids; with a cache, those that follow the ones it holds.
        cache
            Read and extended.
        record
            There is no attention: an empty tuple of records.
        ablate
            Must be empty.
        window
            Look at this many tokens at most, the own one among them.

        Raises
        ------
        ConfigError
            For a head to ablate, or an id that the vocabulary lacks.
        """
        for layer, head in ablate:
            raise ConfigError(f"--ablate L{layer}H{head}: an n-gram model has no heads; give it without --ablate")
        known = ids if cache is None else cache.append(ids)
        found = self.counted.histories(known.cpu().numpy(), window)
        new = [numbers[:, known.shape[1] - ids.shape[1] :] for numbers in found]  # (B, Q) each
        return ModelOutput(self._logits(new, ids), () if record else None)

    def new_cache(self, batch: int = 1, capacity: int | None = None) -> NGramCache:
        """Make a cache for `forward`; it holds ``order - 1`` tokens, whatever the capacity asked for."""
        return NGramCache(batch, self.config.order - 1)

    def kinds(self) -> tuple[Literal["decoder", "encoder", "cross"], ...]:
        """No attention, no records."""
        return ()

    def num_parameters(self) -> int:
        """Count what is stored: the different n-grams of every length."""
        return sum(map(len, self.counted.counts))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Nothing is trained by gradients."""
        return {"matrices": [], "embeddings": [], "gains": []}

    def stacked_rows(self) -> dict[nn.Parameter, tuple[int, ...]]:
        """No matrices, none stacked."""
        return {}

    def _logits(self, histories: list[np.ndarray], ids: Tensor) -> Float[Tensor, "batch query vocab"]:
        flat = self.counted.distribution([numbers.reshape(-1) for numbers in histories])  # (B · Q, V)
        logits = torch.from_numpy(np.log(flat)).to(ids.device, torch.get_default_dtype())
        return logits.view(*ids.shape, -1) if histories else logits.expand(*ids.shape, -1)  # order 1: all rows alike

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Make room first: how many n-grams there are depends on the text that was counted."""
        for name, held in list(self.named_buffers(recurse=False)):
            given = state_dict.get(prefix + name)
            if given is not None:
                setattr(self, name, held.new_empty(given.shape))
        self._derived = None
        super()._load_from_state_dict(state_dict, prefix, *rest)


_BUFFERS = ("keys", "counts")
