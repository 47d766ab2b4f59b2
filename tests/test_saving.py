"""`panel.save`: vector text and a size in inches in an SVG, the same picture as PNG and PDF, all with provenance."""

from __future__ import annotations

import base64
import builtins
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attn_widgets import __version__
from attn_widgets.errors import ConfigError
from attn_widgets.panels import files, svg, tiles
from attn_widgets.panels.colours import palette
from attn_widgets.panels.figures import head_figure
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.panels.saving import describe, save_figure
from attn_widgets.trace import AttentionTrace, Block, WeightsRecord
from tests.hostile import TABLE, TOKENS, is_harmless
from tests.panel_traces import WORDS, causal_trace

SVG = "{http://www.w3.org/2000/svg}"
DC = "{http://purl.org/dc/elements/1.1/}"


def panel(**options: Any) -> HeadPanel:
    trace = causal_trace()
    about = {"model": "0123456789ab", "run": "pizza", "text": "I love to eat pizza"}
    return HeadPanel(AttentionTrace(trace.blocks, trace.predictions, about), layer=1, head=3, **options)


def described(root: ET.Element) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(root.findtext(f".//{DC}description") or "")
    return found


def texts(root: ET.Element) -> list[str]:
    return [node.text or "" for node in root.iter(f"{SVG}text")]


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def matrix_of(root: ET.Element) -> Image.Image:
    image = next(root.iter(f"{SVG}image"))
    return Image.open(io.BytesIO(base64.b64decode(image.attrib["href"].removeprefix("data:image/png;base64,"))))


def test_an_svg_holds_its_labels_as_text_and_its_size_in_inches(tmp_path: Path) -> None:
    path = panel(title="I love to eat pizza").save(tmp_path / "fig.svg")
    root = ET.parse(path).getroot()
    assert root.get("width") == "6in"
    _, _, across, down = map(float, (root.get("viewBox") or "").split())
    assert float((root.get("height") or "").removesuffix("in")) == pytest.approx(6 * down / across, rel=1e-4)
    assert {*WORDS, "L1H3", "I love to eat pizza", "predicts", "masked", "zero", "not captured"} <= set(texts(root))


