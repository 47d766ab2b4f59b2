"""Tokenizers: characters, words, or byte-level BPE, on Hugging Face ``tokenizers``.

Knows nothing of files or batches. The end token, which separates documents and starts a
prompt, is no entry of the Hugging Face vocabulary but the id after its last one, so that no
text a person writes can ever stand for it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from attn_widgets.errors import ConfigError, CorpusError
from attn_widgets.text.texts import blocks

if TYPE_CHECKING:
    from attn_widgets.text.corpus import Corpus

Kind = Literal["char", "word", "bpe"]
UNKNOWN = "‹unknown›"
START = "‹start›"
END = "‹end›"
NUMBERS_WORDS_MARKS = r"\d+(?:[.,]\d+)+|\w+(?:['’]\w+)*|\n|[^\w\s]"
# On ASCII, Python and Hugging Face's Oniguruma agree what \w and \s are; Python is ten times faster
ASCII_WORDS: Callable[[str], list[str]] = re.compile(NUMBERS_WORDS_MARKS, re.ASCII).findall
ANY_CHARACTER = r"[\s\S]"
BYTES = 256


class Tokenizer:
    """Text to token ids and back.

    Parameters
    ----------
    kind
        ``char``: every character; ``word``: words, numbers, punctuation marks and newlines
        (other white space only separates them); ``bpe``: pieces of words, any text at all.
    inner
        The Hugging Face tokenizer.
    documents
        Whether there is an end token.
    """

    def __init__(self, kind: Kind, inner: tokenizers.Tokenizer, *, documents: bool) -> None:
        self.kind: Kind = kind
        self._inner = inner
        size = inner.get_vocab_size()
        self.end_id: int | None = size if documents else None
        self.unknown_id: int | None = inner.token_to_id(UNKNOWN)
        self.vocab_size: int = size + documents

    def __repr__(self) -> str:
        return f"Tokenizer({self.kind}, vocab_size={self.vocab_size})"

    def encode(self, text: str) -> np.ndarray:
        """Token ids of `text`, int32, without a start token.

        What the vocabulary lacks becomes `unknown_id`, one each word or character.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """`encode` of each text, faster."""
        if self.kind == "char":
            return [self._look_up(text) for text in texts]
        if self.kind == "word" and all(map(str.isascii, texts)):
            return [self._look_up_words(ASCII_WORDS(text)) for text in texts]
        _check_scalars(texts)
        found = self._inner.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(one.ids, dtype=np.int32) for one in found]

    def encode_prompt(self, text: str) -> np.ndarray:
        """`encode`, after the end token where there is one: a document begins behind an end."""
        ids = self.encode(text)
        return ids if self.end_id is None else np.concatenate([np.array([self.end_id], np.int32), ids])

    def decode(self, ids: Iterable[int]) -> str:
        """Readable text: words joined by single spaces, end tokens left out."""
        ids = [int(i) for i in ids if i != self.end_id]
        if self.kind == "bpe":
            return self._inner.decode(ids, skip_special_tokens=False)
        pieces = map(self.token, ids)
        if self.kind == "char":
            return "".join(pieces)
        return " ".join(pieces).replace(" \n", "\n").replace("\n ", "\n")

    def token(self, id: int) -> str:
        """Show one token; pieces of BPE keep their leading space."""
        if id == self.end_id:
            return END
        return self._inner.decode([int(id)], skip_special_tokens=False) if self.kind == "bpe" else self._words[int(id)]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Each token for display; the end token in front of a prompt is its start."""
        shown = [self.token(i) for i in ids]
        return [START, *shown[1:]] if shown and shown[0] == END and self.end_id is not None else shown

    def unknown(self, text: str) -> list[str]:
        """Distinct words or characters of `text` that the vocabulary lacks, in the order met."""
        _check_scalars([text])
        if self.unknown_id is None:
            return []
        if self.kind == "char":
            return list(dict.fromkeys(c for c in text if self._inner.token_to_id(c) is None))
        found = self._encoding(text)
        spans = (span for id, span in zip(found.ids, found.offsets, strict=True) if id == self.unknown_id)
        return list(dict.fromkeys(text[start:stop] for start, stop in spans))

    def characters(self, text: str, count: int) -> int:
        """Characters of `text` up to the end of its first `count` tokens."""
        if self.kind == "char" or count == 0:
            return count
        return self._encoding(text).offsets[count - 1][1]

    def to_json(self) -> str:
        """One JSON text that holds the whole tokenizer."""
        inner = json.loads(self._inner.to_str())
        return json.dumps({"kind": self.kind, "documents": self.end_id is not None, "tokenizer": inner})

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """Restore what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        inner = tokenizers.Tokenizer.from_str(json.dumps(data["tokenizer"]))
        return cls(data["kind"], inner, documents=data["documents"])

    def _encoding(self, text: str) -> tokenizers.Encoding:
        return self._inner.encode(text, add_special_tokens=False)

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return self._inner.get_vocab()

    @cached_property
    def _words(self) -> list[str]:
        return sorted(self._vocabulary, key=self._vocabulary.__getitem__)

    @cached_property
    def _code_points(self) -> tuple[np.ndarray, np.ndarray]:
        known = sorted((ord(word), id) for word, id in self._vocabulary.items() if word != UNKNOWN)
        return np.array([code for code, _ in known], np.uint32), np.array([id for _, id in known], np.int32)

    def _look_up_words(self, words: list[str]) -> np.ndarray:
        unknown = itertools.repeat(self.unknown_id)
        return np.fromiter(map(self._vocabulary.get, words, unknown), np.int32, len(words))

    def _look_up(self, text: str) -> np.ndarray:
        # A table instead of a regular expression a character: 50 times faster, the same ids
        codes, ids = self._code_points
        found = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        place = np.minimum(np.searchsorted(codes, found), len(codes) - 1)
        return np.where(codes[place] == found, ids[place], np.int32(self.unknown_id or 0))


