"""From models to traces: what torch computed becomes NumPy data that needs no model."""

from attn_widgets.capture.ablation import Ablation, compare_ablation
from attn_widgets.capture.classes import class_trace
from attn_widgets.capture.pairs import Pair, compare_pair_ablation, pair_trace
from attn_widgets.capture.reading import model_hash
from attn_widgets.capture.segments import Segment, generation_trace
from attn_widgets.capture.trace import capture_trace

__all__ = [
    "Ablation",
    "Pair",
    "Segment",
    "capture_trace",
    "class_trace",
    "compare_ablation",
    "compare_pair_ablation",
    "generation_trace",
    "model_hash",
    "pair_trace",
]
