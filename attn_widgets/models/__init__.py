"""What attention is built into."""

from __future__ import annotations

from attn_widgets.models.cache import KeyValueCache
from attn_widgets.models.convert import from_gpt2, from_llama
from attn_widgets.models.transformer import ModelOutput, Transformer

MODELS = {"transformer": Transformer}

__all__ = ["MODELS", "KeyValueCache", "ModelOutput", "Transformer", "from_gpt2", "from_llama"]
