"""What attention is built into, and what stood before it."""

from __future__ import annotations

from typing import Any

from attn_widgets.models.cache import KeyValueCache
from attn_widgets.models.convert import from_gpt2, from_llama
from attn_widgets.models.convseq2seq import ConvSeq2Seq
from attn_widgets.models.encoder_decoder import EncoderDecoder
from attn_widgets.models.ngram import NGram
from attn_widgets.models.recurrent import Recurrent
from attn_widgets.models.seq2seq import Seq2Seq
from attn_widgets.models.transformer import ModelOutput, Transformer

LanguageModel = Transformer | Recurrent | NGram
"""Continues a text."""

PairModel = Seq2Seq | EncoderDecoder | ConvSeq2Seq
"""Reads a source and writes a target."""

MODELS: dict[str, Any] = {
    "transformer": Transformer,
    "encoder_decoder": EncoderDecoder,
    "recurrent": Recurrent,
    "seq2seq": Seq2Seq,
    "convseq2seq": ConvSeq2Seq,
    "ngram": NGram,
}

__all__ = [
    "MODELS",
    "ConvSeq2Seq",
    "EncoderDecoder",
    "KeyValueCache",
    "LanguageModel",
    "ModelOutput",
    "NGram",
    "PairModel",
    "Recurrent",
    "Seq2Seq",
    "Transformer",
    "from_gpt2",
    "from_llama",
]
