"""A small matrix: the same numbers as text and as a picture, and nothing but text from its names."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.panels.matrix import Matrix

SVG = "{http://www.w3.org/2000/svg}"
VALUES = np.array([[1.0, -0.5], [-0.0001, -np.inf]])


def drawing(matrix: Matrix) -> ET.Element:
    source = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', matrix._repr_html_())
    return ET.fromstring(base64.b64decode(source[0]))


def test_text_is_an_aligned_table() -> None:
    assert repr(Matrix(VALUES, ["I", "love"], ["a", "b"], title="scores", digits=2)).splitlines() == [
        "scores",
        "         a      b",
        "   I  1.00  -0.50",
        "love  0.00   -inf",
    ]


def test_the_picture_shows_the_numbers_of_the_text() -> None:
    matrix = Matrix(VALUES, ["I", "love"], ["a", "b"], title="scores", digits=2)
    words = [node.text for node in drawing(matrix).iter(f"{SVG}text")]
    assert sorted(words) == sorted(repr(matrix).split())


def test_colours_tell_sign_and_size_and_what_is_not_finite() -> None:
    cells = [node.attrib for node in drawing(Matrix(VALUES)).iter(f"{SVG}rect")][1:]
    assert len({cell["fill"] for cell in cells}) == 3
    assert [float(cell.get("fill-opacity", -1)) for cell in cells] == [0.75, 0.375, 0.0, -1]


def test_names_default_to_positions_and_a_vector_is_one_row() -> None:
    matrix = Matrix([0.25, 0.75], digits=1)
    assert repr(matrix).split() == ["0", "1", "0", "0.2", "0.8"]


def test_hostile_names_stay_text() -> None:
    matrix = Matrix(np.zeros((1, 1)), ["<script>\n"], ["\u202eb"], title="</svg>")
    assert "<script>" not in matrix._repr_html_()
    assert "<script>⏎" in [node.text for node in drawing(matrix).iter(f"{SVG}text")]
    assert "\u202e" not in repr(matrix)


def test_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 rows and 2 columns named"):
        Matrix(VALUES, ["I"])
    with pytest.raises(ConfigError, match="given the shape"):
        Matrix(np.zeros((2, 2, 2)))
