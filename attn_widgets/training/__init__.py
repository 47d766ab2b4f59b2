"""Training: a model and token ids in, a trained model with checkpoints and a history out.

Imported on first use, for a lock needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attn_widgets.training.checkpoint import load_weights
    from attn_widgets.training.counting import count_run
    from attn_widgets.training.course import fit
    from attn_widgets.training.lock import RunLock, is_main_process

_HOMES = {
    "count_run": "counting",
    "fit": "course",
    "load_weights": "checkpoint",
    "RunLock": "lock",
    "is_main_process": "lock",
}

__all__ = ["RunLock", "count_run", "fit", "is_main_process", "load_weights"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
