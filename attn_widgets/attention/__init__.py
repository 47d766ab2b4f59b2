"""One mechanism a file, all behind one signature: ``(context, record)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attn_widgets.attention.masks import causal_mask, padding_mask
from attn_widgets.attention.record import DotRecord
from attn_widgets.attention.scaled_dot import scaled_dot

MECHANISMS: dict[str, Callable[..., Any]] = {"scaled_dot": scaled_dot}

__all__ = ["MECHANISMS", "DotRecord", "causal_mask", "padding_mask", "scaled_dot"]
