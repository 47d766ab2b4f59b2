"""The training panel: what it keeps, what it sends, what a saved notebook keeps."""

from __future__ import annotations

import base64
import io
import itertools
import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attn_widgets import __version__
from attn_widgets.errors import ConfigError
from attn_widgets.history import History, Phase, Point, Progress, Validation
from attn_widgets.panels import training
from attn_widgets.panels.curve import HEIGHT, WIDTH
from attn_widgets.panels.svg import text_width
from attn_widgets.panels.training import MOST_POINTS, TrainingPanel
from tests.panel_traces import Wire


def report(step: int, phase: Phase = "step", steps: int = 1000, loss: float | None = None, **more: Any) -> Progress:
    return Progress(phase, step, steps, 1e4, step / 10, 1.0, 3.0 / step if loss is None else loss, **more)


@pytest.fixture
def panel() -> TrainingPanel:
    return TrainingPanel()


def test_at_most_500_points_are_sent_each_the_mean_of_as_many_steps(panel: TrainingPanel) -> None:
    losses = [math.cos(step) for step in range(1, 1801)]
    for step, loss in enumerate(losses, 1):
        panel.update(report(step, "done" if step == 1800 else "step", 1800, loss))
    sent = np.frombuffer(panel._points, "<f4").reshape(-1, 2)
    assert len(sent) == 450 <= MOST_POINTS
    np.testing.assert_allclose(sent[:, 1], np.array(losses).reshape(-1, 4).mean(1), rtol=1e-5)
    np.testing.assert_allclose(sent[:, 0], np.arange(1, 1801).reshape(-1, 4).mean(1))


def test_the_page_follows_at_most_ten_times_a_second_and_gets_the_end(
    panel: TrainingPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: clock[0])
    wire = Wire(panel)
    for step in range(1, 301):
        clock[0] += 0.01
        panel.update(report(step, "done" if step == 300 else "step", 300))
    assert 25 <= len(wire.states) <= 32
    assert panel._progress["step"] == 300
    assert wire.states[-1]["_progress"]["phase"] == "done"


def test_validations_are_kept_once_and_the_best_is_marked(panel: TrainingPanel) -> None:
    for step in range(1, 41):
        at = step - step % 10
        panel.update(report(step, validation=Validation(at, abs(at - 20) + 1.0, 0.5) if at else None))
    panel.update(report(41, "interrupted"))
    assert [v["step"] for v in panel._validations] == [10, 20, 30, 40]
    assert panel._progress["best"] == {"step": 20, "loss": 1.0, "nats_per_character": 0.5}


def test_a_resumed_run_shows_what_is_behind_it() -> None:
    behind = History([Point(1, 4.0), Point(2, 3.0)], [Validation(2, 3.1, 0.9)])
    panel = TrainingPanel(behind)
    panel.update(report(3, "done", loss=2.5))
    assert [loss for _, loss in panel.curve()] == [4.0, 3.0, 2.5]
    assert behind.train == [Point(1, 4.0), Point(2, 3.0)]


def test_a_loss_that_is_no_number_stays_one(panel: TrainingPanel) -> None:
    panel.update(report(1, loss=math.nan, phase="stopped"))
    assert math.isnan(panel.curve()[0][1])
    assert panel._progress["train_loss"] is None


def test_the_page_can_set_nothing(panel: TrainingPanel) -> None:
    wire = Wire(panel)
    wire.set(_progress={"step": 10**9})
    assert panel._progress["step"] == 0


