"""What a run does whose model reads a text from both sides: fill in hidden tokens, or tell the class."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from attn_widgets.capture import Ablation, capture_trace, class_trace, compare_ablation, model_hash
from attn_widgets.capture.reading import read_text
from attn_widgets.config import GenerateConfig
from attn_widgets.errors import ConfigError
from attn_widgets.generation.decode import Decoded, ablated_heads
from attn_widgets.generation.recording import Choices
from attn_widgets.generation.result import Generation
from attn_widgets.generation.stopping import split_text
from attn_widgets.models import Classifier, Encoder, EncoderModel
from attn_widgets.run.sources import fitted, with_start
from attn_widgets.text.encoder_corpus import MASK, WRITTEN, masked_ids
from attn_widgets.text.tasks import SEPARATOR
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.blocks import Meta


class TextReader:
    """An encoder and what it takes to read with it.

    Parameters
    ----------
    model
        In any mode; it is put back into it.
    tokenizer
        Of its texts.
    labels
        Of its classes; () for an encoder that fills in hidden tokens.
    """

    def __init__(self, model: EncoderModel, tokenizer: Tokenizer, labels: Sequence[str]) -> None:
        self.model, self.tokenizer, self.labels = model, tokenizer, labels

    def ids(self, text: str) -> tuple[np.ndarray, list[str]]:
        """Ids of a text as it is read, and notes on what was too long.

        Raises
        ------
        ConfigError
            When it has no token, or too many.
        """
        starts = not isinstance(self.model, Classifier)
        what = with_start("the text", self.tokenizer) if starts else "the text"
        return fitted(self._encoded(text), self.model.config, what)

    def probe(self, text: str, meta: Meta) -> AttentionTrace:
        """Trace a text during training, cut where it is too long."""
        config = self.model.config
        cut = config if config.widens else replace(config, lengths="truncate")
        return self.trace(fitted(self._encoded(text), cut, "the probe")[0], meta=meta)

    def _encoded(self, text: str) -> np.ndarray:
        if isinstance(self.model, Classifier):
            return self.tokenizer.encode(text).astype(np.int64)
        return masked_ids(self.tokenizer, text, self.model.mask_id)

    def tokens(self, ids: Sequence[int] | np.ndarray) -> list[str]:
        """Show each token; the first of a text with a start token is it."""
        hidden = {at for at, id in enumerate(ids) if id == self.model.mask_id}
        shown = self.tokenizer.tokens(0 if at in hidden else int(id) for at, id in enumerate(ids))
        return [MASK if at in hidden else token for at, token in enumerate(shown)]

    def told(self, id: int) -> str:
        """Show what is predicted: a class, or a token."""
        return self.labels[id] if isinstance(self.model, Classifier) else self.tokenizer.token(id)

    def trace(self, ids: np.ndarray, ablate: Sequence[str] = (), meta: Meta | None = None) -> AttentionTrace:
        """Trace a text that is given as ids."""
        heads, tokens = ablated_heads(ablate), self.tokens(ids)
        if isinstance(self.model, Classifier):
            return class_trace(self.model, ids, tokens, self.told, ablate=heads, meta=meta)
        return capture_trace(self.model, ids, tokens, self.told, ablate=heads, meta=meta)

    def ablation(self, ids: np.ndarray, heads: Sequence[str]) -> Ablation:
        """Compare predictions with all heads and without some."""
        return compare_ablation(self.model, ids, self.told, ablated_heads(heads))

    def logits(self, ids: np.ndarray, ablate: Sequence[str]) -> Tensor:
        """Logits of every row: (token, V), or of the one class, (1, class)."""
        found: list[Tensor] = []
        read_text(self.model, torch.as_tensor(ids), lambda rows, _: found.append(rows), ablate=ablated_heads(ablate))
        return found[0]


def write_read(
    reader: TextReader,
    text: str,
    config: GenerateConfig,
    *,
    meta: Meta,
    notes: Sequence[str] = (),
    on_text: Callable[[str], None] | None = None,
    trace: bool = True,
) -> Generation:
    """Fill in the hidden tokens of a text, each with the likeliest one, or tell the class of a text.

    Raises
    ------
    ConfigError
        For a text without a hidden token to fill in, or without any token.
    """
    began = time.perf_counter()
    ids, cut = reader.ids(text)
    rows = np.zeros(1, np.int64) if isinstance(reader.model, Classifier) else _hidden(reader, text, ids)
    logits = reader.logits(ids, config.ablate)[rows]
    choices, chosen = Choices(), logits.argmax(-1)
    for row, best in zip(logits, chosen, strict=True):
        choices.add(row, best[None])
    choices.flush()
    told = tuple(chosen.tolist())
    spans = _spans(reader, ids, rows, told)
    written = "".join(piece for piece, _ in spans)
    if on_text is not None:
        on_text(written)
    decoded = Decoded(ids.tolist(), list(told), written, choices, "done", (), None, time.perf_counter() - began)
    return Generation(
        text, written, told, tuple(map(reader.told, told)), *choices.arrays(), "done", (*notes, *cut),
        decoded.seconds, decoded, reader.tokenizer, lambda: {"model": model_hash(reader.model), **meta},
        (lambda: reader.trace(ids, config.ablate, meta)) if trace else None, f" {SEPARATOR} ", spans,
    )  # fmt: skip


def _hidden(reader: TextReader, text: str, ids: np.ndarray) -> np.ndarray:
    """Rows of the hidden tokens."""
    assert isinstance(reader.model, Encoder)
    rows = np.flatnonzero(ids == reader.model.mask_id)
    if not len(rows) and WRITTEN.search(text):
        raise ConfigError(f"the {MASK} stands past --context {reader.model.config.context}; give a shorter text")
    if not len(rows):
        *before, _ = text.split() or [""]
        raise ConfigError(
            f"--model encoder fills in hidden tokens, and the text has none; write {MASK} (or <mask>) for each, "
            f"for example {' '.join([*before[-5:], MASK])!r}"
        )
    return rows


def _spans(
    reader: TextReader, ids: np.ndarray, rows: np.ndarray, told: Sequence[int]
) -> tuple[tuple[str, int | None], ...]:
    """Pieces of the text that was written, each with the number of what it tells; None where the text was given."""
    if isinstance(reader.model, Classifier):
        return ((reader.labels[told[0]], 0),)
    filled, number = ids.copy(), {int(row): at for at, row in enumerate(rows)}
    filled[rows] = told
    pieces = split_text(reader.tokenizer.decode, (), filled.tolist())
    return tuple((piece, number.get(row)) for row, piece in enumerate(pieces))
