"""``%attn_view [TEXT] [flags]``: the head panel, displayed because it is the value of its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_widgets.magics.line import Call

if TYPE_CHECKING:
    from attn_widgets.panels.heads import HeadPanel


def run(call: Call) -> HeadPanel:
    """Make the panel on a text or on the last generation."""
    from attn_widgets import api  # not on top: it loads torch

    panel: HeadPanel = api.view(call.text(), **call.options)
    return panel
