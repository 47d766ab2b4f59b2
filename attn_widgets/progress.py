"""Training progress in a terminal: one bar, or nothing at all under ``ATTN_PROGRESS=plain``."""

from __future__ import annotations

import os
from typing import Never

from tqdm import tqdm

from attn_widgets.history import Progress


def is_plain() -> bool:
    """Whether only final, deterministic lines are wanted (``ATTN_PROGRESS=plain``)."""
    return os.environ.get("ATTN_PROGRESS") == "plain"


class ProgressBar:
    """A bar on standard error: steps, time left, tokens per second, losses."""

    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None

    def update(self, progress: Progress) -> None:
        """Show one report of the loop; the last phases close the bar."""
        if self._bar is None:
            self._bar = tqdm(total=progress.steps, initial=progress.step, unit="step", mininterval=0.1)
        bar = self._bar
        bar.total = progress.steps
        bar.set_postfix_str(_figures(progress), refresh=False)
        bar.update(progress.step - bar.n)
        if progress.phase in ("done", "interrupted", "stopped"):
            self.close()

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
