"""What stands around the heads of a grid's static picture: their names, brackets of those that share keys, a frame."""

from __future__ import annotations

import numpy as np

from attn_widgets.panels import svg
from attn_widgets.panels.grid_plan import LEFT, TOP, Plan
from attn_widgets.trace import head_name


def names(placed: Plan) -> list[str]:
    """Name layers and heads where they do not crowd."""
    half = placed.side / 2
    if not placed.by_layer:
        return [
            svg.text(placed.x(i) + half, placed.y(row) + placed.side + 11, head_name(*place), size=11, anchor="middle")
            for row, places in enumerate(placed.rows if placed.named else [])
            for i, place in enumerate(places)
        ]
    labels = [
        svg.text(LEFT - 7, placed.y(layer) + half + 4, f"L{layer}", size=11, anchor="end", fill=svg.MUTED)
        for layer in range(0, len(placed.rows), max(1, int(np.ceil(14 / placed.down))))
    ]
    return labels + [
        svg.text(placed.x(h) + half, TOP - 6, f"H{h}", size=11, anchor="middle", fill=svg.MUTED)
        for h in range(0, placed.widest, max(1, int(np.ceil(26 / placed.pitch))))
    ]


def brackets(placed: Plan) -> list[str]:
    """Bracket query heads that share a key/value head: above the columns, or under each row where layers differ."""
    parts = []
    for group, (first, last) in enumerate(placed.above):
        left, right, y = placed.x(first) + 0.5, placed.x(last) + placed.side - 0.5, placed.top - 5.5
        parts.append(f'<path d="M{left:.6g} {y + 4:.6g}V{y:.6g}H{right:.6g}v4" fill="none" stroke="{svg.MUTED}"/>')
        if right - left >= 28:
            middle = (left + right) / 2
            parts.append(svg.text(middle, y - 3, f"KV{group}", size=11, anchor="middle", fill=svg.MUTED))
    for layer, groups in enumerate(placed.groups if placed.under else []):
        y = placed.y(layer) + placed.side + 3
        lines = "".join(f"M{placed.x(a):.6g} {y:.6g}H{placed.x(b) + placed.side:.6g}" for a, b in groups)
        parts.append(f'<path d="{lines}" stroke="{svg.MUTED}" stroke-width="1.5"/>' if lines else "")
    return parts


def frame(placed: Plan, layer: int, head: int | None) -> list[str]:
    """Frame the head on show, or its whole layer where that is a row."""
    if head is None and not placed.by_layer:
        return []
    wanted = (layer, head or 0)
    row, column = next((row, places.index(wanted)) for row, places in enumerate(placed.rows) if wanted in places)
    count = 1 if head is not None else len(placed.rows[row])
    box = f'x="{placed.x(column) - 1:.6g}" y="{placed.y(row) - 1:.6g}"'
    size = f'width="{(count - 1) * placed.pitch + placed.side + 2:.6g}" height="{placed.side + 2:.6g}"'
    return [f'<rect {box} {size} fill="none" stroke="{svg.ACCENT}" stroke-width="2"/>']
