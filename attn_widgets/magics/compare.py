"""``%attn_compare [TASKS] [flags]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_widgets.magics.line import Call

if TYPE_CHECKING:
    from attn_widgets.comparison import Comparison


def run(call: Call) -> Comparison:
    """Compare the models on the tasks that the line names."""
    from attn_widgets import api  # not on top: it loads NumPy and the tokenizers

    found: Comparison = api.compare([str(word) for word in call.words], **call.options)
    return found
