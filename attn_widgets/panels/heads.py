"""The head panel: step through the heads of a trace, read what each row looks at, find a head, switch one off."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import traitlets

from attn_widgets.errors import ConfigError
from attn_widgets.panels import export, lens_figure, snapshot, wire
from attn_widgets.panels.base import STATIC, Answer, Checked, PanelError
from attn_widgets.panels.frames import Packed
from attn_widgets.panels.lens import Lens, Matrix
from attn_widgets.panels.looking import LookingPanel
from attn_widgets.panels.overviews import Overviews, is_large, overviews, size_of
from attn_widgets.panels.spreads import SpreadAnswers, spread_spec
from attn_widgets.trace import AttentionTrace, Predictions, head_name
from attn_widgets.trace.find import find_heads

WHOLE = 2 << 20
"""Weights up to this many bytes are sent whole; of larger traces a head at a time."""

AHEAD, AHEAD_OF_EXPORT = 0.5, 10.0
"""For this many seconds heads are switched off ahead, so that it works without a kernel."""

NOTE_BYTES = 400
"""Kept free in an exported page for the line that says what was left out."""


class AblationView(Protocol):
    """Next-token predictions with all heads and with some switched off."""

    @property
    def before(self) -> Predictions:
        """With all heads."""
        ...

    @property
    def after(self) -> Predictions:
        """Without them."""
        ...

    @property
    def still(self) -> np.ndarray:
        """For each row the probability left to the token that was predicted before."""
        ...


class HeadPanel(LookingPanel):
    """Step through the heads of a trace.

    Parameters
    ----------
    trace
        What to show: an `AttentionTrace`, or raw weights as `AttentionTrace.from_arrays` takes them.
    layer, head, query, key
        Where to start, counted from zero; a query or key may be given as its token. They are
        two-way traits, as are `mean`, `locked`, `ablated` and `moment`.
    mean
        Show the mean over the layer's heads.
    moments
        Up to 8 pairs (step, trace) from training, for the time slider.
    ablate
        Given head names such as ``["L0H1"]``, returns the predictions without them.
    title
        Shown above the panel, for example the text.
    tokens, key_tokens
        Of raw weights.

    Raises
    ------
    ConfigError
        If there is no such layer, head, query, key or moment, or moments have other heads than the trace.
    """

    _esm = STATIC / "heads.js"

    page_traits: ClassVar[tuple[str, ...]] = (*LookingPanel.page_traits, "ablated")
    flags: ClassVar[tuple[str, ...]] = (*LookingPanel.flags, "ablated")

    ablated = Checked(False).tag(sync=True)
    _weights = traitlets.Bytes().tag(sync=True)
    _states = traitlets.Bytes().tag(sync=True)
    _spreads = traitlets.Bytes().tag(sync=True)
    _pictures = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        trace: AttentionTrace | Any,
        *,
        ablate: Callable[[Sequence[str]], AblationView] | None = None,
        **options: Any,
    ) -> None:
        self._ablate = ablate
        self._ablations: dict[str, dict[str, Any]] = {}
        self._start = options.get("layer", 0), options.get("head", 0)
        super().__init__(trace, **options)

    def _content(self) -> dict[str, Any]:
        if self._ablate is not None:
            self._switch_off_ahead(AHEAD)
        chosen, large = self._sent_first()
        packed, pictures = self._frames.pack(chosen), overviews(self.trace, self._frames.last, large)
        spec = self._describe(packed.frames, live=True, pictures=pictures)
        return {"_spec": spec, **self._buffers(packed, pictures)}

    def _buffers(self, packed: Packed, pictures: Overviews | None) -> dict[str, bytes]:
        """Bytes that go with a description, by trait."""
        return {
            "_weights": packed.weights,
            "_states": packed.states,
            "_spreads": packed.spreads,
            "_pictures": b"" if pictures is None else pictures.codes,
        }

    def _sent_first(self) -> tuple[list[list[int]], list[tuple[int, int]]]:
        """Choose what is sent with the panel: all heads of a small trace, else the one on show, perhaps a picture."""
        everything = self._frames.everything()
        if self._frames.nbytes <= WHOLE:
            return everything, []
        chosen: list[list[int]] = [[] for _ in everything]
        shown = (self.layer, self.head) if "layer" in self._trait_values else self._start
        heads = list(self.trace.iter_heads())
        if shown not in heads:  # refused a moment later, when the traits are set
            return chosen, []
        if is_large(self.trace, shown[0]):
            return chosen, [shown]
        chosen[-1] = [heads.index(shown)]
        return chosen, []

    def _describe(
        self, frames: list[dict[str, Any]], *, live: bool, note: str = "", pictures: Overviews | None = None
    ) -> dict[str, Any]:
        return {
            **super()._describe(frames, live=live, note=note),
            "spread": [spread_spec(trace) for trace in self._frames.traces],
            "pictures": [] if pictures is None else pictures.spec,
            "ablate": self._ablate is not None if live else bool(self._ablations),
            "ablations": self._ablations.copy(),
        }

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask besides: a head, its spread, a ranking of heads, a head switched off."""
        return {
            **super().answers(),
            **SpreadAnswers(self._frames.traces, self._asked).answers(),
            "head": self._answer_head,
            "find": self._answer_find,
            "ablate": self._answer_ablate,
        }

    def _answer_head(self, content: dict[str, Any]) -> Answer:
        moment, layer, head = self._asked(content, "moment", "layer", "head")
        block = self._frames.block(moment, layer)
        return {"resting": wire.head_resting(block, head)}, list(wire.pack_head(block, head))

    def _answer_find(self, content: dict[str, Any]) -> Answer:
        moment, layer, query, key = self._asked({"layer": 0, **content}, "moment", "layer", "query", "key")
        blocks = self._frames.traces[moment].blocks
        axes = (blocks[layer].query_tokens, blocks[layer].key_tokens)
        found = find_heads([b for b in blocks if (b.query_tokens, b.key_tokens) == axes], query, key)
        return {"found": [[h.layer, h.head, wire.json_number(h.weight)] for h in found]}, []

    def _answer_ablate(self, content: dict[str, Any]) -> Answer:
        layer, head = self._asked(content, "layer", "head")
        return {"ablation": self._switch_off(head_name(layer, head))}, []

    def _switch_off(self, name: str) -> dict[str, Any]:
        """Predictions with and without a head, computed once."""
        if self._ablate is None:
            raise PanelError("this panel cannot switch heads off: it was made without ablate=")
        if name not in self._ablations:
            view = self._ablate([name])
            self._ablations[name] = {
                "before": wire.predictions_spec(view.before),
                "after": wire.predictions_spec(view.after),
                "still": [wire.json_number(float(p)) for p in view.still],
            }
        return self._ablations[name]

    def _switch_off_ahead(self, seconds: float) -> None:
        """Switch off one head after the other while there is time; an error waits until it is asked for."""
        end = time.monotonic() + seconds
        for layer, head in self.trace.iter_heads():
            if time.monotonic() > end:
                return
            try:
                self._switch_off(head_name(layer, head))
            except Exception:
                return

    def snapshot(self) -> str:
        """Write static HTML: what is on show, all heads as thumbnails, and a table."""
        trace, reading = self._frames.traces[self.moment], self._reading()
        try:
            matrix = self.matrix()
        except ConfigError:  # scores of a mean, or of a trace without any: the live view says so
            heads = range(trace.blocks[self.layer].record.heads) if self.mean else [self.head]
            matrix = Matrix(trace, Lens(tuple((self.layer, head) for head in heads)))
            reading = replace(reading, name=f"L{self.layer} mean" if self.mean else head_name(self.layer, self.head))
        seen, first = lens_figure.shown(matrix, reading), lens_figure.first_rows(matrix, reading, snapshot.MOST_LINES)
        head = None if self.mean else self.head
        return snapshot.heads_html(trace, self.layer, head, self._snapshot, matrix=seen, first=first)

    def to_html(self, path: str | os.PathLike[str], *, budget: int = export.BUDGET) -> Path:
        """Write the panel as one offline page with the same interaction.

        Parameters
        ----------
        path
            Written whole or not at all.
        budget
            Largest size in bytes; heads and moments beyond it are left out, and the page says so. Heads
            of long texts that do not fit exactly are kept as pictures.

        Raises
        ------
        ConfigError
            If the folder does not exist, or the budget does not hold one head.
        """
        if self._ablate is not None:
            self._switch_off_ahead(AHEAD_OF_EXPORT)
        fixed = len(self._written(self._nothing_packed(), "")) + NOTE_BYTES
        room = (budget - fixed) * 3 // 4  # base64 makes four characters of three bytes
        chosen = self._frames.within(room, self.layer)
        if chosen[-1] != self._frames.everything()[-1] and is_large(self.trace, self.layer):
            return self._write_pictures(path, room, budget)
        if not any(chosen):
            raise PanelError(f"budget={budget} does not hold one head; the page needs at least {fixed} bytes besides")
        packed, note = self._frames.pack(chosen), self._left_out(chosen, budget)
        page = self._written(packed, note)
        if packed.spreads and len(page.encode()) > budget:
            page = self._written(replace(packed, spreads=b""), note)
        return export.write_page(path, page)

    def _write_pictures(self, path: str | os.PathLike[str], room: int, budget: int) -> Path:
        """Write a page with pictures of as many heads as there is room for, the nearest layers first."""
        sizes = [(len(block.query_tokens), len(block.key_tokens)) for block in self.trace.blocks]
        heads: list[tuple[int, int]] = []
        for layer, head in sorted(self.trace.iter_heads(), key=lambda at: (abs(at[0] - self.layer), at)):
            room -= size_of(*sizes[layer])
            if room < 0:
                break
            heads.append((layer, head))
        if not heads:
            raise PanelError(f"budget={budget} does not hold the picture of one head")
        count = sum(1 for _ in self.trace.iter_heads())
        note = f"Of {count} heads this page keeps {len(heads)}, as pictures; exact numbers are in the notebook."
        return export.write_page(
            path, self._written(self._nothing_packed(), note, overviews(self.trace, self._frames.last, sorted(heads)))
        )

    def _written(self, packed: Packed, note: str, pictures: Overviews | None = None) -> str:
        spec = self._describe(packed.frames, live=False, note=note, pictures=pictures)
        return self._page("heads.js", spec, self._buffers(packed, pictures))

    def _left_out(self, chosen: Sequence[Sequence[int]], budget: int) -> str:
        """One line that says what a page does without."""
        everything = self._frames.everything()
        heads, moments = len(everything[-1]) - len(chosen[-1]), sum(not kept for kept in chosen[:-1])
        parts = [f"{heads} of {len(everything[-1])} heads"] if heads else []
        parts += [f"{moments} of {len(chosen) - 1} moments"] if moments else []
        if not parts:
            return ""
        return f"Left out to keep this page under {budget / (1 << 20):.3g} MB: {' and '.join(parts)}."
