"""What panels on a trace share: where they stand in it, what may be set, and how they are written as a page."""

from __future__ import annotations

import operator
import os
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import traitlets

from attn_widgets.panels import export, figures, saving, wire
from attn_widgets.panels.base import Checked, Panel, PanelError
from attn_widgets.panels.frames import Frames, Packed
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.find import position


class SteppingPanel(saving.Saved, Panel):
    """A panel that stands at a layer, a head and perhaps a query and a key of a trace.

    Its traits have the same names in every panel, so that panels can be linked
    (``traitlets.link``, ``ipywidgets.jslink``) and their views composed over one model.

    Parameters
    ----------
    trace
        What to show: an `AttentionTrace`, or raw weights as `AttentionTrace.from_arrays` takes them.
    title
        Shown above the panel, for example the text.
    tokens, key_tokens
        Of raw weights.
    moments
        Pairs (step, trace) from training, in front of the trace.
    **traits
        Where to start; a query or key may be given as its token.
    """

    page_traits: ClassVar[tuple[str, ...]] = ("moment", "layer", "head", "query", "key", "mean", "locked")
    flags: ClassVar[tuple[str, ...]] = ("mean", "locked")
    """Traits that are True or False."""

    layer = Checked(0).tag(sync=True)
    head = Checked(0).tag(sync=True)
    query = Checked(None, allow_none=True).tag(sync=True)
    key = Checked(None, allow_none=True).tag(sync=True)
    moment = Checked(0).tag(sync=True)
    mean = Checked(False).tag(sync=True)
    locked = Checked(False).tag(sync=True)
    _spec = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        trace: AttentionTrace | Any,
        *,
        title: str = "",
        tokens: Sequence[str] | None = None,
        key_tokens: Sequence[str] | None = None,
        moments: Sequence[tuple[int, AttentionTrace]] = (),
        **traits: Any,
    ) -> None:
        if not isinstance(trace, AttentionTrace):
            trace = AttentionTrace.from_arrays(trace, tokens=tokens, key_tokens=key_tokens)
        if not isinstance(title, str):
            raise PanelError(f"title must be text; given {reprlib.repr(title)}")
        self.trace = trace
        self.title = title
        self._frames = Frames.join(trace, moments)
        layer = traits.get("layer", 0)  # one that does not exist is refused below
        block = trace.blocks[layer] if isinstance(layer, int) and 0 <= layer < trace.layers else trace.blocks[0]
        for name, along in (("query", block.query_tokens), ("key", block.key_tokens)):
            if isinstance(traits.get(name), str):
                traits[name] = position(along, traits[name], name)
        traits.setdefault("moment", self._frames.last)
        traits.setdefault("locked", traits.get("query") is not None)
        # The layer first: which heads, rows and columns exist depends on it.
        ordered = {name: traits.pop(name) for name in self.page_traits if name in traits}
        super().__init__(**ordered, **traits)

    def _content(self) -> dict[str, Any]:
        """Give what the live view is sent when it is made, by trait: `_spec`, and bytes where a panel has some."""
        return {"_spec": self._describe(self._nothing_packed().frames, live=True)}

    def _describe(self, frames: list[dict[str, Any]], *, live: bool, note: str = "") -> dict[str, Any]:
        """Describe the panel to the front end; `live` where a kernel can be asked."""
        about = [saving.origin(trace) for trace in self._frames.traces]
        title = wire.visible_line(self.title)
        return {"title": title, "frames": frames, "about": about, "live": live, "note": note}

    def _nothing_packed(self) -> Packed:
        """Describe the frames without any weights."""
        return self._frames.pack([[] for _ in self._frames.traces])

    def check_trait(self, name: str, value: Any, others: Mapping[str, Any] | None = None) -> Any:
        """Return the value a trait takes, or raise `PanelError` naming what exists."""
        if name in self.flags:
            if not isinstance(value, (bool, np.bool_)):
                raise PanelError(f"{name} must be True or False; given {str(value)[:40]!r}")
            return bool(value)
        if value is None and name in ("query", "key"):
            return None
        at = {"moment": self._frames.last, "layer": 0, **self._trait_values, **(others or {})}
        size = self._frames.size(name, at)
        try:
            if value is None or isinstance(value, (bool, np.bool_)):
                raise TypeError
            number = operator.index(value)
        except TypeError:
            raise PanelError(f"{name} must be a whole number from 0 to {size - 1}; given {str(value)[:40]!r}") from None
        if not 0 <= number < size:
            raise PanelError(f"{name}={str(number)[:20]} does not exist; there are {size}: 0 to {size - 1}")
        return number

    @traitlets.observe("layer", "moment")
    def _clamp(self, _change: Any) -> None:
        """Keep head, query and key within the layer and moment that were stepped to."""
        at = {"moment": self.moment, "layer": self.layer}
        self.head = min(self.head, self._frames.size("head", at) - 1)
        for name in ("query", "key"):
            position = getattr(self, name)
            if position is not None and position >= self._frames.size(name, at):
                setattr(self, name, None)
        self.locked = self.locked and self.query is not None

    def _asked(self, content: Mapping[str, Any], *names: str) -> list[int]:
        """Positions named in a request, checked against each other."""
        at: dict[str, int] = {}
        for name in ("moment", "layer"):
            if name in content:
                at[name] = self.check_trait(name, content[name], at)
        asked = [self.check_trait(name, content.get(name), at) for name in names]
        if None in asked:
            raise PanelError(f"a request needs {', '.join(names)}")
        return asked

    def _page(self, module: str, spec: dict[str, Any], buffers: Mapping[str, bytes]) -> str:
        """Write the panel as one page; `spec` and `buffers` are what its live view gets in traits."""
        traits = {name: getattr(self, name) for name in self.page_traits}
        traits |= {"_spec": spec, "_snapshot": ""}
        return export.page(module, traits, dict(buffers), self.title or repr(self))

    def to_html(self, path: str | os.PathLike[str], *, budget: int = export.BUDGET) -> Path:
        """Write the panel as one offline page with the same interaction.

        Parameters
        ----------
        path
            Written whole or not at all.
        budget
            Largest size in bytes; what is beyond it is left out, and the page says so.

        Raises
        ------
        ConfigError
            If the folder does not exist, or the budget is too small.
        """
        raise NotImplementedError

    def figure(self) -> str:
        """Draw what `save` writes, as one SVG on a light ground: the head or the mean on show, alone."""
        head = None if self.mean else self.head
        return figures.head_figure(self._frames.traces[self.moment], self.layer, head, self.title)

    def provenance(self) -> dict[str, str | int | float]:
        """Say what is on show and where it comes from: panel, model's hash, run, text, layer, head, version."""
        shown: dict[str, str | int | float] = {"panel": type(self).__name__, "title": wire.visible_line(self.title)}
        head = {"aggregation": "mean of heads"} if self.mean else {"head": self.head, "aggregation": "one head"}
        return {**shown, **saving.origin(self._frames.traces[self.moment]), "layer": self.layer, **head}

    def __repr__(self) -> str:
        trace = self.trace
        heads = trace.heads if isinstance(trace.heads, int) else list(trace.heads)
        return f"{type(self).__name__}(layers={trace.layers}, heads={heads}, tokens={len(trace.tokens)})"