def test_the_saved_matrix_is_the_trace_s(tmp_path: Path) -> None:
    saved = panel()
    shown = np.asarray(matrix_of(ET.parse(saved.save(tmp_path / "fig.svg")).getroot()).convert("RGBA")).astype(int)
    times = len(shown) // 10
    assert shown.shape == (10 * times, 10 * times, 4)
    middle = shown[times // 2 :: times, times // 2 :: times]
    weights, visible = saved.trace.weights(1, 3), saved.trace.visible(1, 3)
    read = np.abs(middle[..., None, :3] - palette("light").astype(int)).sum(-1).argmin(-1) / 255
    assert np.abs(read - weights)[visible].max() < 1 / 252
    assert ((middle[..., 3] == 255) == visible).all()


def test_the_metadata_says_what_is_shown_and_where_it_comes_from(tmp_path: Path) -> None:
    root = ET.parse(panel().save(tmp_path / "fig.svg")).getroot()
    assert described(root) == {
        "panel": "HeadPanel",
        "model": "0123456789ab",
        "run": "pizza",
        "text": "I love to eat pizza",
        "version": f"attn_widgets {__version__}",
        "layer": 1,
        "head": 3,
        "aggregation": "one head",
    }
    assert root.findtext(f"{SVG}title") == "HeadPanel L1H3"


def test_metadata_is_json_also_where_a_value_is_no_number() -> None:
    def refuse(word: str) -> None:
        raise ValueError(word)

    told = json.loads(describe({"loss": float("nan"), "best": float("inf"), "steps": 3}), parse_constant=refuse)
    assert told == {"loss": "nan", "best": "inf", "steps": 3}


def test_a_mean_is_saved_as_a_mean(tmp_path: Path) -> None:
    root = ET.parse(panel(mean=True).save(tmp_path / "fig.svg")).getroot()
    about = described(root)
    assert "head" not in about
    assert about["aggregation"] == "mean of heads"
    assert texts(root)[0] == "L1 mean"


def shown(panel: HeadPanel) -> tuple[list[str], np.ndarray]:
    """Texts of a panel's figure, and the weights read back from its colours; -1 where there is none."""
    root = ET.fromstring(panel.figure())
    image = matrix_of(root).convert("RGBA")
    labels = [text for text in texts(root) if text in set(panel.trace.tokens)]
    small = np.asarray(image).astype(int)
    times = 1024 // max(len(set(labels)), 1)
    cells = small[times // 2 :: times, times // 2 :: times]
    read = np.abs(cells[..., None, :3] - palette("light").astype(int)).sum(-1).argmin(-1) / 255
    return texts(root), np.where(cells[..., 3] == 255, read, -1)


def test_combined_heads_are_drawn_and_named() -> None:
    saved = panel(mean=True, over="all", how="max")
    found, weights = shown(saved)
    most = np.max([saved.trace.weights(*place) for place in saved.trace.iter_heads()], 0)
    assert found[0] == "max of all heads"
    assert np.abs(weights - most)[saved.trace.visible(0, 0)].max() < 1 / 252
    assert saved.provenance()["aggregation"] == "max of all heads"
    pinned = panel(mean=True, over="pinned", pinned=[(0, 1), (1, 3)])
    assert shown(pinned)[0][0] == "mean of L0H1, L1H3"


def test_what_is_filtered_sorted_and_cut_is_so_in_the_figure_and_said() -> None:
    saved = panel(threshold=0.2, hide_special=True, last=3, by_weight=True, query=8, locked=True)
    found, _ = shown(saved)
    assert {"Weights under 0.2 are left out.", "Special tokens are left out.", "The last 3 rows."} <= set(found)
    row = saved.trace.weights(1, 3)[8, 1:]
    order = np.argsort(np.where(row >= 0.2, -row, 0), kind="stable")
    labels = [text for text in found if text in WORDS]
    assert labels[:12] == [*WORDS[7:], *(WORDS[1:][i] for i in order)]
    told = saved.provenance()
    assert {name: told[name] for name in ("threshold", "hide_special", "last", "by_weight")} == {
        "threshold": 0.2, "hide_special": True, "last": 3, "by_weight": True,
    }  # fmt: skip


def test_logarithms_are_drawn_on_their_own_scale() -> None:
    found = texts(ET.fromstring(panel(value="log").figure()))
    assert {"-9.21", "-4.61", "0"} <= set(found)
    assert "Colours are natural logarithms of weights, from 1/10,000 on." in found


def test_a_large_matrix_is_computed_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    large = HeadPanel(causal_trace(1, 1, tuple(f"t{i}" for i in range(600))))
    whole = large.figure()
    assert "maximum of 3×3 cells" in whole
    monkeypatch.setattr(tiles, "ROWS_AT_ONCE", 5000)
    assert large.figure() == whole
    assert matrix_of(ET.fromstring(whole)) == matrix_of(ET.fromstring(head_figure(large.trace, 0, 0)))


def test_a_moment_is_saved_with_its_own_tokens(tmp_path: Path) -> None:
    early = causal_trace(tokens=WORDS[:4])
    moved = HeadPanel(causal_trace(), moments=[(5, early)])
    moved.moment = 0
    root = ET.parse(moved.save(tmp_path / "fig.svg")).getroot()
    assert described(root)["text"] == "‹start› I love to"
    assert "pizza" not in texts(root)


@pytest.mark.parametrize(("width", "dpi"), [(6.0, 300), (3.25, 96), (1, 72)])
def test_a_png_has_its_width_in_inches_and_the_same_metadata(tmp_path: Path, width: float, dpi: int) -> None:
    saved = panel()
    image = opened(saved.save(tmp_path / "fig.png", width=width, dpi=dpi))
    assert abs(image.width - width * dpi) <= 1
    assert image.info["dpi"] == pytest.approx((dpi, dpi), rel=1e-3)
    root = ET.fromstring(saved.figure())
    _, _, across, down = map(float, (root.get("viewBox") or "").split())
    assert image.height == pytest.approx(image.width * down / across, abs=1)
    described_svg = described(ET.parse(saved.save(tmp_path / "fig.svg")).getroot())
    assert json.loads(image.info["Description"]) == described_svg
    assert image.info["Software"] == f"attn_widgets {__version__}"


def test_a_png_shows_the_weights_in_its_pixels(tmp_path: Path) -> None:
    saved = panel()
    image = np.asarray(opened(saved.save(tmp_path / "fig.png")).convert("RGB")).astype(int)
    root = ET.fromstring(saved.figure())
    box = {name: float(next(root.iter(f"{SVG}image")).attrib[name]) for name in ("x", "y", "width", "height")}
    scale = 1800 / float(root.attrib["width"])
    weights, visible = saved.trace.weights(1, 3), saved.trace.visible(1, 3)
    for row, column in np.argwhere(visible):
        x = (box["x"] + (column + 0.3) * box["width"] / 10) * scale
        y = (box["y"] + (row + 0.3) * box["height"] / 10) * scale
        distance = np.abs(palette("light").astype(int) - image[int(y), int(x)]).sum(-1)
        assert abs(distance.argmin() / 255 - weights[row, column]) < 1 / 252


def test_a_pdf_has_its_size_in_points_its_fonts_and_the_same_metadata(tmp_path: Path) -> None:
    saved = panel()
    pdf = saved.save(tmp_path / "fig.pdf", width=4).read_bytes()
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert box is not None
    assert float(box[1]) == 288
    assert b"/FontFile" in pdf
    subject = re.findall(rb"/Subject <(\w+)>", pdf)[-1]
    described_svg = described(ET.parse(saved.save(tmp_path / "fig.svg")).getroot())
    assert json.loads(bytes.fromhex(subject.decode()).decode("utf-16")) == described_svg
    start = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    assert pdf[start:].startswith(b"xref")
    place = int(pdf[start:].split(b"\n")[2].split()[0])
    assert pdf[place:].startswith(re.search(rb"/Info (\d+) 0 R", pdf[start:])[1] + b" 0 obj")  # type: ignore[index]


def test_equal_panels_write_equal_files(tmp_path: Path) -> None:
    for name in ("fig.svg", "fig.png"):
        first = panel().save(tmp_path / name).read_bytes()
        assert panel().save(tmp_path / name).read_bytes() == first


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_hostile_tokens_are_saved_as_text(tmp_path: Path, ending: str) -> None:
    saved = HeadPanel(causal_trace(tokens=TOKENS), title=TOKENS[1])
    path = saved.save(tmp_path / f"fig.{ending}")
    assert path.stat().st_size < 2_000_000
    if ending == "png":
        assert is_harmless(opened(path).info["Description"])
    if ending != "svg":
        return
    written = path.read_text("utf-8")
    assert is_harmless(written)
    root = ET.fromstring(written)
    drawn = {"rect", "defs", "pattern", "line", "text", "image", "linearGradient", "stop", "path"}
    told = {"RDF", "Work", "Agent", "format", "title", "creator", "description", "metadata"}
    assert {node.tag.split("}")[1] for node in root.iter()} == {"svg", *drawn, *told}
    assert not {name for node in root.iter() for name in node.attrib if name.startswith("on")}
    labels = texts(root)
    for hostile in TABLE:
        assert any(label.startswith(hostile.shown[:6]) for label in labels), hostile.name


def test_what_a_panel_forgot_to_escape_is_escaped_in_the_file(tmp_path: Path) -> None:
    drawn = svg.drawing(10, 10, svg.text(0, 0, "a\x00b\ud800c\x1b"))
    assert svg.clean(drawn) == drawn
    raw = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><text>\x00\ud800</text></svg>'
    for figure, shown in ((drawn, "a\\x00b\\ud800c\\x1b"), (raw, "\\x00\\ud800")):
        assert texts(ET.parse(save_figure(figure, tmp_path / "fig.svg", {})).getroot()) == [shown]


def test_states_are_marked_in_the_figure() -> None:
    weights = np.array([[[0, np.nan, 0, 0, 0.5, np.inf]]], np.float32)
    visible = np.array([[[True, True, False, True, True, True]]])
    captured = np.array([[[True, True, True, False, True, True]]])
    tokens = tuple("abcdef")
    trace = AttentionTrace([Block("decoder", 0, ("a",), tokens, WeightsRecord(weights, visible, captured))])
    dots, crosses, *_ = (node.get("d", "") for node in ET.fromstring(head_figure(trace, 0, 0)).iter(f"{SVG}path"))
    assert dots.count("M") == 1
    assert crosses.count("M") == 4  # two strokes for each of NaN and infinity


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (2, 300), (300, 2), (600, 600)])
def test_any_shape_is_saved(tmp_path: Path, queries: int, keys: int) -> None:
    saved = HeadPanel(np.full((1, queries, keys), 0.5, np.float32), tokens=None)
    image = opened(saved.save(tmp_path / "fig.png", width=2, dpi=100))
    assert abs(image.width - 200) <= 1
    assert image.height < 600


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("fig.gif", {}, "cannot save as 'fig.gif'; end the name in .svg, .png, .pdf"),
        ("fig", {}, "cannot save as 'fig'; end the name in"),
        ("fig.svg", {"width": 0}, "width must be a number from 0.1 to 100; given 0"),
        ("fig.svg", {"width": float("nan")}, "width must be a number"),
        ("fig.png", {"dpi": "300"}, "dpi must be a number from 1 to 10000; given '300'"),
        ("fig.png", {"width": 100, "dpi": 300}, "is 30000 pixels; 1 to 20000 fit"),
        ("fig.png", {"width": 0.1, "dpi": 1}, "is 0 pixels"),
        ("missing/fig.svg", {}, "give a file name in a folder that exists"),
    ],
)
def test_what_cannot_be_saved_is_refused_in_one_line(
    tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        panel().save(tmp_path / name, **options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "fig.svg"
    target.write_text("before")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        panel().save(target)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_without_the_converter_a_png_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "vl_convert":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'attn-widgets\[save\]'; or save as \.svg"):
        panel().save(tmp_path / "fig.png")
    assert panel().save(tmp_path / "fig.svg").exists()
