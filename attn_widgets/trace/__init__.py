"""What every head looked at, as data: NumPy only, no torch."""

from attn_widgets.trace.additive import AdditiveRecord
from attn_widgets.trace.blocks import Block, Predictions
from attn_widgets.trace.dot_product import DotProductRecord
from attn_widgets.trace.find import HeadWeight
from attn_widgets.trace.many import Traces
from attn_widgets.trace.names import head_name, parse_head
from attn_widgets.trace.records import (
    MASKED,
    NOT_CAPTURED,
    VALUE,
    Part,
    Record,
    StackedRecord,
    WeightsRecord,
    causal_range,
)
from attn_widgets.trace.trace import AttentionTrace

__all__ = [
    "MASKED",
    "NOT_CAPTURED",
    "VALUE",
    "AdditiveRecord",
    "AttentionTrace",
    "Block",
    "DotProductRecord",
    "HeadWeight",
    "Part",
    "Predictions",
    "Record",
    "StackedRecord",
    "Traces",
    "WeightsRecord",
    "causal_range",
    "head_name",
    "parse_head",
]
