"""What an encoder, which writes no text, makes of a corpus: hidden tokens to fill in, or classes to tell."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.text.corpus import Corpus
from attn_widgets.text.tokenizers import Kind, Tokenizer

MASK = "‹mask›"
"""Stands where a token is hidden."""
CLASS = "‹class›"
"""Names the row of a trace that asks for the class."""
WRITTEN = re.compile(r"‹mask›|<mask>|\[MASK\]")
"""What a person may write for `MASK`."""


def for_encoder(corpus: Corpus, config: ModelConfig, kind: Kind) -> Corpus:
    """Check that an encoder can learn from a corpus, and hide the last token of what it is asked at first.

    Parameters
    ----------
    corpus, config
        What is to be learnt, and by which model.
    kind
        What a token is.

    Raises
    ------
    ConfigError
        For a task whose answers are not a few classes, or an option that its kind of task does not have.
    """
    if corpus.task is not None and not corpus.labels:
        raise ConfigError(
            f"--model encoder writes no answers, and {corpus.name} asks for them; it can learn classify, or fill "
            "hidden tokens of a text such as sentences; for answers try --model encoder_decoder"
        )
    if corpus.labels:
        return corpus
    if config.lengths == "convolve":
        raise ConfigError("--lengths convolve joins tokens, and a text has each hidden one told; try --lengths slide")
    cut = max(0, len(corpus.prompt) - 1) if kind == "char" else corpus.prompt.rfind(" ") + 1
    # Neither the grammar's floor nor its skills are of hidden tokens.
    return replace(corpus, prompt=corpus.prompt[:cut] + MASK, floor=None, grammar=None)


def masked_ids(tokenizer: Tokenizer, text: str, mask_id: int) -> np.ndarray:
    """Ids of a text with hidden tokens, int64, behind the start token where there is one.

    A BPE token brings the space before it: one before a hidden token is part of what is hidden.
    """
    pieces = WRITTEN.split(text)
    if tokenizer.kind == "bpe":
        pieces = [piece.removesuffix(" ") for piece in pieces[:-1]] + pieces[-1:]
    parts = [tokenizer.encode_prompt(pieces[0])]
    for piece in pieces[1:]:
        parts += [np.array([mask_id]), tokenizer.encode(piece)]
    return np.concatenate(parts).astype(np.int64)


def without_masks(text: str) -> str:
    """Return what a tokenizer has to know of a text with hidden tokens."""
    return WRITTEN.sub(" ", text)
