"""The verbs as functions: `train`, `generate`, `view`, `last_run`. Loads torch."""

from attn_widgets.api.demo import run_demo
from attn_widgets.api.generating import generate
from attn_widgets.api.state import last_run, newest
from attn_widgets.api.training import train
from attn_widgets.api.viewing import view

__all__ = ["generate", "last_run", "newest", "run_demo", "train", "view"]
