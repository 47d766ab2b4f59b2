"""How a panel looks at heads: which are combined, what is shown of them; as traits, and as requests of the page."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import traitlets

from attn_widgets.errors import ConfigError
from attn_widgets.panels import lens_figure, tiles, wire
from attn_widgets.panels.base import Answer, Checked, PanelError
from attn_widgets.panels.lens import OTHER_TOKENS, Lens, Matrix
from attn_widgets.panels.overviews import LARGEST
from attn_widgets.panels.spreads import spread_spec
from attn_widgets.panels.stepping import SteppingPanel
from attn_widgets.trace import head_name

CHOICES: dict[str, tuple[str, ...]] = {
    "how": ("mean", "max"),
    "over": ("layer", "all", "pinned"),
    "value": ("weight", "score", "log"),
}
MOST_PINNED, MOST_SELECTED = 8, 64
MOST_CODES = 1 << 20
"""Cells of one picture."""


class LookingPanel(SteppingPanel):
    """A panel whose heads are seen through a `Lens`.

    Its traits, besides those of every panel: with `mean`, the heads of `over` (``layer``, ``all``
    or ``pinned``) combined by `how` (``mean``, ``max``); `pinned` heads, pairs (layer, head), compared with the one
    on show; `selected`, further rows whose weights are summed with that of `query`; `value`
    (``weight``, ``score``, ``log``); `words`, `hide_special`, `threshold` and `top` as in `Lens`;
    `by_weight` sorts the columns by the row that is read; `last`: only so many of the last rows (0: all).
    """

    page_traits: ClassVar[tuple[str, ...]] = (
        *SteppingPanel.page_traits,
        "how", "over", "pinned", "selected", "value", "words", "hide_special", "by_weight", "threshold", "top", "last",
    )  # fmt: skip
    flags: ClassVar[tuple[str, ...]] = (*SteppingPanel.flags, "words", "hide_special", "by_weight")

    how = Checked("mean").tag(sync=True)
    over = Checked("layer").tag(sync=True)
    pinned = Checked(()).tag(sync=True)
    selected = Checked(()).tag(sync=True)
    value = Checked("weight").tag(sync=True)
    words = Checked(False).tag(sync=True)
    hide_special = Checked(False).tag(sync=True)
    by_weight = Checked(False).tag(sync=True)
    threshold = Checked(0.0).tag(sync=True)
    top = Checked(0).tag(sync=True)
    last = Checked(0).tag(sync=True)

    _scale_of: tuple[tuple[int, Lens], tiles.Scale] | None = None

    def check_trait(self, name: str, value: Any, others: Mapping[str, Any] | None = None) -> Any:
        """Return the value a trait takes, or raise `PanelError` naming what works."""
        if name in CHOICES:
            if not isinstance(value, str) or value not in CHOICES[name]:
                raise PanelError(f"{name} must be one of {', '.join(CHOICES[name])}; given {str(value)[:40]!r}")
            return str(value)
        if name == "threshold":
            return _share(value)
        if name in ("top", "last"):
            return _count(name, value)
        if name == "pinned":
            at = {"moment": (others or {}).get("moment", self._trait_values.get("moment", self._frames.last))}
            return [self._pair(pair, at) for pair in _several(name, value, MOST_PINNED)]
        if name == "selected":
            return [
                super(LookingPanel, self).check_trait("query", q, others) for q in _several(name, value, MOST_SELECTED)
            ]
        return super().check_trait(name, value, others)

    def _pair(self, pair: Any, at: Mapping[str, Any]) -> list[int]:
        """Check a layer and a head that are to be there."""
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise PanelError(f"a head is a pair (layer, head); given {str(pair)[:40]!r}")
        layer = super().check_trait("layer", pair[0], at)
        return [layer, super().check_trait("head", pair[1], {**at, "layer": layer})]

    @traitlets.observe("layer", "moment")
    def _clamp_selected(self, _change: Any) -> None:
        size = self._frames.size("query", {"moment": self.moment, "layer": self.layer})
        if any(query >= size for query in self.selected):
            self.selected = [query for query in self.selected if query < size]

    @property
    def lens(self) -> Lens:
        """What the panel shows now."""
        return Lens(
            tuple(self._combined()), self.how, self.value, self.words, self.hide_special, self.threshold, self.top
        )

    def _combined(self) -> list[tuple[int, int]]:
        """Heads on show: one, or those combined."""
        trace = self._frames.traces[self.moment]
        shown = trace.block(self.layer)
        if not self.mean:
            return [(self.layer, self.head)]
        if self.over == "pinned" and self.pinned:
            return [(layer, head) for layer, head in self.pinned]
        if self.over == "all":
            alike = (shown.query_tokens, shown.key_tokens)
            layers = [b for b in trace.blocks if (b.query_tokens, b.key_tokens) == alike and b.kind == shown.kind]
        else:
            layers = [shown]
        return [(block.layer, head) for block in layers for head in range(block.record.heads)]

    def matrix(self) -> Matrix:
        """Give the matrix on show, computed as it is asked for; pinned heads must have the tokens of the layer."""
        trace, lens = self._frames.traces[self.moment], self.lens
        shown = trace.block(self.layer)
        for block in (trace.block(layer) for layer, _ in lens.heads):
            if (block.query_tokens, block.key_tokens) != (shown.query_tokens, shown.key_tokens):
                raise ConfigError(OTHER_TOKENS)
        return Matrix(trace, lens)

    @property
    def matrix_name(self) -> str:
        """Name the matrix on show: ``L1H3``, ``L1 mean``, ``max of all heads``."""
        if not self.mean:
            return head_name(self.layer, self.head)
        if self.over == "all":
            return f"{self.how} of all heads"
        if self.over == "pinned" and self.pinned:
            return f"{self.how} of {', '.join(head_name(*pair) for pair in self.pinned)}"
        return f"L{self.layer} {self.how}"

    def figure(self) -> str:
        """Draw what `save` writes, as one SVG on a light ground: the matrix on show, alone, as it is on show."""
        return lens_figure.draw(self.matrix(), self._reading())

    def _reading(self) -> lens_figure.Reading:
        trace = self._frames.traces[self.moment]
        texts, predictions = int((spread_spec(trace) or {}).get("n", 0)), trace.predictions_of(self.layer)
        return lens_figure.Reading(
            self.matrix_name, self.title, self.query, self.by_weight, self.last, predictions, texts
        )

    def provenance(self) -> dict[str, str | int | float]:
        """Say what is on show and where it comes from, and what was made of it."""
        about = super().provenance()
        if self.mean:
            combined = self.over == "all" or (self.over == "pinned" and self.pinned)
            about["aggregation"] = self.matrix_name if combined else f"{self.how} of heads"
        plain = {"value": "weight", "threshold": 0.0}
        for name in ("value", "words", "hide_special", "by_weight", "threshold", "top", "last"):
            if (value := getattr(self, name)) != plain.get(name, 0):
                about[name] = value
        return about

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask of a matrix: all of it, a picture of a rectangle (and a row), an exact row."""
        return {"matrix": self._answer_matrix, "tile": self._answer_tile, "row": self._answer_row}

    def _asked_matrix(self, content: Mapping[str, Any]) -> Matrix:
        """Make the matrix that a request describes."""
        (moment,) = self._asked(content, "moment")
        heads = content.get("heads")
        if not isinstance(heads, list) or not heads:
            raise PanelError("a request needs heads, pairs of layer and head")
        most = len(self._frames.everything()[moment])
        pairs = [self._pair(pair, {"moment": moment}) for pair in _several("heads", heads, most)]
        options = {name: self.check_trait(name, content[name]) for name in _LENS if name in content}
        return Matrix(self._frames.traces[moment], Lens(tuple((a, b) for a, b in pairs), **options))

    def _answer_matrix(self, content: dict[str, Any]) -> Answer:
        matrix = self._asked_matrix(content)
        rows, columns = matrix.shape
        if rows * columns > LARGEST:
            raise PanelError(f"{rows} × {columns} cells are too many to be sent at once; ask for a tile or a row")
        values, states = matrix.cells(slice(0, rows), slice(0, columns))
        return self._scaled(matrix, content), [wire.weight_bytes(values), wire.state_bytes(states)]

    def _answer_tile(self, content: dict[str, Any]) -> Answer:
        matrix = self._asked_matrix(content)
        rows, columns = (
            _span(name, content, size) for name, size in zip(("rows", "columns"), matrix.shape, strict=True)
        )
        step = max(1, _count("step", content.get("step", 1)))
        if math.ceil((rows.stop - rows.start) / step) * math.ceil((columns.stop - columns.start) / step) > MOST_CODES:
            raise PanelError(f"a picture has at most {MOST_CODES:,} cells; ask for a smaller one, or a larger step")
        row = self._answer_row(content)[1] if "row" in content else []
        scaled = self._scaled(matrix, content)
        codes = tiles.picture(matrix, rows, columns, step, tiles.Scale(scaled["low"], scaled["high"]))
        return scaled, [codes.tobytes(), *row]

    def _answer_row(self, content: dict[str, Any]) -> Answer:
        matrix = self._asked_matrix(content)
        row = _count("row", content.get("row"))
        if row >= matrix.shape[0]:
            raise PanelError(f"row {row} does not exist; there are {matrix.shape[0]}: 0 to {matrix.shape[0] - 1}")
        values, states = matrix.cells(slice(row, row + 1), slice(0, matrix.shape[1]))
        return {}, [wire.weight_bytes(values), wire.state_bytes(states)]

    def _scaled(self, matrix: Matrix, content: Mapping[str, Any]) -> dict[str, float]:
        """Name the ends of the colours; found once for a matrix, since those of scores take a look at all of it."""
        asked = (content["moment"], matrix.lens)
        if self._scale_of is None or self._scale_of[0] != asked:
            self._scale_of = asked, tiles.scale_of(matrix, matrix.lens.value)
        scale = self._scale_of[1]
        return {"low": scale.low, "high": scale.high}


_LENS = ("how", "value", "words", "hide_special", "threshold", "top")


def _several(name: str, value: Any, most: int) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)) or len(value) > most:
        raise PanelError(f"{name} must be a list of at most {most}; given {str(value)[:40]!r}")
    return value


def _share(value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)) or not 0 <= value <= 1:
        raise PanelError(f"threshold must be a number from 0 to 1; given {str(value)[:40]!r}")
    return float(value)


def _count(name: str, value: Any) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise PanelError(f"{name} must be a whole number from 0 on; given {str(value)[:40]!r}") from None
    if not 0 <= number < 1 << 31:
        size = "a negative one" if number < 0 else "one too large"
        raise PanelError(f"{name} must be a whole number from 0 on; given {size}")
    return number


def _span(name: str, content: Mapping[str, Any], size: int) -> slice:
    asked = content.get(name, [0, size])
    if not isinstance(asked, (list, tuple)) or len(asked) != 2:
        raise PanelError(f"{name} must be a pair (from, to); given {str(asked)[:40]!r}")
    start, stop = _count(name, asked[0]), _count(name, asked[1])
    if not start < stop <= size:
        raise PanelError(f"{name} {start} to {stop} are not there; there are {size}")
    return slice(start, stop)
