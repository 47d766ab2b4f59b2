"""The options of a run: the one source of the Python API, the magics' flags and the help.

Each field is one documented option. ``flags`` turns these dataclasses into command-line
flags (``kv_heads`` is ``--kv-heads``); ``train(kv_heads=2)`` takes the same names. Choices
are ``Literal`` types. ``common=True`` puts an option into the short help.
"""

from __future__ import annotations

from attn_widgets.config.fields import check_bounds, flag_name, option
from attn_widgets.config.generation import GenerateConfig, SourceConfig, ViewConfig
from attn_widgets.config.model import DENSE, MECHANISMS_OF, READS_PAIRS, ROTATES, WIDER, ModelConfig
from attn_widgets.config.training import CompareConfig, SearchConfig, StoreConfig, TrainConfig

__all__ = [
    "DENSE",
    "MECHANISMS_OF",
    "READS_PAIRS",
    "ROTATES",
    "WIDER",
    "CompareConfig",
    "GenerateConfig",
    "ModelConfig",
    "SearchConfig",
    "SourceConfig",
    "StoreConfig",
    "TrainConfig",
    "ViewConfig",
    "check_bounds",
    "flag_name",
    "option",
]
