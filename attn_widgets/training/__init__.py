"""Training: a model and token ids in, a trained model with checkpoints and a history out."""

from __future__ import annotations

from attn_widgets.training.checkpoint import load_weights
from attn_widgets.training.course import fit
from attn_widgets.training.lock import RunLock, is_main_process

__all__ = ["RunLock", "fit", "is_main_process", "load_weights"]
