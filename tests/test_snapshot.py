"""The static picture: well-formed, exact to its 253 steps, and harmless whatever the tokens are."""

from __future__ import annotations

import base64
import io
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from attn_widgets.panels.colours import colours, palette, picture, rgb
from attn_widgets.panels.figures import LARGEST
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.panels.snapshot import heads_html
from attn_widgets.trace import AttentionTrace, Block, WeightsRecord
from tests.panel_traces import causal_trace

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script>",
    "\x00\x1b[31m",
    "\u202ereversed",
    "\ud800",
    "a" * 100_000,
    "]]>",
)


class Outline(HTMLParser):
    """Tags, attributes and text of an HTML fragment."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def svg(self) -> ET.Element:
        """The drawing that the image holds."""
        source = dict(self.attributes)["src"] or ""
        return ET.fromstring(base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")))


def first_png(svg: ET.Element) -> Image.Image:
    image = next(svg.iter(f"{SVG}image"))
    data = image.attrib["href"].removeprefix("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_the_picture_shows_every_weight_within_half_a_step() -> None:
    trace = causal_trace()
    outline = Outline(heads_html(trace, 1, 3, "attn-0a"))
    shown = np.asarray(first_png(outline.svg).convert("RGBA"))
    weights, visible = trace.weights(1, 3), trace.visible(1, 3)
    assert shown.shape == (10, 10, 4)
    assert (shown[..., 3] == 255 * visible).all()
    distance = np.abs(shown[..., None, :3].astype(int) - palette("light").astype(int)).sum(-1)
    read = distance.argmin(-1) / 255
    assert np.abs(read - weights)[visible].max() < 1 / 252


def test_the_mean_is_drawn_where_it_is_on_show() -> None:
    trace = causal_trace()
    outline = Outline(HeadPanel(trace, layer=1, head=3, mean=True).snapshot())
    shown = np.asarray(first_png(outline.svg).convert("RGB")).astype(int)
    read = np.abs(shown[..., None, :] - palette("light").astype(int)).sum(-1).argmin(-1) / 255
    mean, visible = trace.mean(1), trace.visible(1, 0)
    assert np.abs(read - mean)[visible].max() < 1 / 252
    assert next(outline.svg.iter(f"{SVG}text")).text == "L1 mean"


def test_masked_zero_nan_and_not_captured_look_different() -> None:
    states = np.array([[1, 0, 0, 2, 0]], np.uint8)
    image = picture(np.array([[0, 0, np.nan, 0, np.inf]], np.float32), states).convert("RGBA")
    masked, zero, nan, unknown, infinite = np.asarray(image)[0].tolist()
    assert masked[3] == 0
    assert zero == [*palette("light")[0].tolist(), 255]
    assert nan == infinite == [*rgb(colours()["light"]["nan"]), 255]
    assert unknown == [*rgb(colours()["light"]["unknown"]), 255]


def test_the_drawing_names_head_tokens_and_legend() -> None:
    outline = Outline(heads_html(causal_trace(), 1, 3, "attn-0a", "I love <b>pizza</b>"))
    texts = [node.text for node in outline.svg.iter(f"{SVG}text")]
    for expected in ("L1H3", "L0H0", "pizza", "‹start›", "masked", "not a number", "not captured", "predicts", "0.10"):
        assert expected in texts
    assert "I love <b>pizza</b>" in texts
    assert ("id", "attn-0a") in outline.attributes


def test_the_table_says_what_each_row_looks_at_most() -> None:
    trace = causal_trace()
    text = " ".join(Outline(heads_html(trace, 1, 3, "attn-0a")).text)
    assert f"drink pizza {trace.weights(1, 3)[7, 5]:.4g} beer 0.80" in text


def test_hostile_tokens_stay_text() -> None:
    count = len(HOSTILE)
    trace = causal_trace(tokens=HOSTILE)
    outline = Outline(heads_html(trace, 0, 0, "attn-0a", HOSTILE[0]))
    assert set(outline.tags) == {"figure", "img", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}
    assert {name for name, _ in outline.attributes} == {"id", "style", "alt", "src"}
    assert len(list(outline.svg.iter())) < 60 + 8 * count
    assert not list(outline.svg.iter(f"{SVG}img"))
    shown = " ".join(outline.text)
    assert "\\x00\\x1b[31m" in shown
    assert "\\u202ereversed" in shown


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (2, 300), (300, 2), (600, 600)])
def test_any_shape_is_drawn_and_a_large_one_says_that_it_is_reduced(queries: int, keys: int) -> None:
    weights = np.zeros((1, queries, keys), np.float32)
    weights[0, -1, -1] = 1
    outline = Outline(heads_html(AttentionTrace.from_arrays(weights), 0, 0, "attn-0a"))
    image = first_png(outline.svg).convert("RGB")
    assert max(image.size) <= LARGEST
    assert image.getpixel((image.width - 1, image.height - 1)) == tuple(palette("light")[255])
    reading = " ".join(node.text or "" for node in outline.svg.iter(f"{SVG}text"))
    assert ("maximum of" in reading) == (max(queries, keys) > LARGEST)


def test_a_row_that_sees_nothing_is_said_to() -> None:
    record = WeightsRecord(np.zeros((1, 2, 2), np.float32), np.array([[[False, False], [True, True]]]))
    trace = AttentionTrace([Block("encoder", 0, ("a", "b"), ("a", "b"), record)])
    assert "a nothing" in " ".join(Outline(heads_html(trace, 0, 0, "attn-0a")).text)


def test_a_row_of_masked_cells_and_nan_looks_at_no_number() -> None:
    weights = np.array([[0, np.nan], [np.nan, 0.5]], np.float32)
    trace = AttentionTrace.from_arrays(weights, ["a", "b"], mask=np.array([[False, True], [True, True]]))
    text = " ".join(Outline(heads_html(trace, 0, 0, "attn-0a")).text)
    assert "a not a number" in text
    assert "b b 0.5" in text
