"""Train an attention language model in a notebook, generate with it, and step through its heads.

``%load_ext attn_widgets`` adds ``%attn_train``, ``%attn_generate``, ``%attn_view`` and ``%attn_compare``. The
same verbs are functions: ``train``, ``generate``, ``view``, ``compare``. Names are imported on first use
(PEP 562), so importing this package loads neither torch nor ipywidgets.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from attn_widgets import threads

if TYPE_CHECKING:
    from attn_widgets.api import compare, generate, last_run, train, view
    from attn_widgets.comparison import Comparison
    from attn_widgets.errors import AttnError
    from attn_widgets.panels.compare import ComparePanel
    from attn_widgets.panels.cross import CrossPanel
    from attn_widgets.panels.explorer import Explorer
    from attn_widgets.panels.flow import FlowPanel
    from attn_widgets.panels.grid import GridPanel
    from attn_widgets.panels.heads import HeadPanel
    from attn_widgets.panels.querykey import QueryKeyPanel
    from attn_widgets.panels.training import TrainingPanel
    from attn_widgets.run import Generation, Run
    from attn_widgets.trace import AttentionTrace, Traces

__version__ = "0.1.0"

_HOMES = {
    "train": "attn_widgets.api",
    "generate": "attn_widgets.api",
    "view": "attn_widgets.api",
    "compare": "attn_widgets.api",
    "Comparison": "attn_widgets.comparison",
    "last_run": "attn_widgets.api",
    "Run": "attn_widgets.run",
    "Generation": "attn_widgets.run",
    "AttentionTrace": "attn_widgets.trace",
    "Traces": "attn_widgets.trace",
    "ComparePanel": "attn_widgets.panels.compare",
    "CrossPanel": "attn_widgets.panels.cross",
    "Explorer": "attn_widgets.panels.explorer",
    "FlowPanel": "attn_widgets.panels.flow",
    "GridPanel": "attn_widgets.panels.grid",
    "HeadPanel": "attn_widgets.panels.heads",
    "QueryKeyPanel": "attn_widgets.panels.querykey",
    "TrainingPanel": "attn_widgets.panels.training",
    "AttnError": "attn_widgets.errors",
}

__all__ = [
    "AttentionTrace",
    "AttnError",
    "ComparePanel",
    "Comparison",
    "CrossPanel",
    "Explorer",
    "FlowPanel",
    "Generation",
    "GridPanel",
    "HeadPanel",
    "QueryKeyPanel",
    "Run",
    "Traces",
    "TrainingPanel",
    "compare",
    "generate",
    "last_run",
    "train",
    "view",
]

threads.wait_passively()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'attn_widgets' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics; called by ``%load_ext attn_widgets``."""
    from attn_widgets.magics import register

    register(ipython)
