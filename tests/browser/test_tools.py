"""Copying and saving from a page on disk, in real Chromium: files as downloaded, the clipboard read back."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from attn_widgets.panels import export
from attn_widgets.panels.base import STATIC
from attn_widgets.panels.colours import palette
from attn_widgets.panels.tokens import visible
from attn_widgets.panels.wire import state_bytes, visible_line, weight_bytes
from attn_widgets.trace import AttentionTrace
from tests.browser.cells import Cells
from tests.hostile import TABLE, TOKENS, is_harmless
from tests.panel_traces import WORDS, causal_trace

JS = Path(__file__).parents[2] / "js"
SVG = "{http://www.w3.org/2000/svg}"
DESCRIPTION = ".//{http://purl.org/dc/elements/1.1/}description"
ABOUT = {"model": "0123456789ab", "run": "pizza", "layer": 0, "head": 0, "aggregation": "one head", "version": "x 1"}

Open = Callable[..., Locator]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small view with tools of js/tests/toolsdemo.ts, built, beside the host of exported pages."""
    folder = tmp_path_factory.mktemp("static")
    shutil.copy(STATIC / "host.js", folder)
    demo, target = JS / "tests" / "toolsdemo.ts", folder / "toolsdemo.js"
    build = [
        str(JS / "node_modules" / ".bin" / "esbuild"),
        str(demo),
        "--bundle",
        "--format=esm",
        f"--outfile={target}",
    ]
    subprocess.run([*build, "--charset=utf8", "--log-level=error"], check=True)
    return folder


