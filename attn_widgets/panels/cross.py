"""The cross panel: the head panel for an encoder–decoder, with its three kinds of attention as tabs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets

from attn_widgets.panels.base import STATIC, Checked, PanelError
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.trace import AttentionTrace


class CrossPanel(HeadPanel):
    """Step through the heads of an encoder–decoder: encoder, decoder and cross attention as tabs.

    A `HeadPanel` in all else. Layers count through all kinds, in the order in which the model calls them.

    Parameters
    ----------
    trace
        Of a model with several kinds of attention.
    kind
        Which one to start with: ``"encoder"``, ``"decoder"`` or ``"cross"``; a two-way trait that follows `layer`.
        Setting it goes to where one was in that kind, at first to its first layer.
    **options
        As of `HeadPanel`.

    Raises
    ------
    ConfigError
        If the trace has only one kind, or there is no such kind, layer, head, query or key.
    """

    _esm = STATIC / "cross.js"

    kind = Checked("").tag(sync=True)

    def __init__(self, trace: AttentionTrace, *, kind: str | None = None, **options: Any) -> None:
        if not isinstance(trace, AttentionTrace):
            raise PanelError(
                "a CrossPanel needs a trace with several kinds of attention; use HeadPanel for raw weights"
            )
        self._kinds = [block.kind for block in trace.blocks]
        if len(set(self._kinds)) < 2:
            raise PanelError(f"this trace has {self._kinds[0]} attention alone; use HeadPanel")
        self._left_at: dict[str, int] = {}
        if kind is not None:
            options.setdefault("layer", self._kinds.index(self.check_trait("kind", kind)))
        layer = options.get("layer", 0)
        inside = isinstance(layer, int) and 0 <= layer < len(self._kinds)
        here = self._kinds[layer] if inside else self._kinds[0]  # another one is refused a moment later
        if kind is not None and inside and kind != here:
            raise PanelError(f"layer {layer} is {here} attention, not {kind}; give one of the two")
        super().__init__(trace, **options, kind=here)

    def check_trait(self, name: str, value: Any, others: Mapping[str, Any] | None = None) -> Any:
        """Return the value a trait takes, or raise `PanelError` naming what exists."""
        if name != "kind":
            return super().check_trait(name, value, others)
        if value not in self._kinds:
            listed = ", ".join(repr(kind) for kind in dict.fromkeys(self._kinds))
            raise PanelError(f"kind must be one of {listed}; given {str(value)[:40]!r}")
        return value

    @traitlets.observe("layer")
    def _follow_layer(self, change: Any) -> None:
        self._left_at[self._kinds[self.layer]] = self.layer
        self.kind = self._kinds[self.layer]

    @traitlets.observe("kind")
    def _follow_kind(self, _change: Any) -> None:
        if self._kinds[self.layer] != self.kind:
            self.layer = self._left_at.get(self.kind, self._kinds.index(self.kind))

    def _page(self, module: str, spec: dict[str, Any], buffers: Mapping[str, bytes]) -> str:
        return super()._page("cross.js", spec, buffers)
