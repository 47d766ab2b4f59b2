"""The flow panel: the path of attention through the layers for one token, as a graph to step through."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import traitlets

from attn_widgets.panels import export, flow_figure
from attn_widgets.panels.base import STATIC, Answer, Checked, PanelError
from attn_widgets.panels.flows import HEADS, METHODS, Flows, Place, mixing_of
from attn_widgets.panels.stepping import SteppingPanel
from attn_widgets.trace.rollout import MOST_EDGES

WHOLE, AHEAD = 256 << 10, 0.25
"""Bytes of paths that are sent with the panel, and seconds in which they are computed."""

AHEAD_OF_EXPORT = 10.0

HEAVY = 1 << 26
"""Cells from which a path is not computed before it is asked for, and then layer by layer."""

NOTE_BYTES = 400
"""Kept free in an exported page for the line that says what was left out."""


class FlowAnswers:
    """What the page may ask about the path of a token; for any panel on a trace."""

    def __init__(self, panel: SteppingPanel, flows: Flows) -> None:
        self._panel, self._flows = panel, flows

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask.

        "flow" of a moment, layer, query, method and heads (with a head): the path, or of a long one the next layer
        `after` so many that the page has, counted from the top, so that others are answered between two layers.
        """
        return {"flow": self._answer_flow}

    def _answer_flow(self, content: dict[str, Any]) -> Answer:
        names = ["moment", "layer", "query"] + ["head"] * (content.get("heads") == "head")
        moment, layer, query, *head = self._panel._asked(content, *names)
        mixing = mixing_of(content.get("method"), content.get("heads"), head[0] if head else 0)
        place = Place(moment, layer, query, mixing)
        after = content.get("after", 0)
        if isinstance(after, bool) or not isinstance(after, int) or after < 0:
            raise PanelError(f"after must be a number of layers; given {str(after)[:40]!r}")
        if self._flows.cells(moment, layer, mixing) < HEAVY:
            return self._flows.whole(place, after)
        return self._flows.further(place, after)