@pytest.fixture
def open_demo(watched: Any, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Write the view as an exported page, with the page's own policy, and open the file."""
    monkeypatch.setattr(export, "STATIC", bundle)

    def opened(trace: AttentionTrace, *, title: str = "", scheme: str = "light", **more: Any) -> Locator:
        tokens = [visible(token) for token in trace.tokens]
        spec = {
            "title": visible_line(title),
            "tokens": tokens,
            "about": {**ABOUT, "text": " ".join(tokens)[:500]},
            **more,
        }
        data = {"_weights": weight_bytes(trace.weights(0, 0)), "_states": state_bytes(trace.states(0, 0))}
        page = export.page("toolsdemo.js", {"_spec": spec}, data, visible_line(title))
        path = export.write_page(tmp_path / "page.html", page)
        watched.page.emulate_media(color_scheme=scheme)
        watched.page.goto(path.as_uri())
        expect(watched.page.locator("canvas[data-cells]")).to_be_visible()
        found: Locator = watched.page.locator("section.attn")
        return found

    yield opened
    assert watched.errors == []
    assert watched.refused == []


def saved(panel: Locator, watched: Any, button: str, folder: Path) -> Path:
    with watched.page.expect_download() as download:
        panel.get_by_role("button", name=button).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def copied(panel: Locator, watched: Any) -> str:
    watched.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.get_by_role("button", name="Copy CSV").click()
    expect(panel.locator(".attn-tools-said")).to_contain_text("copied")
    text: str = watched.page.evaluate("navigator.clipboard.readText()")
    return text


def texts(root: ET.Element) -> list[str]:
    return [node.text or "" for node in root.iter(f"{SVG}text")]


def test_an_svg_is_downloaded_with_its_text_as_text(open_demo: Open, watched: Any, tmp_path: Path) -> None:
    panel = open_demo(causal_trace(), title="I love to eat pizza")
    path = saved(panel, watched, "Save SVG", tmp_path)
    assert path.name == "L0H0.svg"
    expect(panel.locator(".attn-tools-said")).to_have_text("saved L0H0.svg")
    root = ET.parse(path).getroot()
    found = texts(root)
    assert all(found.count(word) == 2 for word in WORDS)
    assert {"L0H0", "I love to eat pizza", "masked", "zero", "not a number", "not captured", "0.5"} <= set(found)
    assert json.loads(root.findtext(DESCRIPTION) or "") == {**ABOUT, "text": " ".join(WORDS)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_svg_opened_as_a_file_looks_as_the_panel(
    open_demo: Open, watched: Any, tmp_path: Path, scheme: str
) -> None:
    trace = causal_trace()
    path = saved(open_demo(trace, scheme=scheme), watched, "Save SVG", tmp_path)
    watched.page.set_viewport_size({"width": 640, "height": 600})
    watched.page.goto(path.as_uri())
    assert [node.text_content() for node in watched.page.locator("text").all()].count("pizza") == 2
    shot = np.asarray(Image.open(io.BytesIO(watched.page.screenshot())).convert("RGB")).astype(int)
    check_cells(shot, 1, trace, "dark" if scheme == "dark" else "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_png_is_three_times_as_fine_and_shows_the_weights(
    open_demo: Open, watched: Any, tmp_path: Path, scheme: str
) -> None:
    trace = causal_trace()
    path = saved(open_demo(trace, title="‹start› of it", scheme=scheme), watched, "Save PNG", tmp_path)
    image = Image.open(io.BytesIO(path.read_bytes()))
    root = ET.parse(saved(watched.page.locator("section.attn"), watched, "Save SVG", tmp_path)).getroot()
    assert image.size == (3 * int(root.attrib["width"]), 3 * int(root.attrib["height"]))
    assert int(root.attrib["height"]) == 130 + 300 + 2 + 34 + 50 + 24
    assert image.info["dpi"] == pytest.approx((288, 288), abs=0.1)
    assert image.info["Title"] == "L0H0 ‹start› of it"
    assert json.loads(image.info["Description"])["model"] == "0123456789ab"
    check_cells(np.asarray(image.convert("RGB")).astype(int), 3, trace, "dark" if scheme == "dark" else "light")


def check_cells(shown: np.ndarray, scale: int, trace: AttentionTrace, theme: Any) -> None:
    """Compare the pixels of a saved picture with the trace; its matrix begins at 12 + 120, 12 + 34 + 130."""
    weights, seen = trace.weights(0, 0), trace.visible(0, 0)
    for row, column in np.argwhere(seen):
        x, y = 132 + 30 * column + 20, 176 + 30 * row + 20
        distance = np.abs(palette(theme).astype(int) - shown[scale * y, scale * x]).sum(-1)
        assert distance.min() == 0
        assert abs(distance.argmin() / 255 - weights[row, column]) <= 1 / 255


def test_values_are_copied_as_csv(open_demo: Open, watched: Any) -> None:
    trace = causal_trace()
    panel = open_demo(trace)
    rows = list(csv.reader(io.StringIO(copied(panel, watched), newline="")))
    expect(panel.locator(".attn-tools-said")).to_have_text("copied 100 values")
    assert rows[0] == ["query \\ key", *WORDS]
    assert [row[0] for row in rows[1:]] == list(WORDS)
    for row, line in enumerate(rows[1:]):
        values = np.array(line[1 : row + 2], np.float32)
        np.testing.assert_array_equal(values, trace.weights(0, 0)[row, : row + 1])
        assert line[row + 2 :] == ["masked"] * (9 - row)


def test_without_the_right_to_copy_it_is_copied_the_old_way(open_demo: Open, watched: Any) -> None:
    panel = open_demo(causal_trace())
    watched.page.context.grant_permissions(["clipboard-read"])
    watched.page.evaluate("Object.defineProperty(navigator.clipboard, 'writeText', { value: undefined })")
    panel.get_by_role("button", name="Copy CSV").focus()
    watched.page.keyboard.press("Enter")
    expect(panel.locator(".attn-tools-said")).to_have_text("copied 100 values")
    text = watched.page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("query \\ key,‹start›,I,")
    assert text.endswith("\r\n")
    assert watched.page.locator("textarea").count() == 0
    expect(panel.get_by_role("button", name="Copy CSV")).to_be_focused()


def test_where_nothing_can_be_copied_a_file_is_saved(open_demo: Open, watched: Any, tmp_path: Path) -> None:
    panel = open_demo(causal_trace())
    watched.page.evaluate("Object.defineProperty(navigator.clipboard, 'writeText', { value: undefined })")
    watched.page.evaluate("document.execCommand = () => false")
    path = saved(panel, watched, "Copy CSV", tmp_path)
    assert path.name == "L0H0.csv"
    assert path.read_text("utf-8-sig").startswith("query \\ key,‹start›,I,")
    expect(panel.locator(".attn-tools-said")).to_have_text("this page may not copy; saved L0H0.csv instead")


def test_an_error_is_said_in_one_line(open_demo: Open) -> None:
    panel = open_demo(causal_trace(), empty=True)
    for button in ("Copy CSV", "Save PNG", "Save SVG"):
        panel.get_by_role("button", name=button).click()
        said = panel.locator(".attn-tools-said[data-well=false]")
        expect(said).to_have_text("nothing is on show yet; try again in a moment")


def test_projector_makes_everything_larger_and_pointing_still_meets(open_demo: Open, watched: Any) -> None:
    trace = causal_trace()
    panel = open_demo(trace)
    button = panel.get_by_role("button", name="Projector")
    text, canvas = panel.locator(".attn-say"), panel.locator("canvas")
    before = [node.bounding_box() for node in (text, canvas)]
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    after = [node.bounding_box() for node in (text, canvas)]
    assert after[1]["width"] == pytest.approx(1.6 * before[1]["width"], rel=0.01)  # type: ignore[index]
    assert after[0]["height"] == pytest.approx(1.6 * before[0]["height"], rel=0.1)  # type: ignore[index]
    assert canvas.evaluate("node => node.width") == pytest.approx(1.6 * before[1]["width"], abs=2)  # type: ignore[index]
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    watched.page.mouse.click(box["x"] + 1.6 * (120 + 30 * 5.5), box["y"] + 1.6 * (130 + 30 * 7.5))
    expect(text).to_have_text("cell 7 5")
    assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert canvas.bounding_box()["width"] == before[1]["width"]  # type: ignore[index]
    Cells(panel).click(2, 1)
    expect(text).to_have_text("cell 2 1")


def test_what_is_saved_is_the_same_while_projected(open_demo: Open, watched: Any, tmp_path: Path) -> None:
    panel = open_demo(causal_trace())
    before = saved(panel, watched, "Save SVG", tmp_path).read_bytes()
    panel.get_by_role("button", name="Projector").click()
    assert saved(panel, watched, "Save SVG", tmp_path).read_bytes() == before


def test_hostile_tokens_are_text_in_all_that_is_saved(open_demo: Open, watched: Any, tmp_path: Path) -> None:
    panel = open_demo(causal_trace(tokens=TOKENS), title=TOKENS[1])
    rows = list(csv.reader(io.StringIO(text := copied(panel, watched), newline="")))
    assert is_harmless(text)
    names = [visible(token) for token in TOKENS]
    assert [row[0].removeprefix("'") for row in rows[1:]] == names
    assert all(len(row) == len(TOKENS) + 1 for row in rows)
    assert not [name for row in rows for name in row if name[:1] in set("=+-@")]
    path = saved(panel, watched, "Save SVG", tmp_path)
    assert is_harmless(path.read_text("utf-8"))
    found = texts(ET.parse(path).getroot())
    for hostile in TABLE:
        assert any(label.startswith(hostile.shown[:8]) for label in found), hostile.name
    png = Image.open(io.BytesIO(saved(panel, watched, "Save PNG", tmp_path).read_bytes()))
    assert is_harmless(png.info["Title"] + png.info["Description"])
    watched.page.goto(path.as_uri())
    assert watched.page.locator("script, foreignObject, img, a").count() == 0
    assert "hacked" not in watched.page.evaluate("document.documentElement.getAttribute('data-hacked') ?? ''")
    assert watched.page.evaluate("document.title") == f"L0H0 {TOKENS[1]}"
    assert watched.page.locator("text").first.text_content() == names[0][:15] + "…"
