"""The verbs as functions: `train`, `generate`, `view`, `compare`, `last_run`.

Each is imported on first use, and `train` has read its text before it loads torch: the first line
of a training, or of an error in what was asked for, need not wait for that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attn_widgets.api.comparing import compare
    from attn_widgets.api.demo import run_demo
    from attn_widgets.api.generating import generate
    from attn_widgets.api.state import last_run, newest
    from attn_widgets.api.training import train
    from attn_widgets.api.viewing import view

_HOMES = {
    "compare": "comparing",
    "generate": "generating",
    "last_run": "state",
    "newest": "state",
    "run_demo": "demo",
    "train": "training",
    "view": "viewing",
}

__all__ = ["compare", "generate", "last_run", "newest", "run_demo", "train", "view"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("generate", "view"):
        from attn_widgets.api.heavy import load_torch

        load_torch()
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