class FlowPanel(SteppingPanel):
    """Follow one token from the top layer down: which tokens it draws on, through which.

    Columns are the inputs of the layers and the output of the last, rows are tokens, lines are attention, as wide
    as their share of what the token draws on. Layers of one kind are followed: of an encoder–decoder the
    encoder or the decoder, whichever `layer` belongs to.

    Parameters
    ----------
    trace
        What to show: an `AttentionTrace`, or raw weights as `AttentionTrace.from_arrays` takes them.
    query
        The token that is followed, as its position or text; the last one where none is given.
    method
        "rollout": half attention, half residual in each layer (Abnar & Zuidema 2020); "raw": attention alone.
    heads
        "mean" over a layer's heads, their "max", or one: the "head" with the number `head` in every layer.
    layer, head, key
        The layer stepped to, the head of "head", and a token that is marked.
    edges
        Lines drawn between two columns at most, 1 to 128, the widest.
    least
        Smallest share that is drawn as a line, 0 to 1.
    title, tokens, moments
        As in `SteppingPanel`.

    Raises
    ------
    ConfigError
        If there is no such method, layer, head, query or key, or a number is outside its range.
    """

    _esm = STATIC / "flow.js"

    page_traits: ClassVar[tuple[str, ...]] = (*SteppingPanel.page_traits, "method", "heads", "edges", "least")

    method = Checked("rollout").tag(sync=True)
    heads = Checked("mean").tag(sync=True)
    edges = Checked(24).tag(sync=True)
    least = Checked(0.001).tag(sync=True)
    _flows = traitlets.Bytes().tag(sync=True)

    def _content(self) -> dict[str, Any]:
        self._paths = Flows(self._frames)
        self._refusals = self._paths.refusals()
        return self._packed(self._place(last=True), WHOLE, AHEAD)

    def _packed(self, first: Place, room: int, seconds: float, *, live: bool = True, note: str = "") -> dict[str, Any]:
        """Describe the panel with the paths that fit; none where there is none, or where they take long."""
        sent: list[dict[str, Any]] = []
        data = b""
        possible = not self._refusals[first.moment][first.layer]
        if room and possible and (not live or self._paths.cells(first.moment, first.layer, first.mixing) < HEAVY):
            sent, data = self._paths.pack(self._paths.order(first), room, seconds)
        spec = self._describe(self._nothing_packed().frames, live=live, note=note)
        spec["flow"] = {"sent": sent, "refusals": self._refusals}
        return {"_spec": spec, "_flows": data}

    def _place(self, last: bool = False) -> Place:
        """Give the path on show; `last`: the one that a new panel of these traces starts with."""
        moment, layer = (self._frames.last, 0) if last else (self.moment, self.layer)
        rows = len(self._frames.block(moment, layer).query_tokens)
        query = None if last else self.query
        mixing = mixing_of("rollout", "mean", 0) if last else mixing_of(self.method, self.heads, self.head)
        return Place(moment, layer, rows - 1 if query is None else query, mixing)

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask."""
        return FlowAnswers(self, self._paths).answers()

    def check_trait(self, name: str, value: Any, others: Mapping[str, Any] | None = None) -> Any:
        """Return the value a trait takes, or raise `PanelError` naming what works."""
        choices = {"method": METHODS, "heads": HEADS}.get(name)
        if choices is not None:
            if not isinstance(value, str) or value not in choices:
                raise PanelError(f"{name} must be one of {', '.join(choices)}; given {str(value)[:40]!r}")
            return value
        if name == "edges":
            return _number(name, value, 1, MOST_EDGES, whole=True)
        if name == "least":
            return _number(name, value, 0, 1)
        return super().check_trait(name, value, others)

    def figure(self) -> str:
        """Draw the path on show as an SVG."""
        place = self._place()
        if refusal := self._refusals[place.moment][place.layer]:
            return flow_figure.refused(refusal)
        block = self._frames.block(place.moment, place.layer)
        look = flow_figure.Look(self.layer, self.edges, self.least, self.title)
        return flow_figure.drawn(block.key_tokens, self._paths.get(place), place.mixing, place.query, look)

    def provenance(self) -> dict[str, str | int | float]:
        """Say what `save` shows and where it comes from: the token that is followed, and what is chained."""
        place = self._place()
        return {**super().provenance(), "aggregation": flow_figure.way(place.mixing), "query": place.query}

    def snapshot(self) -> str:
        """Write static HTML: the path on show and a table of its shares; a line where that would take long."""
        place = self._place()
        refusal = self._refusals[place.moment][place.layer]
        if not refusal and self._paths.cells(place.moment, place.layer, place.mixing) >= HEAVY:
            refusal = "This text is long: its path is computed when the panel asks for it."
        if refusal:
            return flow_figure.html(flow_figure.refused(refusal), refusal, "", self._snapshot)
        tokens, path = self._frames.block(place.moment, place.layer).key_tokens, self._paths.get(place)
        alt = flow_figure.sentence(tokens, path, place.mixing, place.query)
        return flow_figure.html(self.figure(), alt, flow_figure.table(tokens, path), self._snapshot)

    def to_html(self, path: str | os.PathLike[str], *, budget: int = export.BUDGET) -> Path:
        """Write the panel as one offline page with the same interaction.

        Parameters
        ----------
        path
            Written whole or not at all.
        budget
            Largest size in bytes. The path on show is kept, then those of near tokens, then other methods and heads;
            what does not fit, or takes more than ten seconds, is left out, and the page says so.

        Raises
        ------
        ConfigError
            If the folder does not exist, or the budget does not hold one path.
        """
        first = self._place()
        fixed = len(self._written(self._packed(first, 0, 0, live=False))) + NOTE_BYTES
        room = (budget - fixed) * 3 // 4  # base64 makes four characters of three bytes
        content = self._packed(first, max(room, 0), AHEAD_OF_EXPORT, live=False)
        if self._refusals[first.moment][first.layer]:
            return export.write_page(path, self._written(content))
        kept, everything = len(content["_spec"]["flow"]["sent"]), sum(1 for _ in self._paths.order(first))
        if not kept:
            raise PanelError(f"budget={budget} does not hold one path; the page needs at least {fixed} bytes besides")
        if kept < everything:
            size = f"{budget / (1 << 20):.3g} MB"
            content["_spec"]["note"] = f"This page of at most {size} holds {kept} of {everything} paths."
        return export.write_page(path, self._written(content))

    def _written(self, content: dict[str, Any]) -> str:
        return self._page("flow.js", content["_spec"], {"_flows": content["_flows"]})


def _number(name: str, value: Any, low: int, high: int, *, whole: bool = False) -> float | int:
    """Check a number of a range."""
    fits = not isinstance(value, (bool, np.bool_)) and (
        hasattr(value, "__index__") if whole else isinstance(value, (int, float, np.integer, np.floating))
    )
    if not fits or not low <= value <= high:
        what = "a whole number" if whole else "a number"
        raise PanelError(f"{name} must be {what} from {low} to {high}; given {str(value)[:40]!r}")
    return int(value) if whole else float(value)
