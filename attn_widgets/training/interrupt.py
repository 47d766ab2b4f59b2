"""An interrupt as a flag, read where stopping tears nothing.

A signal in the middle of an optimizer step would leave half of the weights updated. Here the first
one only sets a flag; the second, from a person who will not wait, raises at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from attn_widgets.errors import TrainingInterrupted


class Interrupt:
    """Context in which SIGINT sets ``wanted``; in any but the main thread it does nothing.

    Parameters
    ----------
    impatient
        Makes the message of the second signal.
    """

    def __init__(self, impatient: Callable[[], str]) -> None:
        self.wanted = False
        self._impatient = impatient
        self._previous: Any = None
        self._installed = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(self, *exception: object) -> None:
        if self._installed:
            # None: the handler before was not Python's, and Python cannot put it back.
            signal.signal(signal.SIGINT, signal.default_int_handler if self._previous is None else self._previous)
            self._installed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise TrainingInterrupted(self._impatient())
        self.wanted = True
