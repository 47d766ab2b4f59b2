"""The query and key panel: how one weight comes about, from two vectors over score, scale and mask to the softmax."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import traitlets

from attn_widgets.panels import export, querykey_figure, vectors
from attn_widgets.panels.base import STATIC, Answer, Checked, PanelError
from attn_widgets.panels.stepping import SteppingPanel

WHOLE = 1 << 20
"""Vectors up to this many bytes are sent whole; of larger traces a pair at a time."""

NOTE_BYTES = 400
"""Kept free in an exported page for the line that says what was left out."""


class QueryKeyAnswers:
    """What the page may ask about a pair of a query and a key; for any panel on a trace."""

    def __init__(self, panel: SteppingPanel) -> None:
        self._panel = panel

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask: "vectors" of a moment, layer, head, query and (or the strongest) key."""
        return {"vectors": self._answer_vectors}

    def _answer_vectors(self, content: dict[str, Any]) -> Answer:
        names = ["moment", "layer", "head", "query"] + ["key"] * (content.get("key") is not None)
        moment, layer, head, query, *key = self._panel._asked(content, *names)
        return vectors.pair(self._panel._frames.block(moment, layer), head, query, key[0] if key else None)


class QueryKeyPanel(SteppingPanel):
    """Follow one weight: query, key, their product, score, scale, mask and softmax; and its whole row.

    Works on any trace. Where a layer kept only its weights, score and vectors are missing, and the
    panel says why. The mean over heads has no vectors: the panel stays on the head.

    Parameters
    ----------
    trace
        What to show: an `AttentionTrace`, or raw weights as `AttentionTrace.from_arrays` takes them.
    layer, head, query, key
        Where to start, counted from zero; a query or key may be given as its token. The last row where no
        query is given, and the key with the largest weight where no key is.
    by_weight
        Sort the keys of the row by weight.
    title, tokens, key_tokens, moments
        As in `SteppingPanel`.

    Raises
    ------
    ConfigError
        If there is no such layer, head, query or key.
    """

    _esm = STATIC / "querykey.js"

    page_traits: ClassVar[tuple[str, ...]] = (*SteppingPanel.page_traits, "by_weight")
    flags: ClassVar[tuple[str, ...]] = (*SteppingPanel.flags, "by_weight")

    by_weight = Checked(False).tag(sync=True)
    _vectors = traitlets.Bytes().tag(sync=True)

    def _content(self) -> dict[str, Any]:
        everything = vectors.nearest(self._frames, self._frames.last, 0, 0)
        spec, data = vectors.pack(self._frames, everything, WHOLE)
        if len(spec["heads"]) < len(everything):
            spec, data = vectors.pack(self._frames, [], 0)
        return {"_spec": self._specified(spec, live=True), "_vectors": data}

    def _specified(self, packed: dict[str, Any], *, live: bool, note: str = "") -> dict[str, Any]:
        return {**self._describe(self._nothing_packed().frames, live=live, note=note), "vectors": packed}

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask."""
        return QueryKeyAnswers(self).answers()

    def _at(self) -> tuple[int, int, int]:
        """Head, row and key on show."""
        record = self._frames.block(self.moment, self.layer).record
        row = record.queries - 1 if self.query is None else self.query
        if self.key is not None:
            return self.head, row, self.key
        return self.head, row, vectors.strongest(record.weights(self.head, row)[0], record.states(self.head, row)[0])

    def figure(self) -> str:
        """Write the pair on show as an SVG."""
        block = self._frames.block(self.moment, self.layer)
        return querykey_figure.drawn(block, *self._at(), self.title, self.by_weight)

    def provenance(self) -> dict[str, str | int | float]:
        """Say what `save` shows and where it comes from: the pair of one head, also where `mean` is set."""
        head, query, key = self._at()
        return {**super().provenance(), "head": head, "aggregation": "one head", "query": query, "key": key}

    def snapshot(self) -> str:
        """Write static HTML: the pair on show and its row, and a table of the row."""
        block = self._frames.block(self.moment, self.layer)
        return querykey_figure.html(block, *self._at(), self._snapshot, self.figure())

    def to_html(self, path: str | os.PathLike[str], *, budget: int = export.BUDGET) -> Path:
        """Write the panel as one offline page with the same interaction.

        Parameters
        ----------
        path
            Written whole or not at all.
        budget
            Largest size in bytes; the head on show is kept before the others of its layer, and these before other
            layers and moments. The page says what was left out.

        Raises
        ------
        ConfigError
            If the folder does not exist, or the budget does not hold one head.
        """
        fixed = len(self._written({}, b"", "")) + NOTE_BYTES
        order = vectors.nearest(self._frames, self.moment, self.layer, self.head)
        packed, data = vectors.pack(self._frames, order, (budget - fixed) * 3 // 4)  # base64: four characters of three
        kept = len(packed["heads"])
        if not kept:
            raise PanelError(f"budget={budget} does not hold one head; the page needs at least {fixed} bytes besides")
        left = len(order) - kept
        size = f"{budget / (1 << 20):.3g} MB"
        note = f"Left out to keep this page under {size}: {left} of {len(order)} heads." if left else ""
        return export.write_page(path, self._written(packed, data, note))

    def _written(self, packed: dict[str, Any], data: bytes, note: str) -> str:
        return self._page("querykey.js", self._specified(packed, live=False, note=note), {"_vectors": data})
