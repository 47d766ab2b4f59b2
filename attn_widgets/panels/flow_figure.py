"""The static picture of a path of attention: columns of tokens, lines as wide as their share, a table of shares."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from attn_widgets.panels import svg
from attn_widgets.panels.colours import colours, palette
from attn_widgets.panels.labels import spread
from attn_widgets.panels.tokens import shorten, visible
from attn_widgets.panels.wire import visible_line
from attn_widgets.trace.mixing import Mixing
from attn_widgets.trace.rollout import Edges, Flow

_LEFT, _WIDE, _TOP, _NODE, _LABEL = 130, 560, 66, 12, 16
_TALLEST, _ROW = 520.0, 20.0
_NAMED, _WORTH = 24, 0.01
"""Tokens that are named where there is no room for all, from this share on."""

MOST_LINES = 64


class Look(NamedTuple):
    """The layer stepped to, how many lines and from which share on, and the title."""

    layer: int
    edges: int
    least: float
    title: str


def way(mixing: Mixing) -> str:
    """Name what is chained."""
    heads = {"mean": "mean of heads", "max": "maximum of heads", "head": f"head {mixing.head} of each layer"}
    return f"{mixing.method}, {heads[mixing.heads]}"


def sentence(tokens: Sequence[str], path: Flow, mixing: Mixing, query: int) -> str:
    """Say what the token draws on most."""
    shares = np.nan_to_num(path.shares[0], nan=-1)
    most = int(shares.argmax())
    names = [shorten(visible(tokens[at]), _LABEL) for at in (query, most)]
    return f"‘{names[0]}’ draws most on ‘{names[1]}’ {path.shares[0, most]:.4g} ({way(mixing)})"


def drawn(tokens: Sequence[str], path: Flow, mixing: Mixing, query: int, look: Look) -> str:
    """Draw the path as an SVG."""
    columns, rows = path.shares.shape
    high = min(_ROW, _TALLEST / max(1, rows))
    pitch = (_WIDE - _NODE) / max(1, columns - 1)
    ys = [_TOP + (row + 0.5) * high for row in range(rows)]
    name = f"L{look.layer}"
    parts = [
        svg.text(0, 18, mixing.method if mixing.heads != "head" else f"{mixing.method} of head {mixing.head}", size=17,
                 more='font-weight="650"'),
        svg.text(0, 38, sentence(tokens, path, mixing, query), size=13),
        svg.text(_LEFT + _WIDE + 110, 18, shorten(visible_line(look.title), 48), size=12, anchor="end", fill=svg.MUTED),
    ]  # fmt: skip
    for number, (layer, edges) in enumerate(zip(path.layers, path.edges, strict=True)):
        x = _LEFT + number * pitch
        stepped = f"L{layer}" == name
        ink = svg.INK if stepped else svg.MUTED
        parts.append(svg.text(x + (pitch + _NODE) / 2, _TOP - 8, f"L{layer}", size=11, anchor="middle", fill=ink))
        parts.append(_lines(edges, look, (x + _NODE, x + pitch), ys))
    parts += [_column(path.shares[c], _LEFT + c * pitch, ys, high) for c in range(columns)]
    parts.append(_names(tokens, path, query, ys, high))
    foot = _TOP + rows * high + 24
    lost = 1 - path.shares[0].sum()
    told = f"Left the input, right the output of the top layer; lines are at most {look.edges} a layer, the widest."
    if lost > 1e-4:
        told += f" {lost:.3g} is lost in rows that see nothing, were not captured or do not sum to 1."
    return svg.drawing(_LEFT + _WIDE + 110, foot + 8, *parts, svg.text(0, foot, told, size=11, fill=svg.MUTED))


def _lines(edges: Edges, look: Look, ends: tuple[float, float], ys: Sequence[float]) -> str:
    left, right = ends
    bend = (right - left) * 0.45
    shades, parts = palette("light"), []
    for query, key, share in list(zip(*edges, strict=True))[: look.edges][::-1]:
        if share < look.least:
            continue
        red, green, blue = shades[int(min(1.0, 0.35 + 0.6 * share) * 255)].tolist()
        curve = f"M{right:.1f} {ys[query]:.1f}C{right - bend:.1f} {ys[query]:.1f} {left + bend:.1f} {ys[key]:.1f}"
        width, alpha = 0.6 + 11.4 * min(1.0, float(share)), 0.35 + 0.6 * min(1.0, float(share))
        parts.append(
            f'<path d="{curve} {left:.1f} {ys[key]:.1f}" fill="none" stroke="#{red:02x}{green:02x}{blue:02x}" '
            f'stroke-width="{width:.2f}" stroke-opacity="{alpha:.2f}"/>'
        )
    return "".join(parts)


def _column(shares: np.ndarray, x: float, ys: Sequence[float], high: float) -> str:
    """Draw the tokens of a column as cells coloured by share."""
    shades, light, parts = palette("light"), colours()["light"], []
    tall = max(high - (1 if high > 4 else 0), 0.4)
    for y, share in zip(ys, shares.tolist(), strict=True):
        known = np.isfinite(share)
        red, green, blue = shades[int(np.floor(min(1.0, max(0.0, share)) * 255 + 0.5))].tolist() if known else (0, 0, 0)
        fill = f"#{red:02x}{green:02x}{blue:02x}" if known else light["nan"]
        parts.append(f'<rect x="{x:.1f}" y="{y - tall / 2:.2f}" width="{_NODE}" height="{tall:.2f}" fill="{fill}"/>')
    return "".join(parts)


def _names(tokens: Sequence[str], path: Flow, query: int, ys: Sequence[float], high: float) -> str:
    """Name the tokens: all where there is room, else those with the largest shares; the followed one at the right."""
    shares = np.nan_to_num(path.shares[0], nan=0)
    strongest = [at for at in np.argsort(-shares, kind="stable")[:_NAMED].tolist() if shares[at] >= _WORTH]
    named = range(len(tokens)) if high >= 11 else sorted(strongest)
    heights = spread([ys[at] for at in named], 12.0, _TOP, _TOP + len(tokens) * high)
    parts = []
    for at, y in zip(named, heights, strict=True):
        bold = 'font-weight="650"' if at == query else ""
        ink = svg.INK if shares[at] >= 0.05 or at == query else svg.MUTED
        label = f"{shorten(visible(tokens[at]), _LABEL)}  {shares[at]:.2f}"
        parts.append(svg.text(_LEFT - 8, y + 4, label, size=11, anchor="end", fill=ink, more=bold))
    marked = shorten(visible(tokens[query]), _LABEL)
    parts.append(svg.text(_LEFT + _WIDE + 8, ys[query] + 4, marked, size=12, fill=svg.ACCENT, more='font-weight="650"'))
    return "".join(parts)


def refused(reason: str) -> str:
    """Write the line that says why there is no path."""
    return svg.drawing(max(420.0, svg.text_width(reason, 12)), 40, svg.text(0, 24, reason, size=12))


def table(tokens: Sequence[str], path: Flow) -> str:
    """List each token's share in each column, the largest at the input first, folded away."""
    order = np.argsort(-np.nan_to_num(path.shares[0], nan=-1), kind="stable")
    lines = []
    for at in order[:MOST_LINES].tolist():
        cells = [shorten(visible(tokens[at]), 40), *(f"{share:.4g}" for share in path.shares[:, at])]
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    left = len(order) - len(lines)
    more = f'<tr><td colspan="{len(path.shares) + 1}">… {left} more tokens</td></tr>' if left else ""
    heads = ["token", *(f"input of L{layer}" for layer in path.layers), "output"]
    top = "".join(f"<th>{name}</th>" for name in heads)
    return (
        f"<details><summary>shares as a table</summary><table><thead><tr>{top}</tr></thead>"
        f"<tbody>{''.join(lines)}{more}</tbody></table></details>"
    )


def html(figure: str, alt: str, more: str, ident: str) -> str:
    """Write the figure as an image; `ident` becomes its id."""
    return f'<figure id="{ident}" style="margin:0">{svg.image_tag(figure, alt)}{more}</figure>'
