"""Options of a model so small that training it takes a moment, for the tests of the verbs."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {
    "steps": 3, "layers": 1, "heads": 2, "dim": 16, "context": 16, "batch": 4, "validation_tokens": 200,
    "mixed_precision": "no",
}  # fmt: skip

FLAGS = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in TINY.items())
"""The same on a line."""

TEXT = "the cat sat on the mat and the dog sat on the log. " * 60
