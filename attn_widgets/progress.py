"""Training progress in a terminal: one bar, or nothing at all under ``ATTN_PROGRESS=plain``."""

from __future__ import annotations

import os
import sys
from typing import Never

from tqdm import tqdm

from attn_widgets.history import Progress, beaten


def is_plain() -> bool:
    """Whether only final, deterministic lines are wanted (``ATTN_PROGRESS=plain``)."""
    return os.environ.get("ATTN_PROGRESS") == "plain"


class ProgressBar:
    """A bar on standard error: steps, time left, tokens per second, losses; a line for each n-gram that is beaten."""

    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None
        self._told = float("inf")

    def update(self, progress: Progress) -> None:
        """Show one report of the loop; the last phases close the bar."""
        if self._bar is None:
            self._bar = tqdm(total=progress.steps, initial=progress.step, unit="step", mininterval=0.1)
        bar = self._bar
        bar.total = progress.steps
        bar.set_postfix_str(_figures(progress), refresh=False)
        self._tell_beaten(bar, progress)
        bar.update(progress.step - bar.n)
        if progress.phase in ("done", "interrupted", "stopped"):
            self.close()

    def _tell_beaten(self, bar: tqdm[Never], progress: Progress) -> None:
        found = beaten(progress.rungs, [progress.best]) if progress.best else None
        if found is not None and found.loss < self._told and progress.best is not None:
            self._told = found.loss
            reached = f"step {found.step}: validation {progress.best.loss:.3f}"
            bar.write(f"{reached} has beaten the {found.order}-gram ({found.loss:.3f})", file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _figures(progress: Progress) -> str:
    shown = [f"{progress.tokens_per_second:,.0f} tokens/s"]
    if progress.train_loss is not None:
        shown.append(f"loss {progress.train_loss:.3f}")
    if progress.validation is not None:
        shown.append(f"validation {progress.validation.loss:.3f}")
    if progress.floor is not None:
        shown.append(f"floor {progress.floor:.3f}")
    return ", ".join(shown)
