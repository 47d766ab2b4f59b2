"""Reading a text on with any language model, token by token.

What `decode.Reader` does for the transformer with scaled dot products, without its shortcuts: models that keep a cache
read one token behind it, the others read what fits again. Nothing is recorded on the way; the trace of a generation is
made by reading it once more, which gives the same weights.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

import torch
from torch import Tensor

from attn_widgets.capture.reading import device_of
from attn_widgets.generation.recording import Choices
from attn_widgets.models import LanguageModel


class PlainReader:
    """A model that reads a text on; see `decode.Reader`, whose surface it has.

    Parameters
    ----------
    model
        In evaluation mode.
    ablate
        Heads (layer, head) that are switched off.
    """

    recording = None

    def __init__(self, model: LanguageModel, *, ablate: Collection[tuple[int, int]] = ()) -> None:
        self.model, self.ablate, self.context = model, ablate, model.config.context
        self.slides = not model.ends_at_context
        self.device = device_of(model)
        self.choices = Choices()
        self.refills = 0
        self._cache = model.new_cache(1) if model.caches else None
        self._ids = torch.empty(0, dtype=torch.long, device=self.device)

    def prefill(self, ids: Sequence[int]) -> Tensor:
        """Read the prompt; logits (V,) of the token after it."""
        kept = ids if self.slides else ids[-self.context :]
        return self._read(torch.tensor(kept, device=self.device))

    def decode_one_token(self, token: Tensor) -> Tensor:
        """Read one more token (1,); logits (V,) of the next."""
        if self.slides or len(self._ids) < self.context:
            return self._read(token)
        kept = torch.cat((self._ids, token))[-max(1, self.context // 2) :]
        self._ids, self.refills = self._ids[:0], self.refills + 1
        self._cache = self.model.new_cache(1) if self.model.caches else None
        return self._read(kept)

    def _read(self, new: Tensor) -> Tensor:
        self._ids = torch.cat((self._ids, new))
        if self._cache is None:
            window = self.context if len(self._ids) > self.context else None
            return cast(Tensor, self.model(self._ids[None], ablate=self.ablate, window=window).logits[0, -1])
        if self._cache.length >= 4 * self.context and not self.model.config.global_tokens:
            self._cache.keep(self.context)
        return cast(Tensor, self.model(new[None], cache=self._cache, ablate=self.ablate).logits[0, -1])
