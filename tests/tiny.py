"""Options of a model so small that training it takes a moment, for the tests of the verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from attn_widgets.run import Run

TINY: dict[str, Any] = {
    "steps": 3, "layers": 1, "heads": 2, "dim": 16, "context": 16, "batch": 4, "validation_tokens": 200,
    "mixed_precision": "no",
}  # fmt: skip

FLAGS = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in TINY.items())
"""The same on a line."""

TEXT = "the cat sat on the mat and the dog sat on the log. " * 60

STEADY: dict[str, Any] = {"warmup": 0, "decay": 0.0, "validate_every": 1}
"""A schedule that does not depend on the number of steps."""


def quick(**options: Any) -> Run:
    """Train on a text in memory."""
    from attn_widgets import api  # not on top: conftest has to come first

    return api.train(text=TEXT, show=False, **{**TINY, **options})


def refused(error: type[Exception], **options: Any) -> str:
    """The one line that a training is refused with."""
    with pytest.raises(error) as caught:
        quick(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