def test_the_picture_is_displayed_when_the_run_ends(panel: TrainingPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    panel._ipython_display_()
    assert [list(data) for data in shown] == [["application/vnd.jupyter.widget-view+json", "text/plain"]]
    panel.update(report(5))
    panel.update(report(6, "done", validation=Validation(6, 1.25, 0.31), floor=1.0213))
    panel.update(report(6, "done"))
    assert [list(data) for data in shown[1:]] == [["text/html"]]
    assert "Trained: 6 of 1000 steps, best validation loss 1.2500 at step 6" in shown[1]["text/html"]
    assert f'id="{panel._snapshot}"' in shown[1]["text/html"]


RUNGS = ((2, 2.5), (3, 2.0), (4, 1.5))


def drawn(panel: TrainingPanel) -> str:
    """The SVG inside a panel's picture."""
    (data,) = re.findall(r"base64,([^\"]+)", panel.snapshot())
    return base64.b64decode(data).decode()


def test_what_is_beaten_is_said_and_where_validation_turns_is_marked(panel: TrainingPanel) -> None:
    losses = [2.7, 2.2, 1.6, 1.9]
    said = []
    for i, loss in enumerate(losses, 1):
        panel.update(report(10 * i, "validate", 40, loss, validation=Validation(10 * i, loss, 0.5), rungs=RUNGS))
        said.append((panel.beaten(), panel._state()["_progress"]["turned"]))
    assert said == [
        ("", False),
        ("You have just beaten the 2-gram (2.500); next is the 3-gram (2.000).", False),
        ("You have just beaten the 3-gram (2.000); next is the 4-gram (1.500).", False),
        ("You have beaten the 3-gram (2.000) at step 30; next is the 4-gram (1.500).", True),
    ]
    panel.update(report(40, "done", 40, 1.2, rungs=RUNGS, note="a note"))
    assert panel._progress["rungs"] == [[2, 2.5], [3, 2.0], [4, 1.5]]
    assert panel._progress["turned"]
    page, svg = panel.snapshot(), drawn(panel)
    assert "<p>You have beaten the 3-gram (2.000) at step 30; next is the 4-gram (1.500).</p><p>a note</p>" in page
    assert all(f">{label}<" in svg for label in ("2-gram 2.500", "3-gram 2.000", "4-gram 1.500", "best, step 30"))
    assert svg.count('stroke-dasharray="1.5 3"') == 3


def test_nothing_turns_while_the_last_is_the_best_and_rungs_above_the_losses_are_left_out(panel: TrainingPanel) -> None:
    for i, loss in enumerate([1.4, 1.2], 1):
        validation = Validation(10 * i, loss, 0.5)
        panel.update(report(10 * i, "done", 20, loss, validation=validation, rungs=((2, 9.0), (3, 1.3))))
    svg = drawn(panel)
    assert "best, step" not in svg
    assert "2-gram" not in svg
    assert "3-gram 1.300" in svg


def test_no_label_covers_another_or_leaves_the_picture(panel: TrainingPanel) -> None:
    rungs = ((2, 1.52), (3, 1.31), (4, 1.27), (5, 1.26))
    for i in range(1, 11):
        loss = 1.2 + 0.02 * abs(i - 5) + 3 * math.exp(-2 * i)
        validation = Validation(10 * i, loss, 0.5)
        panel.update(report(10 * i, "done", 100, loss - 0.1, validation=validation, rungs=rungs, floor=1.02))
    boxes = []
    pattern = r'<text x="([\d.]+)" y="([\d.]+)" font-size="(\d+)" text-anchor="(\w+)"[^>]*>([^<]+)'
    words = re.findall(pattern, drawn(panel))
    for x, y, size, anchor, word in words:
        width = text_width(word, float(size)) * 0.85
        left = float(x) - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        boxes.append((left, float(y) - 0.8 * float(size), left + width, float(y) + 1, word))
    assert "best, step 50" in [box[4] for box in boxes]
    assert max(box[2] for box in boxes) <= WIDTH
    for a, b in itertools.combinations(boxes, 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart, f"{a[4]} covers {b[4]}"


def trained() -> TrainingPanel:
    panel = TrainingPanel(about={"run": "pizza", "seed": 3})
    for step in range(1, 41):
        at = step - step % 10
        seen = Validation(at, abs(at - 20) / 10 + 1.5, 0.5) if at else None
        panel.update(report(step, "done" if step == 40 else "step", 40, validation=seen))
    return panel


def test_the_curve_is_saved_with_its_provenance(tmp_path: Path) -> None:
    root = ET.parse(trained().save(tmp_path / "loss.svg", width=5)).getroot()
    assert root.get("width") == "5in"
    texts = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Trained: 40 of 40 steps, best validation loss 1.5000 at step 20", "training", "validation"} <= texts
    curves = [line.attrib["points"].split() for line in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert max(map(len, curves)) == 40
    about = json.loads(root.findtext(".//{http://purl.org/dc/elements/1.1/}description") or "")
    assert about == {
        "panel": "TrainingPanel", "run": "pizza", "seed": 3, "step": 40, "steps": 40, "phase": "done",
        "best_loss": 1.5, "best_step": 20, "version": f"attn_widgets {__version__}",
    }  # fmt: skip


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_the_curve_is_saved_as_a_picture(tmp_path: Path, ending: str) -> None:
    data = trained().save(tmp_path / f"loss.{ending}", dpi=100).read_bytes()
    if ending == "pdf":
        assert data.startswith(b"%PDF")
        return
    image = Image.open(io.BytesIO(data))
    assert image.size == (600, 600 * HEIGHT // WIDTH)
    assert json.loads(image.info["Description"])["run"] == "pizza"


def test_a_run_without_losses_is_saved_as_an_empty_chart(tmp_path: Path, panel: TrainingPanel) -> None:
    assert b"Starting: 0 of 0 steps" in panel.save(tmp_path / "loss.svg").read_bytes()
    with pytest.raises(ConfigError, match=r"cannot save as 'loss\.gif'"):
        panel.save(tmp_path / "loss.gif")