def _check_scalars(texts: Sequence[str]) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = f"U+{ord(text[error.start]):04X}"
            near = ascii(text[max(0, error.start - 20) : error.start + 20])
            raise CorpusError(
                f"character {error.start} is {code}, half of a surrogate pair, in {near}; leave it out"
            ) from None


def train_tokenizer(kind: Kind, corpus: Corpus, vocab_size: int) -> Tokenizer:
    """Build the vocabulary from the training part of `corpus`.

    Parameters
    ----------
    kind
        ``char``, ``word`` or ``bpe``.
    corpus
        Only its training part is read, in a stream.
    vocab_size
        Largest vocabulary of ``word`` and ``bpe``, end and unknown token included; ``char``
        holds every character met.

    Raises
    ------
    ConfigError
        When `vocab_size` is too small for ``bpe`` to spell any byte.
    CorpusError
        When no token is found, or a character is half of a surrogate pair.
    """
    room = vocab_size - corpus.has_documents
    if kind == "char":
        inner = _characters(_pieces(corpus))
    elif kind == "word":
        inner = _words(_pieces(corpus), room)
    elif room < BYTES:
        least = BYTES + corpus.has_documents
        raise ConfigError(f"--vocab-size {vocab_size} is too small for bpe; try {least} or more, or --tokenizer char")
    else:
        inner = _byte_pairs(_pieces(corpus), room)
    if inner.get_vocab_size() < 2:
        raise CorpusError(f"corpus {corpus.name!r} has no token in its training part; give a longer text")
    return Tokenizer(kind, inner, documents=corpus.has_documents)


def _pieces(corpus: Corpus) -> Iterator[str]:
    for text, _ in blocks(corpus.train, corpus.has_documents):
        _check_scalars([text])
        yield text


def _characters(texts: Iterable[str]) -> tokenizers.Tokenizer:
    found: set[str] = set(itertools.chain.from_iterable(map(set, texts)))
    vocabulary = {word: id for id, word in enumerate([UNKNOWN, *sorted(found)])}
    inner = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(ANY_CHARACTER), "isolated")
    return inner


def _words(texts: Iterator[str], size: int) -> tokenizers.Tokenizer:
    splitter = pre_tokenizers.Split(Regex(NUMBERS_WORDS_MARKS), "removed", invert=True)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(ASCII_WORDS(text) if text.isascii() else (word for word, _ in splitter.pre_tokenize_str(text)))
    common = sorted(counts, key=lambda word: (-counts[word], word))[: size - 1]
    vocabulary = {word: id for id, word in enumerate([UNKNOWN, *common])}
    inner = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    inner.pre_tokenizer = splitter
    return inner


def _byte_pairs(texts: Iterator[str], size: int) -> tokenizers.Tokenizer:
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return inner
