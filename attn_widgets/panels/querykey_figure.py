"""The static picture of one weight: its vectors, how their product becomes a score and a weight, and the row."""

from __future__ import annotations

from html import escape

import numpy as np

from attn_widgets.panels import svg
from attn_widgets.panels.colours import colours, palette
from attn_widgets.panels.tokens import shorten, visible
from attn_widgets.panels.vectors import REASONS, PairVectors, vectors_of
from attn_widgets.panels.wire import visible_line
from attn_widgets.trace import MASKED, NOT_CAPTURED, VALUE, Block, head_name

MOST_KEYS = 48
"""Keys of a picture; of more, the strongest are drawn."""

MOST_LINES = 64
_LEFT, _WIDE, _STRIP, _BARS = 118, 620, 12, 34
_LABEL, _TALL = 16, 64


def drawn(block: Block, head: int, query: int, key: int, title: str = "", by_weight: bool = False) -> str:
    """Draw the pair and its row as an SVG; `by_weight` sorts the keys of the row by weight."""
    made = vectors_of(block.record, head, query, key)
    name = head_name(block.layer, head)
    row, column = (shorten(visible(token), _LABEL) for token in (block.query_tokens[query], block.key_tokens[key]))
    pair = f"‘{row}’ looks at ‘{column}’"
    parts = [
        svg.text(0, 18, name, size=17, more='font-weight="650"'),
        svg.text(svg.text_width(name, 17) + 16, 18, pair, size=13),
        svg.text(_LEFT + _WIDE + 70, 18, shorten(visible_line(title), 48), size=12, anchor="end", fill=svg.MUTED),
    ]
    y = 42.0
    for label, told, values in _lanes(made, row, column):
        parts.append(_lane(label, told, values, y))
        y += _STRIP + _BARS + 20
    if made.missing:
        parts.append(svg.text(0, y + 4, REASONS[made.missing], size=12, fill=svg.MUTED))
        y += 24
    parts.append(svg.text(0, y + 12, equation(block, made, head, query, key), size=13))
    drawn_row, bottom = _row(block, head, query, key, by_weight, y + 40)
    return svg.drawing(_LEFT + _WIDE + 70, bottom, *parts, drawn_row)


def html(block: Block, head: int, query: int, key: int, ident: str, figure: str) -> str:
    """Write the figure as an image with a table of the row; `ident` becomes its id."""
    sentence = equation(block, vectors_of(block.record, head, query, key), head, query, key)
    alt = f"{head_name(block.layer, head)}: {sentence}"
    table = _table(block, head, query)
    return f'<figure id="{ident}" style="margin:0">{svg.image_tag(figure, alt)}{table}</figure>'


def equation(block: Block, made: PairVectors, head: int, query: int, key: int) -> str:
    """Write the way from the product's sum to the weight as one line."""
    record = block.record
    weights, states = record.weights(head, query)[0], record.states(head, query)[0]
    scores, terms, steps = record.scores(head, query), made.terms(), []
    if terms is not None and made.scale is not None:
        with np.errstate(all="ignore"):
            total = float(terms.sum(dtype=np.float64))
            steps.append(f"Σ {total:.4g} × scale {made.scale:.4g} = score {total * made.scale:.4g}")
    elif scores is None:
        steps.append("score not kept")
    if states[key] == NOT_CAPTURED:
        return " → ".join([*steps, "not captured"])
    if states[key] == MASKED:
        return " → ".join([*steps, "masked: −∞", "weight 0"])
    steps.append("visible")
    if scores is not None:
        with np.errstate(all="ignore"):
            seen = scores[0][states == VALUE].astype(np.float64)
            top = seen.max()
            share = f"exp({scores[0, key]:.4g} − {top:.4g}) ÷ {np.exp(seen - top).sum():.4g}"
        steps.append(f"softmax over {len(seen)} keys: {share}")
    return " → ".join([*steps, f"weight {weights[key]:.4g}"])


def _lanes(made: PairVectors, row: str, column: str) -> list[tuple[str, str, np.ndarray]]:
    """Name, token and numbers of each vector there is."""
    terms = made.terms()
    lanes = [("query", row, made.q), ("key", column, made.k)]
    if made.v is None:
        lanes.append(("product", "q × k", terms))
    else:
        lanes += [("bias", "b", made.b), ("v", "", made.v), ("terms", "v · tanh(q + k + b)", terms)]
    return [(name, told, values.astype(np.float32)) for name, told, values in lanes if values is not None]


