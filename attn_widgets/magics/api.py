"""The way to `attn_widgets.api`, which loads torch, from magics, which must work where torch does not."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from attn_widgets.errors import AttnError


def load() -> ModuleType:
    """Import `attn_widgets.api`.

    Raises
    ------
    AttnError
        One line where PyTorch or another library cannot be imported.
    """
    try:
        with interrupt_afterwards():
            from attn_widgets import api
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        name = getattr(error, "name", None) or "PyTorch"
        raise AttnError(
            f"{name} cannot be imported ({first}); try: python -m pip install --force-reinstall torch"
        ) from error
    return api


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
