"""Torch, which takes two seconds to import: imported when there is something for it to do, and not before."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from attn_widgets.errors import AttnError


def load_torch() -> None:
    """Import torch and what is built on it.

    Raises
    ------
    AttnError
        One line where PyTorch cannot be imported.
    """
    if "torch" in sys.modules and "attn_widgets.run" in sys.modules:
        return
    try:
        with interrupt_afterwards():
            import attn_widgets.run
            import attn_widgets.training.course  # noqa: F401
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        name = getattr(error, "name", None) or "PyTorch"
        raise AttnError(
            f"{name} cannot be imported ({first}); try: python -m pip install --force-reinstall torch"
        ) from error


@contextmanager
def interrupt_afterwards() -> Iterator[None]:
    """Hold an interrupt back for the seconds of an import: torch half imported cannot be imported again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler
    signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt
