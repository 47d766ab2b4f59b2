"""``%attn_view [TEXT] [flags]``: the head panel, displayed because it is the value of its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_widgets.magics.line import Call

if TYPE_CHECKING:
    from attn_widgets.panels.explorer import Explorer


def run(call: Call) -> Explorer:
    """Make the panel on a text or on the last generation."""
    from attn_widgets import api  # not on top: it loads torch

    panel: Explorer = api.view(call.text(), **call.options)
    return panel
