"""What is sent to the front end, held against bytes laid out by hand that wire.test.ts reads too."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets.panels import wire
from attn_widgets.panels.colours import palette
from attn_widgets.panels.frames import Frames
from attn_widgets.panels.tokens import LONGEST, shorten, visible
from attn_widgets.trace import AttentionTrace, Block, WeightsRecord
from tests.panel_traces import causal_trace

FIXTURE: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "panels.json").read_text("utf-8"))


def fixture_trace() -> AttentionTrace:
    heads = {name: np.array(rows, float).astype(np.float32) for name, rows in FIXTURE["heads"].items()}
    mask = np.array([[[True, False], [True, True]]])
    known = np.ones((2, 2, 3), bool)
    known[1, 1, 1] = False
    decoder = WeightsRecord(np.stack([heads["0/0"], heads["0/1"]]), mask)
    cross = WeightsRecord(np.stack([heads["1/0"], heads["1/1"]]), None, known)
    return AttentionTrace(
        [
            Block("decoder", 0, ("I", " love"), ("I", " love"), decoder),
            Block("cross", 1, ("I", " love"), ("a", "\n", "\u202e"), cross),
        ]
    )


def test_frames_are_the_bytes_laid_out_by_hand() -> None:
    packed = Frames((10,), (fixture_trace(),)).pack([[0, 1, 2, 3]])
    assert packed.frames == FIXTURE["frames"]
    assert packed.weights == base64.b64decode(FIXTURE["weights"])
    assert packed.states == base64.b64decode(FIXTURE["planes"])


def test_chosen_heads_alone_are_packed_in_their_order() -> None:
    packed = wire.pack_frame(fixture_trace(), [3, 1])
    whole = base64.b64decode(FIXTURE["weights"])
    assert packed.weights == whole[16:32] + whole[56:]
    assert packed.planes == [1, 1]
    assert packed.resting == [0.5, 0.5]


def test_predictions_travel_with_six_digits_and_without_nan() -> None:
    trace = causal_trace()
    assert trace.predictions is not None
    trace.predictions.probabilities[0] = np.nan
    spec = wire.frame_spec(trace)
    assert spec["predictions"]["probabilities"][:2] == [None, 0.2]
    json.dumps(spec, allow_nan=False)


def test_the_scale_is_the_one_the_front_end_has() -> None:
    for theme in ("light", "dark"):
        for level, colour in FIXTURE["palette"][theme].items():
            assert palette(theme)[int(level)].tolist() == colour


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" the", "·the"),
        ("\n", "⏎"),
        ("\t\r", "⇥␍"),
        ("", "∅"),
        ("\x00", "\\x00"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202eevil", "\\u202eevil"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u0301", "◌\u0301"),
        ("e\u0301", "e\u0301"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("a\u200db", "a\\u200db"),
        ("<img src=x>", "<img·src=x>"),
    ],
)
def test_tokens_hide_nothing(token: str, shown: str) -> None:
    assert visible(token) == shown


def test_shown_tokens_can_be_sent() -> None:
    everything = "".join(map(chr, [*range(0x3000), *range(0xD800, 0xE100), *range(0x1F000, 0x1F200)]))
    for start in range(0, len(everything), 500):
        visible(everything[start : start + 500]).encode("utf-8")


def test_a_huge_token_is_cut_in_the_middle() -> None:
    shown = visible("a" * 50_000 + "b" * 50_000)
    assert len(shown) == LONGEST + 1
    assert shown.startswith("aa")
    assert shown.endswith("bb")
    assert shorten("abcdefgh", 5) == "ab…gh"
