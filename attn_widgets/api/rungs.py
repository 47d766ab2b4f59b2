"""What n-gram models would lose on the same text, found beside the training once it is under way."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace

from attn_widgets.errors import AttnError
from attn_widgets.history import Progress
from attn_widgets.text.batches import Data
from attn_widgets.text.ngrams import ngram_rungs
from attn_widgets.text.token_files import TokenFiles

MOST = 2_000_000
"""Training tokens that are counted: a few seconds of another thread."""
PATIENCE = 6.0
"""Seconds that the last report waits at most, when a training was shorter than the counting."""

Report = Callable[[Progress], None]


def with_rungs(report: Report, tokens: Data, vocab_size: int) -> Report:
    """Add the losses of n-gram models to all reports that come once they are known.

    They are counted in a thread that starts with the first report after a step, so that neither the first line nor the
    first step waits. Only a stream of tokens has them: the answers of a task are not predicted from all before them.
    """
    if not isinstance(tokens, TokenFiles):
        return report
    found: list[tuple[int, float]] = []

    def count() -> None:
        with contextlib.suppress(AttnError):  # a text too short to score has none
            found.extend(ngram_rungs(tokens.train[:MOST], tokens.validation, vocab_size).items())

    worker = threading.Thread(target=count, name="n-grams", daemon=True)

    def show(progress: Progress) -> None:
        if progress.phase not in ("start", "interrupted") and worker.ident is None:
            worker.start()
        if progress.phase in ("done", "stopped"):
            worker.join(PATIENCE)
        report(replace(progress, rungs=tuple(found)))

    return show