def _lane(label: str, told: str, values: np.ndarray, y: float) -> str:
    """Draw a strip of colours with signed bars beneath, an entry a dimension."""
    finite = values[np.isfinite(values)]
    most = float(np.abs(finite).max()) if finite.size and np.abs(finite).max() > 0 else 1.0
    wide = min(44.0, _WIDE / max(1, len(values)))
    middle, half = y + _STRIP + 2 + _BARS / 2, _BARS / 2
    shades, light = palette("light", "diverging"), colours()["light"]
    parts = [
        svg.text(0, y + 11, label, size=12, more='font-weight="600"'),
        svg.text(0, y + 27, told, size=11, fill=svg.MUTED),
        svg.text(_LEFT + wide * len(values) + 10, y + 11, f"±{most:.3g}", size=11, fill=svg.MUTED),
    ]
    for i, value in enumerate(values.tolist()):
        x, known = _LEFT + i * wide, np.isfinite(value)
        red, green, blue = shades[int(np.floor((value / most + 1) / 2 * 255 + 0.5))].tolist() if known else (0, 0, 0)
        fill = f"#{red:02x}{green:02x}{blue:02x}" if known else light["nan"]
        parts.append(f'<rect x="{x:.2f}" y="{y:g}" width="{wide:.2f}" height="{_STRIP}" fill="{fill}"/>')
        if known:
            high = abs(value) / most * half
            top, ink = (middle - high, light["ramp"][10]) if value > 0 else (middle, light["diverging"][1])
            parts.append(f'<rect x="{x:.2f}" y="{top:.2f}" width="{wide * 0.8:.2f}" height="{high:.2f}" fill="{ink}"/>')
    parts.append(f'<path d="M{_LEFT} {middle:g}h{wide * len(values):g}" stroke="{svg.LINE}"/>')
    return "".join(parts)


def _row(block: Block, head: int, query: int, key: int, by_weight: bool, y: float) -> tuple[str, float]:
    """Draw the weights of the row as bars, the pair's key marked; returns also where they end."""
    weights, states = block.record.weights(head, query)[0], block.record.states(head, query)[0]
    chosen = _order(weights, states)[:MOST_KEYS]
    if key not in chosen:
        chosen = np.append(chosen[:-1], key)
    shown = chosen if by_weight else np.sort(chosen)
    most = float(np.max(np.where(np.isfinite(weights), weights, 0), initial=1e-12))
    wide = min(34.0, _WIDE / len(shown))
    foot = y + _TALL
    parts = [
        svg.text(0, y + 12, "weight", size=12, more='font-weight="600"'),
        svg.text(0, y + 28, "all keys" if len(shown) == len(weights) else f"{len(shown)} strongest keys", size=11,
                 fill=svg.MUTED),
        f'<path d="M{_LEFT} {foot:g}h{wide * len(shown):g}" stroke="{svg.LINE}"/>',
        svg.text(_LEFT + wide * len(shown) + 10, y + 11, f"max {most:.3g}", size=11, fill=svg.MUTED),
    ]  # fmt: skip
    bottom = 0.0
    for i, at in enumerate(shown.tolist()):
        label = shorten(visible(block.key_tokens[at]), _LABEL)
        share = 0.0
        if states[at] == VALUE and np.isfinite(weights[at]):
            share = max(0.0, float(weights[at]) / most)
        else:
            label += {MASKED: " – masked", NOT_CAPTURED: " – not captured"}.get(int(states[at]), f" {weights[at]}")
        parts.append(_bar(label, share, _LEFT + i * wide, wide, foot, at == key))
        bottom = max(bottom, svg.text_width(label, 10.5))
    return "".join(parts), foot + 16 + bottom


def _bar(label: str, share: float, x: float, wide: float, foot: float, marked: bool) -> str:
    """Draw one key of a row, its label turned beneath."""
    fill, bold = (svg.ACCENT, ' font-weight="650"') if marked else (colours()["light"]["ramp"][9], "")
    tall, middle = share * _TALL, x + 0.4 * wide
    size = f'x="{x:.2f}" y="{foot - tall:.2f}" width="{wide * 0.8:.2f}" height="{tall:.2f}"'
    turned = f'transform="rotate(90 {middle - 4:.2f} {foot + 8:g})"{bold}'
    ink = svg.INK if marked or share > 0.1 else svg.MUTED
    return f'<rect {size} fill="{fill}"/>' + svg.text(middle - 4, foot + 8, label, size=10.5, fill=ink, more=turned)


def _order(weights: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Keys by falling weight; NaN after the numbers, then what has no weight."""
    return np.argsort(-np.where(states == VALUE, np.nan_to_num(weights, nan=-1e30), -np.inf), kind="stable")


def _table(block: Block, head: int, query: int) -> str:
    """List the keys of the row with score and weight, the strongest first, folded away."""
    record = block.record
    weights, states, scores = record.weights(head, query)[0], record.states(head, query)[0], record.scores(head, query)
    order, lines = _order(weights, states), []
    for at in order[:MOST_LINES].tolist():
        score = "not kept" if scores is None else f"{scores[0, at]:.4g}"
        weight = {MASKED: "masked", NOT_CAPTURED: "not captured"}.get(int(states[at]), f"{weights[at]:.4g}")
        cells = [str(at), shorten(visible(block.key_tokens[at]), 40), score, weight]
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    left = len(order) - len(lines)
    more = f'<tr><td colspan="4">… {left} more keys</td></tr>' if left else ""
    name = f"{head_name(block.layer, head)}, row {escape(shorten(visible(block.query_tokens[query]), 40))}"
    head_row = "<tr><th>key</th><th>token</th><th>score</th><th>weight</th></tr>"
    return (
        f"<details><summary>{name} as a table</summary><table><thead>{head_row}</thead>"
        f"<tbody>{''.join(lines)}{more}</tbody></table></details>"
    )
