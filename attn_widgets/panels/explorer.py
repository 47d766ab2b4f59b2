"""The explorer: one head, all heads and the vectors behind one weight, as three views of one widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import traitlets

from attn_widgets.panels import vectors
from attn_widgets.panels.base import STATIC, Answer, Checked
from attn_widgets.panels.frames import Packed
from attn_widgets.panels.grid import AHEAD, CHOICES, GridAnswers, check_choice
from attn_widgets.panels.grid import WHOLE as MOST_THUMBNAILS
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.panels.overviews import Overviews
from attn_widgets.panels.querykey import WHOLE as MOST_VECTORS
from attn_widgets.panels.querykey import QueryKeyAnswers
from attn_widgets.panels.thumbnails import Overview


class Explorer(HeadPanel):
    """Step through the heads of a trace, with all of them in sight and the arithmetic of a weight beside.

    The head panel stands where it stands alone and has its keys; under it are the grid of all heads
    (`GridPanel`) and query and key of the chosen weight (`QueryKeyPanel`), folded until they are
    opened. All three show the same place: a click in one moves the others. Where a row and a column are chosen, the
    grid is coloured by the weight that each head has there.

    One widget rather than several in a box: it is shown the same in every host of anywidget.

    Parameters
    ----------
    metric, order
        What colours the grid and sorts it, as in `GridPanel`.
    **options
        As in `HeadPanel`.
    """

    _esm = STATIC / "explorer.js"

    page_traits: ClassVar[tuple[str, ...]] = (*HeadPanel.page_traits, "metric", "order", "grid_open", "pair_open")
    flags: ClassVar[tuple[str, ...]] = (*HeadPanel.flags, "grid_open", "pair_open")

    metric = Checked("weights").tag(sync=True)
    order = Checked("layer").tag(sync=True)
    grid_open = Checked(True).tag(sync=True)
    pair_open = Checked(False).tag(sync=True)
    _thumbnails = traitlets.Bytes().tag(sync=True)
    _metrics = traitlets.Bytes().tag(sync=True)
    _vectors = traitlets.Bytes().tag(sync=True)

    @cached_property
    def _overview(self) -> Overview:
        return Overview(self._frames)

    def _content(self) -> dict[str, Any]:
        content = super()._content()
        self._overview.compute_ahead(AHEAD, MOST_THUMBNAILS)
        spec, data = self._besides(MOST_VECTORS)
        return {**content, "_spec": {**content["_spec"], **spec}, **data}

    def _besides(self, most_vectors: int) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Describe and pack what the grid and the pair show without asking."""
        sent = self._overview.pack(self._overview.ready())
        nearest = vectors.nearest(self._frames, self._frames.last, 0, 0)
        packed, pairs = vectors.pack(self._frames, nearest, most_vectors)
        if len(packed["heads"]) < len(nearest):
            packed, pairs = vectors.pack(self._frames, [], 0)
        spec = {"grid": sent.spec(self._frames), "vectors": packed}
        return spec, {"_thumbnails": sent.thumbnails, "_metrics": sent.metrics, "_vectors": pairs}

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask: what each of the three views asks."""
        return {
            **super().answers(),
            **GridAnswers(self, self._overview).answers(),
            **QueryKeyAnswers(self).answers(),
        }

    def check_trait(self, name: str, value: Any, others: Mapping[str, Any] | None = None) -> Any:
        """Return the value a trait takes, or raise `PanelError` naming what exists."""
        return check_choice(name, value) if name in CHOICES else super().check_trait(name, value, others)

    def _written(self, packed: Packed, note: str, pictures: Overviews | None = None) -> str:
        besides, data = self._besides(MOST_VECTORS)
        spec = {**self._describe(packed.frames, live=False, note=note, pictures=pictures), **besides}
        return self._page("explorer.js", spec, {**self._buffers(packed, pictures), **data})
