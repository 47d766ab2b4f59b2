"""From models to traces: what torch computed becomes NumPy data that needs no model."""

from attn_widgets.capture.ablation import Ablation, compare_ablation
from attn_widgets.capture.reading import model_hash
from attn_widgets.capture.segments import Segment, generation_trace
from attn_widgets.capture.trace import capture_trace

__all__ = ["Ablation", "Segment", "capture_trace", "compare_ablation", "generation_trace", "model_hash"]
