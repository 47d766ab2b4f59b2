"""The colours of a weight, from the one JSON file that the front end reads too."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from attn_widgets.trace import MASKED, NOT_CAPTURED

Theme = Literal["light", "dark"]

NAN, UNKNOWN, CLEAR = 253, 254, 255
"""Places in a picture's palette after the weights."""


@cache
def colours() -> dict[str, Any]:
    """Read ``colours.json``."""
    data: dict[str, Any] = json.loads((Path(__file__).parent / "colours.json").read_text("utf-8"))
    return data


def rgb(colour: str) -> tuple[int, int, int]:
    """``"#0a0b0c"`` → ``(10, 11, 12)``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@cache
def palette(theme: Theme, ramp: Literal["ramp", "diverging"] = "ramp") -> np.ndarray:
    """256 colours for the weights 0, 1/255, …, 1, or the differences -1, …, 1: uint8, shaped (256, 3)."""
    stops = np.array([rgb(stop) for stop in colours()[theme][ramp]], float)
    at = np.linspace(0, len(stops) - 1, 256)
    low = np.minimum(at.astype(int), len(stops) - 2)
    share = (at - low)[:, None]
    mixed: np.ndarray = np.floor(stops[low] * (1 - share) + stops[low + 1] * share + 0.5)
    return mixed.astype(np.uint8)


def picture(weights: np.ndarray, states: np.ndarray, theme: Theme = "light") -> Image.Image:
    """Paint a matrix of weights, one pixel a cell.

    Masked cells are transparent, for the ground to show its hatching; NaN and infinities,
    and what was not captured, get colours that no weight has. Weights outside 0–1 take the
    colour of the near end. 253 steps of weight: a picture with a palette holds 256 colours.
    """
    finite = np.isfinite(weights)
    index = np.floor(np.clip(np.where(finite, weights, 0), 0, 1) * (NAN - 1) + 0.5).astype(np.uint8)
    index[~finite] = NAN
    index[states == NOT_CAPTURED] = UNKNOWN
    index[states == MASKED] = CLEAR
    image = Image.fromarray(index, "P")
    steps = palette(theme)[np.linspace(0, 255, NAN).round().astype(int)]
    extra = [rgb(colours()[theme][name]) for name in ("nan", "unknown", "hatch")]
    image.putpalette(np.concatenate([steps, np.array(extra, np.uint8)]).tobytes())
    image.info["transparency"] = CLEAR
    return image
