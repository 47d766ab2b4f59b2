"""Child processes that never outlive a test, whatever goes wrong in it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def child(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process that is killed when the block is left: ``Popen`` alone would wait for it, for ever if it must."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(true: Callable[[], bool], process: subprocess.Popen[Any], seconds: float = 60) -> None:
    """Wait for what a child does; fail when it ends before, or takes too long."""
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, "the process ended before"
        assert time.monotonic() < end, f"nothing happened in {seconds:g} s"
        time.sleep(0.01)
