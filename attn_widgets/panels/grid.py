"""The grid panel: all heads of all layers at once, as thumbnails of their weights or as colours of a metric."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import traitlets

from attn_widgets.panels import export, grid_figure, svg
from attn_widgets.panels.base import STATIC, Answer, Checked, PanelError
from attn_widgets.panels.frames import Packed
from attn_widgets.panels.stepping import SteppingPanel
from attn_widgets.panels.thumbnails import Overview, Sent
from attn_widgets.trace.head_metrics import METRICS

COLOURS = ("weights", *METRICS, "found")
"""What `metric` may be."""

ORDERS = ("layer", *METRICS, "found")
"""What `order` may be."""

AHEAD = 0.25
"""For this many seconds thumbnails are computed before the panel is shown; the rest come layer by layer."""

WHOLE = 300 << 10
"""Thumbnails, and weights, up to this many bytes are sent with the panel."""

NOTE_BYTES = 400
"""Kept free in an exported page for the line that says what was left out."""


CHOICES = {"metric": COLOURS, "order": ORDERS}


def check_choice(name: str, value: Any) -> str:
    """Return what colours or sorts a grid, or raise `PanelError` naming what exists."""
    if not isinstance(value, str) or value not in CHOICES[name]:
        raise PanelError(f"{name} must be one of {', '.join(CHOICES[name])}; given {str(value)[:40]!r}")
    return value


class GridAnswers:
    """What the page may ask about all heads of a layer; for a panel that mixes several views' answers."""

    def __init__(self, panel: SteppingPanel, overview: Overview) -> None:
        self._panel, self.overview = panel, overview

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name the requests: thumbnails with metrics of a layer, its weights on one cell."""
        return {"thumbnails": self._thumbnails, "found": self._found}

    def _thumbnails(self, content: dict[str, Any]) -> Answer:
        return self.overview.thumbnails(*self._piece(content))

    def _found(self, content: dict[str, Any]) -> Answer:
        return self.overview.found(*self._panel._asked(content, "moment", "layer", "query", "key"))

    def _piece(self, content: dict[str, Any]) -> list[int]:
        """Moment, layer and the first head asked for."""
        first = {"head": content.get("first", 0)}
        return self._panel._asked({**content, **first}, "moment", "layer", "head")


class GridPanel(SteppingPanel):
    """See all heads of all layers at once, and step to one.

    Parameters
    ----------
    trace
        What to show: an `AttentionTrace`, or raw weights as `AttentionTrace.from_arrays` takes them.
    metric
        What colours a head: "weights" (a thumbnail, each point the maximum of some weights), a metric of
        `attn_widgets.trace.head_metrics` ("entropy", "distance", "previous_token", "induction", "sink"), or
        "found": its weight of `query` on `key`.
    order
        "layer": a layer a row; or all heads sorted by a metric or by "found", the largest first.
    layer, head, query, key
        Where to start, counted from zero; a query or key may be given as its token. All are two-way traits: link
        them with those of a `HeadPanel`, and a click on a head shows it there.
    moments
        Up to 8 pairs (step, trace) from training.
    title
        Shown above the panel, for example the text.
    tokens, key_tokens
        Of raw weights.

    Raises
    ------
    ConfigError
        If there is no such metric, order, layer, head, query, key or moment.
    """

    _esm = STATIC / "grid.js"

    page_traits: ClassVar[tuple[str, ...]] = (*SteppingPanel.page_traits, "metric", "order")

    metric = Checked("weights").tag(sync=True)
    order = Checked("layer").tag(sync=True)
    _thumbnails = traitlets.Bytes().tag(sync=True)
    _metrics = traitlets.Bytes().tag(sync=True)
    _weights = traitlets.Bytes().tag(sync=True)
    _states = traitlets.Bytes().tag(sync=True)

    @cached_property
    def _overview(self) -> Overview:
        return Overview(self._frames)

    def _content(self) -> dict[str, Any]:
        self._overview.compute_ahead(AHEAD, WHOLE)
        everything = self._frames.everything()
        packed = self._frames.pack(everything if self._frames.nbytes <= WHOLE else [[] for _ in everything])
        sent = self._overview.pack(self._overview.ready())
        return {"_spec": {**self._describe(packed.frames, live=True), "grid": sent.spec(self._frames)}} | _bytes(
            sent, packed
        )

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask (`GridAnswers`)."""
        return GridAnswers(self, self._overview).answers()

    def check_trait(self, name: str, value: Any, others: Mapping[str, Any] | None = None) -> Any:
        """Return the value a trait takes, or raise `PanelError` naming what exists."""
        return check_choice(name, value) if name in CHOICES else super().check_trait(name, value, others)

    def figure(self) -> str:
        """Draw all heads as one SVG, on a light ground; what was not computed yet is computed."""
        return self._drawn(range(len(self.trace.blocks)))

    def snapshot(self) -> str:
        """Write static HTML: the heads computed so far, and a table of their metrics."""
        ready = self._overview.ready()[self.moment]
        arranged = "a layer a row" if self.order == "layer" else f"sorted by {self.order}"
        picture = svg.image_tag(self._drawn(ready), f"{self.metric} of all heads, {arranged}")
        table = grid_figure.table(self._overview, ready, self._at(), self.order)
        return f'<figure id="{self._snapshot}" style="margin:0">{picture}{table}</figure>'

    def provenance(self) -> dict[str, str | int | float]:
        """Say what is on show and where it comes from, with what colours and sorts the heads."""
        return {**super().provenance(), "metric": self.metric, "order": self.order}

    def _at(self) -> grid_figure.At:
        return grid_figure.At(self.moment, self.layer, None if self.mean else self.head, self.query, self.key)

    def _drawn(self, layers: Sequence[int]) -> str:
        return grid_figure.draw(self._overview, layers, self._at(), self.metric, self.order, self.title)

    def to_html(self, path: str | os.PathLike[str], *, budget: int = export.BUDGET) -> Path:
        """Write the panel as one offline page with the same interaction.

        Parameters
        ----------
        path
            Written whole or not at all.
        budget
            Largest size in bytes. Layers and moments beyond it are left out, and the page says so; weights, of which
            only find-the-head has need, come last.

        Raises
        ------
        ConfigError
            If the folder does not exist, or the budget does not hold the thumbnails of one layer.
        """
        nothing: list[list[int]] = [[] for _ in self._frames.traces]
        fixed = len(self._written(nothing, nothing, "")) + NOTE_BYTES
        room = (budget - fixed) * 3 // 4  # base64 makes four characters of three bytes
        layers = self._within(room)
        if not any(layers):
            least = fixed + self._overview.nbytes(self._frames.last, self.layer) * 4 // 3
            raise PanelError(f"budget={budget} does not hold one layer; the page needs at least {least} bytes")
        room -= sum(self._overview.nbytes(moment, n) for moment, numbers in enumerate(layers) for n in numbers)
        heads = self._frames.everything() if self._frames.nbytes * 5 // 4 <= room else nothing
        return export.write_page(path, self._written(layers, heads, self._left_out(layers, heads, budget)))

    def _within(self, room: int) -> list[list[int]]:
        """Layers whose thumbnails fit: the one on show, the others, then earlier moments, the newest first.

        An earlier moment is kept whole or not at all.
        """
        last = self._frames.last
        chosen: list[list[int]] = [[] for _ in self._frames.traces]
        everything = range(len(self.trace.blocks))
        for layer in sorted(everything, key=lambda n: (n != self.layer, n)):
            room -= self._overview.nbytes(last, layer)
            if room < 0:
                break
            chosen[last].append(layer)
        chosen[last].sort()
        for moment in reversed(range(last)):
            room -= sum(self._overview.nbytes(moment, layer) for layer in everything)
            if room < 0:
                break
            chosen[moment] = list(everything)
        return chosen

    def _written(self, layers: Sequence[Sequence[int]], heads: Sequence[Sequence[int]], note: str) -> str:
        packed, sent = self._frames.pack(heads), self._overview.pack(layers)
        spec = {**self._describe(packed.frames, live=False, note=note), "grid": sent.spec(self._frames)}
        return self._page("grid.js", spec, _bytes(sent, packed))

    def _left_out(self, layers: Sequence[Sequence[int]], heads: Sequence[Sequence[int]], budget: int) -> str:
        """One line that says what a page does without."""
        everything = len(self.trace.blocks)
        lost, moments = everything - len(layers[-1]), sum(not kept for kept in layers[:-1])
        parts = [f"{lost} of {everything} layers"] if lost else []
        parts += [f"{moments} of {len(layers) - 1} moments"] if moments else []
        if [len(kept) for kept in heads] != [len(all_) for all_ in self._frames.everything()]:
            parts.append("the weights that find-the-head needs")
        if not parts:
            return ""
        return f"Left out to keep this page under {budget / (1 << 20):.3g} MB: {', '.join(parts)}."


def _bytes(sent: Sent, packed: Packed) -> dict[str, bytes]:
    """Everything that is sent as bytes, by trait."""
    return {
        "_thumbnails": sent.thumbnails,
        "_metrics": sent.metrics,
        "_weights": packed.weights,
        "_states": packed.states,
    }
