"""The compare panel: two traces beside each other, and what the second has more or less of."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import traitlets

from attn_widgets.errors import AttnError
from attn_widgets.panels import compare_figure, export, pairs, saving, wire
from attn_widgets.panels.base import STATIC, Answer, PanelError
from attn_widgets.panels.stepping import SteppingPanel
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.align import Alignment, align_traces

WHOLE = 2 << 20
"""Pairs of heads up to this many bytes together are sent whole; of larger traces a pair at a time."""

NOTE_BYTES = 400
"""Kept free in an exported page for the line that says what was left out."""

_SHOWN = ("panel", "title", "version", "layer", "head", "aggregation")
"""What a figure's metadata says once, of both sides."""

Entry = tuple[int, int]
"""Layer and head of what is sent; the head is `pairs.MEAN` for a layer's mean."""


class ComparePanel(SteppingPanel):
    """Two traces side by side, and their difference: right minus left.

    Two checkpoints, two models that read the same tokens, a head switched off or not, or two
    texts that differ in a word, whose tokens are aligned. One row and column run through all
    three matrices; they are counted in *places*: tokens of both texts, where a token without a
    counterpart has a place of its own.

    Parameters
    ----------
    left, right
        `AttentionTrace`, or raw weights as `AttentionTrace.from_arrays` takes them.
    names
        What the two are called, for example ``("step 100", "step 500")``.
    layer, head, query, key, mean
        Where to start, counted from zero; a query or key may be given as its token on either side.
    title
        Shown above the panel.
    tokens, key_tokens
        Of raw weights, on both sides.

    Raises
    ------
    ConfigError
        If the two have other layers or heads, or there is no such layer, head, query or key.
    """

    _esm = STATIC / "compare.js"
    _pairs = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        left: AttentionTrace | Any,
        right: AttentionTrace | Any,
        *,
        names: tuple[str, str] = ("a", "b"),
        tokens: Sequence[str] | None = None,
        key_tokens: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        self.left, self.right = (
            side
            if isinstance(side, AttentionTrace)
            else AttentionTrace.from_arrays(side, tokens=tokens, key_tokens=key_tokens)
            for side in (left, right)
        )
        self.names = _two_names(names)
        try:
            self._pair = align_traces(self.left, self.right)
        except AttnError as error:
            raise PanelError(str(error)) from None
        self._answers = pairs.PairAnswers(self._pair, self._asked)
        for name, alignments in (("query", self._pair.rows), ("key", self._pair.columns)):
            if isinstance(options.get(name), str):
                options[name] = _place(alignments[0], options[name], name)
        super().__init__(self._pair.right, **options)

    def _content(self) -> dict[str, Any]:
        entries, size = self._entries(), self._bytes(self._entries())
        sent = entries if size <= WHOLE else []
        largest = self._answers.all_largest() if sent else None
        return {"_spec": self._spec_of(sent, largest, live=True), "_pairs": self._packed(sent)}

    def _entries(self) -> list[Entry]:
        """Every head and every layer's mean, in order."""
        return [
            (block.layer, head)
            for block in self._pair.left.blocks
            for head in (*range(block.record.heads), pairs.MEAN)
            if head != pairs.MEAN or block.record.heads > 1
        ]

    def _bytes(self, entries: Sequence[Entry]) -> int:
        return sum(pairs.packed_bytes(self._pair, layer) for layer, _ in entries)

    def _packed(self, entries: Sequence[Entry]) -> bytes:
        return b"".join(data for layer, head in entries for data in pairs.packed(self._pair, layer, head))

    def _spec_of(
        self, sent: Sequence[Entry], largest: list[list[float | None]] | None, *, live: bool, note: str = ""
    ) -> dict[str, Any]:
        """Describe the panel to the front end.

        ``axes`` are the distinct alignments, ``blocks`` name theirs; ``sent`` tells what is in ``_pairs``, with
        the step of each layer's pictures in its block; ``largest`` is None where it has to be asked for.
        """
        numbers: dict[int, int] = {}
        axes: list[Alignment] = []
        for alignment in (*self._pair.rows, *self._pair.columns):
            if id(alignment) not in numbers:
                numbers[id(alignment)] = len(axes)
                axes.append(alignment)
        blocks = [
            {
                "kind": block.kind,
                "heads": block.record.heads,
                "rows": numbers[id(self._pair.rows[block.layer])],
                "columns": numbers[id(self._pair.columns[block.layer])],
                "step": pairs.step_of(self._pair, block.layer),
            }
            for block in self._pair.left.blocks
        ]
        return {
            "title": wire.visible_line(self.title),
            "about": [saving.origin(trace) for trace in (self.left, self.right)],
            "names": [wire.visible_line(name) for name in self.names],
            "axes": [pairs.axis_spec(alignment) for alignment in axes],
            "blocks": blocks,
            "sent": [list(entry) for entry in sent],
            "largest": largest,
            "live": live,
            "note": note,
        }

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask: a head of both sides, a row of it, a layer's largest differences."""
        return self._answers.answers()

    def figure(self) -> str:
        """Draw both matrices and their difference as SVG, on a light ground."""
        head = pairs.MEAN if self.mean else self.head
        return compare_figure.drawing(self._pair, self.layer, head, self.names, self.title)

    def provenance(self) -> dict[str, str | int | float]:
        """Say what `save` shows and where both sides come from: ``left.text``, ``right.text``, and so on."""
        about = super().provenance()
        about = {name: about[name] for name in _SHOWN if name in about}
        for side, name, trace in zip(("left", "right"), self.names, (self.left, self.right), strict=True):
            about[side] = wire.visible_line(name)
            about |= {f"{side}.{key}": value for key, value in saving.origin(trace).items() if key != "version"}
        return about

    def snapshot(self) -> str:
        """Write static HTML: the figure, and the largest differences of its head as a table."""
        head = pairs.MEAN if self.mean else self.head
        return compare_figure.html(self.figure(), self._pair, self.layer, head, self.names, self._snapshot)

    def to_html(self, path: str | os.PathLike[str], *, budget: int = export.BUDGET) -> Path:
        """Write the panel as one offline page with the same interaction.

        Parameters
        ----------
        path
            Written whole or not at all.
        budget
            Largest size in bytes; heads beyond it are left out, and the page says so.

        Raises
        ------
        ConfigError
            If the folder does not exist, or the budget does not hold one head.
        """
        largest = self._answers.all_largest()
        fixed = len(self._written([], largest, "")) + NOTE_BYTES
        room = (budget - fixed) * 3 // 4  # base64 makes four characters of three bytes
        entries, chosen = self._entries(), []
        for entry in sorted(entries, key=lambda entry: (entry[0] != self.layer, entry)):
            room -= self._bytes([entry]) + 16
            if room < 0:
                break
            chosen.append(entry)
        if not chosen:
            raise PanelError(f"budget={budget} does not hold one head; the page needs at least {fixed} bytes besides")
        note = self._left_out(entries, chosen, budget)
        return export.write_page(path, self._written(sorted(chosen), largest, note))

    def _written(self, sent: Sequence[Entry], largest: list[list[float | None]], note: str) -> str:
        spec = self._spec_of(sent, largest, live=False, note=note)
        return self._page("compare.js", spec, {"_pairs": self._packed(sent)})

    def _left_out(self, entries: Sequence[Entry], chosen: Sequence[Entry], budget: int) -> str:
        """One line that says what a page does without."""
        heads = [entry for entry in entries if entry[1] != pairs.MEAN]
        missing = len(set(heads) - set(chosen))
        parts = [f"{missing} of {len(heads)} heads"] if missing else []
        if any(pairs.step_of(self._pair, layer) > 1 for layer, _ in chosen):
            parts.append("the exact numbers of each row")
        if not parts:
            return ""
        return f"Left out to keep this page under {budget / (1 << 20):.3g} MB: {' and '.join(parts)}."


def _two_names(names: Any) -> tuple[str, str]:
    if isinstance(names, str) or not isinstance(names, Sequence) or len(names) != 2:
        raise PanelError(f"names are two texts, of the left and of the right; given {reprlib.repr(names)}")
    left, right = names
    if not (isinstance(left, str) and isinstance(right, str)):
        raise PanelError(f"names are two texts, of the left and of the right; given {reprlib.repr(names)}")
    return left, right


def _place(alignment: Alignment, token: str, axis: str) -> int:
    """Where a token of either side stands among the places."""
    for side, tokens in enumerate((alignment.right_tokens, alignment.left_tokens)):
        at = [i for i, known in enumerate(tokens) if known == token] or [
            i for i, known in enumerate(tokens) if known.strip() == token.strip()
        ]
        places = [place for place, pair in enumerate(alignment.pairs) if pair[1 - side] in at]
        if len(places) == 1:
            return places[0]
        if places:
            raise PanelError(f"{axis}={token!r} stands at places {', '.join(map(str, places))}; give one of them")
    listed = ", ".join(map(repr, alignment.labels()[:8]))
    raise PanelError(f"{axis}={reprlib.repr(token)} is on neither side; there are {listed}")
