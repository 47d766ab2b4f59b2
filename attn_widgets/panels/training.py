"""The training panel: how far a run is, how fast, and its loss curve beside what is reachable."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import traitlets

from attn_widgets.history import History, Phase, Progress, Validation, beaten
from attn_widgets.panels import curve, saving, wire
from attn_widgets.panels.base import STATIC, Panel, PanelError

MOST_POINTS = 500
"""Points of the training curve that are sent; each is the mean of as many steps."""

PAUSE = 0.1
"""Seconds between two updates of the page, except for the last."""

_ENDS: tuple[Phase, ...] = ("done", "interrupted", "stopped")


class TrainingPanel(saving.Saved, Panel):
    """A progress bar, the figures of a run, and its training and validation loss.

    Feed it with `update`; when the run ends, the curve is displayed once more as a static
    picture, which a saved notebook keeps. ``panel.save("loss.svg")`` writes the curve as it is
    at that moment, for a paper.

    Parameters
    ----------
    history
        What a resumed run has behind it.
    about
        What a saved curve says besides, for example ``{"run": "pizza", "seed": 0}``.
    """

    _esm = STATIC / "training.js"

    _progress = traitlets.Dict().tag(sync=True)
    _points = traitlets.Bytes().tag(sync=True)
    _validations: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, history: History | None = None, *, about: saving.About | None = None) -> None:
        self.about = dict(about or {})
        self.progress = Progress("start", 0, 0)
        self.history = History() if history is None else History(list(history.train), list(history.validation))
        self._train: list[tuple[int, float]] = [(point.step, point.loss) for point in self.history.train]
        self._sent_at = -1.0
        self._shown = self._pictured = False
        super().__init__(**self._state())

    def update(self, progress: Progress) -> None:
        """Take a report of the training loop; the page follows at most ten times a second."""
        self.progress = progress
        if progress.train_loss is not None and (not self._train or self._train[-1][0] < progress.step):
            self._train.append((progress.step, progress.train_loss))
        seen = self.history.validation
        if progress.validation is not None and (not seen or seen[-1].step < progress.validation.step):
            seen.append(progress.validation)
        ended = progress.phase in _ENDS
        now = time.monotonic()
        if ended or progress.phase == "start" or now - self._sent_at >= PAUSE:
            self._sent_at = now
            with self.hold_sync():
                for name, value in self._state().items():
                    setattr(self, name, value)
        if ended and self._shown and not self._pictured:
            self._pictured = True
            self._display_snapshot()

    def _state(self) -> dict[str, Any]:
        report = self.progress
        seen, best = self.history.validation, self._best()
        return {
            "_progress": {
                **{name: _plain(value) for name, value in asdict(report).items()},
                "validation": _validation(report.validation or next(reversed(seen), None)),
                "best": _validation(best),
                "turned": self.history.turn is not None,
                "rungs": [[order, _plain(loss)] for order, loss in report.rungs],
                "beaten": self.beaten(),
                "note": wire.visible_line(report.note),
            },
            "_points": np.array(self.curve(), "<f4").tobytes(),
            "_validations": [_validation(v) for v in seen],
        }

    def _best(self) -> Validation | None:
        """Return the best validation that was reported, also before those that this panel saw."""
        return min((v for v in (self.progress.best, *self.history.validation) if v), key=lambda v: v.loss, default=None)

    def beaten(self) -> str:
        """Say which n-gram model the validations have beaten, and which is next; '' before there is one."""
        seen = self.history.validation
        found = beaten(self.progress.rungs, seen)
        if found is None:
            return ""
        just = found.step == seen[-1].step and self.progress.phase not in _ENDS
        have, when = ("have just", "") if just else ("have", f" at step {found.step:,}")
        rest = "" if found.left is None else f"; next is the {found.left[0]}-gram ({found.left[1]:.3f})"
        return f"You {have} beaten the {found.order}-gram ({found.loss:.3f}){when}{rest}."

    def curve(self) -> list[tuple[float, float]]:
        """Training loss by step: means of equal pieces, at most `MOST_POINTS` points."""
        if not self._train:
            return []
        steps, losses = np.array(self._train, float).T
        starts = np.arange(0, len(steps), -(-len(steps) // MOST_POINTS))
        sizes = np.diff(starts, append=len(steps))
        means = (np.add.reduceat(values, starts) / sizes for values in (steps, losses))
        return [(float(step), float(loss)) for step, loss in zip(*means, strict=True)]

    def _ipython_display_(self) -> None:
        self._shown = True
        self._pictured = self.progress.phase in _ENDS
        super()._ipython_display_()

    def snapshot(self) -> str:
        """Write the curve as a picture and the validations as a table; '' until the run has ended."""
        if self.progress.phase not in _ENDS:
            return ""
        notes = [self.beaten(), self.progress.note]
        return curve.training_html(self.progress, self.curve(), self.history.validation, self._snapshot, notes)

    def figure(self) -> str:
        """Draw the losses so far as one SVG, on a light ground."""
        return curve.training_figure(self.progress, self.curve(), self.history.validation)

    def provenance(self) -> dict[str, str | int | float]:
        """Say what `save` shows: the run, its seed, steps done and planned, the best validation, and the version."""
        from attn_widgets import __version__

        about: dict[str, str | int | float] = {"panel": "TrainingPanel"}
        about |= {k: wire.visible_line(v) if isinstance(v, str) else v for k, v in self.about.items()}
        about |= {"step": self.progress.step, "steps": self.progress.steps, "phase": self.progress.phase}
        best = self._best()
        if best is not None and math.isfinite(best.loss):
            about |= {"best_loss": best.loss, "best_step": best.step}
        return {**about, "version": f"attn_widgets {__version__}"}

    def check_trait(self, name: str, value: Any, others: Mapping[str, Any] | None = None) -> Any:
        """Nothing can be set from the page."""
        raise PanelError(f"{name} cannot be set")

    def __repr__(self) -> str:
        return f"TrainingPanel(step={self.progress.step}, steps={self.progress.steps})"


def _plain(value: Any) -> Any:
    return wire.json_number(value) if isinstance(value, float) else value


def _validation(validation: Validation | None) -> dict[str, Any] | None:
    return None if validation is None else {name: _plain(value) for name, value in asdict(validation).items()}
