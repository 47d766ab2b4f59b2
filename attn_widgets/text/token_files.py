"""Token ids of a corpus, kept in a memory-mapped file once there are many."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attn_widgets.errors import CorpusError
from attn_widgets.text.batches import IGNORED, Batch, sample, windows
from attn_widgets.text.corpus import Corpus
from attn_widgets.text.texts import blocks
from attn_widgets.text.tokenizers import Tokenizer

LARGE = 4_000_000  # tokens held in memory at most
BATCH_CHARACTERS = 1 << 18
BATCH_TEXTS = 4096


@dataclass(frozen=True)
class TokenFiles:
    """Token ids of a corpus. Each document stands between two end tokens.

    Attributes
    ----------
    train, validation
        Ids, uint16 or uint32; `train` is a read-only memory map once it is large.
    validation_characters
        Characters that the validation tokens stand for, the first token apart since nothing
        predicts it. The end of a document counts as one character, a newline.
    validation_capped
        Whether the validation part was longer than the limit.
    end
        Id of the end token between documents; None for one continuous text.
    """

    train: np.ndarray
    validation: np.ndarray
    validation_characters: int
    validation_capped: bool
    end: int | None = None

    @property
    def validation_count(self) -> int:
        """Tokens to predict in the validation part."""
        return len(self.validation) - 1

    @property
    def validation_note(self) -> str:
        """Say when the validation part was cut."""
        if not self.validation_capped:
            return ""
        return f"validation on the first {len(self.validation):,} tokens (--validation-tokens)"

    def nats_per_character(self, loss: float) -> float:
        """Convert a validation loss in nats per token."""
        return loss * self.validation_count / self.validation_characters

    def describe(self) -> str:
        """Say how much there is to train on."""
        return f"{len(self.train):,} tokens to train on, {len(self.validation):,} held out"

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All token ids, to know them again by."""
        return self.train, self.validation

    def tokens_per_row(self, context: int) -> int:
        """Tokens of a training row."""
        return context

    def batch(self, context: int, rows: int, seed: int, step: int, micro: int) -> Batch:
        """Random stretches of the text; see `sample`."""
        inputs, targets = sample(self.train, context, rows, seed, step, micro, self.end)
        return Batch((inputs,), targets)

    def validation_batches(self, context: int, tokens: int) -> Iterator[Batch]:
        """Windows that do not overlap; see `windows`."""
        for inputs, targets, valid in windows(self.validation, context, max(1, tokens // context)):
            yield Batch((inputs,), np.where(valid, targets, IGNORED))


def encode_corpus(corpus: Corpus, tokenizer: Tokenizer, folder: Path, limit: int) -> TokenFiles:
    """Token ids of both parts of `corpus`.

    Parameters
    ----------
    corpus, tokenizer
        What to encode and how.
    folder
        Where a large training part is written, as ``train.uint16`` or ``train.uint32``: under
        a temporary name first.
    limit
        Number of validation tokens to keep.

    Raises
    ------
    CorpusError
        When a part has fewer than two tokens: nothing could be predicted.
    """
    dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32)
    train = _store((ids for ids, _ in _stream(corpus, corpus.train, tokenizer)), folder / f"train.{dtype}", dtype)
    validation, characters, capped = _capped(_stream(corpus, corpus.validation, tokenizer), tokenizer, limit)
    for part, ids in (("training", train), ("validation", validation)):
        if len(ids) < 2:
            raise CorpusError(
                f"the {part} part of {corpus.name!r} has {len(ids)} token, and nothing to predict; give a longer text"
            )
    return TokenFiles(train, validation.astype(dtype), characters, capped, tokenizer.end_id)


def _stream(corpus: Corpus, texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[np.ndarray, str]]:
    """Ids and the text that they stand for; the end of a document stands for a newline."""
    end = None if tokenizer.end_id is None else np.array([tokenizer.end_id], np.int32)
    if end is not None:
        yield end, ""
    for group in _groups(blocks(texts, corpus.has_documents)):
        encoded = tokenizer.encode_batch([text for text, _ in group])
        for (text, ends), ids in zip(group, encoded, strict=True):
            yield ids, text
            if ends and end is not None:
                yield end, "\n"


def _groups(pieces: Iterator[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    group: list[tuple[str, bool]] = []
    characters = 0
    for piece in pieces:
        group.append(piece)
        characters += len(piece[0])
        if characters >= BATCH_CHARACTERS or len(group) >= BATCH_TEXTS:
            yield group
            group, characters = [], 0
    if group:
        yield group


def _store(parts: Iterator[np.ndarray], path: Path, dtype: np.dtype) -> np.ndarray:
    held: list[np.ndarray] = []
    total = 0
    for part in parts:
        held.append(part.astype(dtype))
        total += len(part)
        if total > LARGE:
            return _spill(itertools.chain(held, parts), path, dtype)
    return np.concatenate(held) if held else np.empty(0, dtype)


def _spill(parts: Iterator[np.ndarray], path: Path, dtype: np.dtype) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            for part in parts:
                file.write(part.astype(dtype).tobytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return np.memmap(path, dtype, mode="r")


def _capped(parts: Iterator[tuple[np.ndarray, str]], tokenizer: Tokenizer, limit: int) -> tuple[np.ndarray, int, bool]:
    held: list[np.ndarray] = []
    total = characters = 0
    first = 0  # characters of the very first token
    for ids, text in parts:
        if not total and len(ids) and text:
            first = tokenizer.characters(text, 1)
        if total + len(ids) > limit:
            room = limit - total
            held.append(ids[:room])
            return np.concatenate(held), characters + tokenizer.characters(text, room) - first, True
        held.append(ids)
        total += len(ids)
        characters += len(text)
    return np.concatenate(held) if held else np.empty(0, np.int32), characters - first, False
