"""The training panel: what it keeps, what it sends, what a saved notebook keeps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from attn_widgets.history import History, Phase, Point, Progress, Validation
from attn_widgets.panels import training
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
