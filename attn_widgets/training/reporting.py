"""Reports to whoever shows the training: often enough to look alive, rarely enough to be free."""

from __future__ import annotations

import time
from collections.abc import Callable

from attn_widgets.history import Progress

GAP = 0.125  # seconds between two reports: with those that are always sent, at most 10 a second
SHARE = 0.03  # of the time at most


class Reporter:
    """Calls `report` at most 8 times a second, and for at most 3 % of the time.

    Parameters
    ----------
    report
        What to call.
    clock
        Seconds; for tests.
    """

    def __init__(self, report: Callable[[Progress], None], clock: Callable[[], float] = time.perf_counter) -> None:
        self._report = report
        self._clock = clock
        self._next = 0.0

    def offer(self, make: Callable[[], Progress], *, always: bool = False) -> None:
        """Report what `make` gives, if it is time.

        Parameters
        ----------
        make
            Only called when it is.
        always
            For the first and the last report, which nobody may miss.
        """
        begin = self._clock()
        if begin < self._next and not always:
            return
        self._report(make())
        end = self._clock()
        self._next = end + max(GAP, (end - begin) / SHARE)
