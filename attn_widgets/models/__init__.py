"""What attention is built into, and what stood before it."""

from __future__ import annotations

from typing import Any

from attn_widgets.config import ModelConfig
from attn_widgets.models.base import ModelOutput
from attn_widgets.models.cache import KeyValueCache
from attn_widgets.models.convert import from_gpt2, from_llama
from attn_widgets.models.convseq2seq import ConvSeq2Seq
from attn_widgets.models.encoder import Encoder
from attn_widgets.models.encoder_decoder import EncoderDecoder
from attn_widgets.models.ngram import NGram
from attn_widgets.models.pooling import Classifier
from attn_widgets.models.recurrent import Recurrent
from attn_widgets.models.seq2seq import Seq2Seq
from attn_widgets.models.transformer import Transformer

LanguageModel = Transformer | Recurrent | NGram
"""Continues a text."""

PairModel = Seq2Seq | EncoderDecoder | ConvSeq2Seq
"""Reads a source and writes a target."""

EncoderModel = Encoder | Classifier
"""Reads a text from both sides and writes none."""

MODELS: dict[str, Any] = {
    "transformer": Transformer,
    "encoder": Encoder,
    "encoder_decoder": EncoderDecoder,
    "recurrent": Recurrent,
    "seq2seq": Seq2Seq,
    "convseq2seq": ConvSeq2Seq,
    "ngram": NGram,
}


def make_model(config: ModelConfig, vocab_size: int, classes: int = 0) -> Any:
    """Build the model that a configuration describes, its weights drawn from torch's generator.

    Parameters
    ----------
    config
        Shape and options.
    vocab_size
        Number of token ids.
    classes
        Number of classes that the texts have; an encoder tells them where there are any.

    Raises
    ------
    ConfigError
        For a mechanism that is not known here, or an option that the model does not have.
    """
    if config.model == "encoder" and classes:
        return Classifier(config, vocab_size, classes)
    return MODELS[config.model](config, vocab_size)


__all__ = [
    "MODELS",
    "Classifier",
    "ConvSeq2Seq",
    "Encoder",
    "EncoderDecoder",
    "EncoderModel",
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
    "make_model",
]
