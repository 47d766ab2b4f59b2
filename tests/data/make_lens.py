"""Write ``lens.json``: matrices through lenses, as the page must make them too. Run after a change of the lens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from attn_widgets.panels.lens import Axis, Lens, Matrix
from attn_widgets.trace import AttentionTrace

TOKENS = ["‹start›", " cut", " un", "like", "ly", ".", "‹end›"]
LENSES: list[dict[str, Any]] = [
    {},
    {"words": True},
    {"hide_special": True},
    {"words": True, "hide_special": True, "top": 2},
    {"threshold": 0.2},
    {"top": 1},
    {"value": "log", "threshold": 0.05},
    {"heads": [[0, 0], [0, 1], [0, 2]], "how": "mean"},
    {"heads": [[0, 0], [0, 1], [0, 2]], "how": "max", "words": True},
]


def trace() -> AttentionTrace:
    """Make three heads in eighths and quarters, so that sums are exact: one with a NaN, one in part not captured."""
    size = len(TOKENS)
    rng = np.random.default_rng(7)
    weights = np.tril(rng.integers(0, 9, (3, size, size)) / 8).astype(np.float32)
    weights[1, 3, 2] = np.nan
    return AttentionTrace.from_arrays(weights, tokens=TOKENS, mask=np.tril(np.ones((size, size), bool)))


def cases() -> dict[str, Any]:
    """Give heads, axes, and what each lens makes of them; NaN and infinities by name."""
    made, whole = [], trace()
    for given in LENSES:
        options = {name: value for name, value in given.items() if name != "heads"}
        heads = given.get("heads", [[0, 0]])
        matrix = Matrix(whole, Lens(tuple((a, b) for a, b in heads), **options))
        rows, columns = matrix.shape
        values, states = matrix.cells(slice(0, rows), slice(0, columns))
        axis = Axis.of(TOKENS, options.get("words", False), options.get("hide_special", False))
        made.append({
            "lens": {"heads": heads, **options}, "tokens": axis.tokens,
            "values": [[_name(v) for v in row] for row in values.tolist()], "states": states.tolist(),
        })  # fmt: skip
    block = whole.blocks[0].record
    return {
        "about": "Heads and what lenses make of them: panels/lens.py and js/src/lens.ts must agree. See make_lens.py.",
        "tokens": TOKENS,
        "heads": [[[_name(v) for v in row] for row in block.weights(head).tolist()] for head in range(3)],
        "states": block.states(0).tolist(),
        "cases": made,
    }


def _name(value: float) -> float | str:
    return round(value, 7) if np.isfinite(value) else str(value).replace("-inf", "-Infinity").replace("nan", "NaN")


if __name__ == "__main__":
    Path(__file__).with_name("lens.json").write_text(json.dumps(cases(), ensure_ascii=False), encoding="utf-8")
