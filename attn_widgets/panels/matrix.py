"""A small matrix with its numbers: scores, encodings, contexts, which are no weights between 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from attn_widgets.errors import ConfigError
from attn_widgets.panels import svg
from attn_widgets.panels.colours import colours
from attn_widgets.panels.tokens import shorten, visible
from attn_widgets.panels.wire import visible_line

_HIGH, _NUMBER, _LABEL = 24, 11, 12

_PALEST = 0.75
"""Opacity of the largest number's colour, on which dark ink can still be read."""


class Matrix:
    """Show a matrix: a picture where there is HTML, a plain table where there is text, the same numbers in both.

    Parameters
    ----------
    values
        Numbers, (row, column); one row may be given as a vector.
    rows, columns
        Names; their positions when not given.
    title
        Shown above.
    digits
        Decimals.

    Raises
    ------
    ConfigError
        If names and numbers differ in number.
    """

    def __init__(
        self,
        values: ArrayLike,
        rows: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        title: str = "",
        digits: int = 3,
    ) -> None:
        self.values = np.atleast_2d(np.asarray(values, float))
        if self.values.ndim != 2:
            raise ConfigError(f"a matrix has rows and columns; given the shape {self.values.shape}")
        sizes = self.values.shape
        names = [range(size) if given is None else given for size, given in zip(sizes, (rows, columns), strict=True)]
        if tuple(map(len, names)) != sizes:
            raise ConfigError(f"{len(names[0])} rows and {len(names[1])} columns named; the matrix is {sizes}")
        self.rows, self.columns = ([visible(str(name)) for name in side] for side in names)
        self.title, self.digits = visible_line(title), digits

    def _texts(self) -> list[list[str]]:
        """Every number as text; a zero has no sign."""
        return [[f"{round(value, self.digits) + 0.0:.{self.digits}f}" for value in row] for row in self.values.tolist()]

    def __repr__(self) -> str:
        lines = [["", *self.columns], *([name, *texts] for name, texts in zip(self.rows, self._texts(), strict=True))]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ("  ".join(word.rjust(width) for word, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([self.title] * bool(self.title) + [line.rstrip() for line in table])

    def _repr_html_(self) -> str:
        texts = self._texts()
        rows, columns = ([shorten(name, _LABEL) for name in side] for side in (self.rows, self.columns))
        left = max([svg.text_width(name, _NUMBER) for name in rows], default=0) + 10
        named = max([svg.text_width(name, _NUMBER) for name in columns], default=0)
        wide = max([svg.text_width(text, _NUMBER) for line in texts for text in line], default=0)
        wide = max(wide, named) + 12
        top = 40 if self.title else 18
        parts = [svg.text(0, 14, self.title, size=13, more='font-weight="650"')] if self.title else []
        for j, name in enumerate(columns):
            parts.append(svg.text(left + (j + 0.5) * wide, top - 6, name, size=_NUMBER, anchor="middle"))
        for i, name in enumerate(rows):
            parts.append(svg.text(left - 8, top + (i + 0.5) * _HIGH + 4, name, size=_NUMBER, anchor="end"))
            for j, text in enumerate(texts[i]):
                x, y = left + j * wide, top + i * _HIGH
                look = f'x="{x:g}" y="{y:g}" width="{wide:g}" height="{_HIGH}" stroke="{svg.LINE}"'
                parts.append(f"<rect {look} {self._fill(i, j)}/>")
                parts.append(svg.text(x + wide / 2, y + _HIGH / 2 + 4, text, size=_NUMBER, anchor="middle"))
        width = max(left + wide * len(columns), svg.text_width(self.title, 13)) + 2
        alt = f"{self.title or 'matrix'}: {len(rows)} rows by {len(columns)} columns"
        return svg.image_tag(svg.drawing(width, top + _HIGH * len(rows) + 2, *parts), alt)

    def _fill(self, row: int, column: int) -> str:
        """Blue above zero, orange below, the more the darker; grey for what is not finite."""
        value, finite = self.values[row, column], self.values[np.isfinite(self.values)]
        if not np.isfinite(value):
            return f'fill="{colours()["light"]["hatch"]}"'
        share = abs(value) / max(float(np.abs(finite).max()), 1e-12)
        light = colours()["light"]
        return f'fill="{light["ramp"][8] if value > 0 else light["nan"]}" fill-opacity="{_PALEST * share:.3f}"'
