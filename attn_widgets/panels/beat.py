"""The kernel's beat: a thread tells every shown panel once a second that the kernel lives.

Comm messages leave an IPython kernel through a thread of their own, so a beat gets out while a cell
keeps the main thread busy; that is how the page tells a busy kernel from one that is gone
(``js/src/pulse.ts``). The thread starts with the first panel that is shown and ends with the last.

Servers count every message of a kernel as activity, and cull kernels that have none. So that a
forgotten tab does not keep its kernel for ever, beats rest when nothing has run and no page has
said anything for `REST` seconds, having told the pages so; either one wakes them.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from typing import Any, Protocol

PERIOD = 1.0
"""Seconds between two beats."""

REST = 600.0
"""Seconds without a sign of anybody after which beats rest."""


class Shown(Protocol):
    """A widget with a comm, or with none while nothing shows it."""

    comm: Any


def kernel() -> Any:
    """Give the IPython kernel that this process is, or None; imports nothing."""
    base = sys.modules.get("ipykernel.kernelbase")
    if base is None or not base.Kernel.initialized():
        return None
    return base.Kernel.instance()


class Beat:
    """One thread for all panels of a process; knows them weakly."""

    def __init__(self) -> None:
        self._panels: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._signed_at = 0.0
        self._busy = False

    def join(self, panel: Shown) -> None:
        """Beat for a panel that was just shown, as long as it has a comm."""
        if (of := kernel()) is None:
            return
        with self._lock:
            self._panels.add(panel)
            self._listen(of)
            self.sign()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, args=(of,), name="attn_widgets beat", daemon=True)
                self._thread.start()

    def sign(self) -> None:
        """Somebody is there: a cell runs, or a page has said something."""
        self._signed_at = time.monotonic()
        self._woken.set()

    def _listen(self, of: Any) -> None:
        """Follow what the kernel executes, cells and messages alike."""
        events = of.shell.events
        for event, callback in (("pre_execute", self._begins), ("post_execute", self._ends)):
            if callback not in events.callbacks[event]:
                events.register(event, callback)

    def _begins(self) -> None:
        self._busy = True
        self.sign()

    def _ends(self) -> None:
        self._busy = False
        self.sign()

    def _run(self, of: Any) -> None:
        while True:
            self._woken.clear()
            resting = not self._busy and time.monotonic() - self._signed_at > REST
            if not self._push(of, alive=not resting):
                with self._lock:
                    if not len(self._panels):
                        self._thread = None
                        return
            if resting:
                self._woken.wait()
            else:
                time.sleep(PERIOD)

    def _push(self, of: Any, *, alive: bool) -> bool:
        """Send one beat to each panel that is shown, or the word that beats rest; False where there is none."""
        with self._lock:
            comms = [(panel, panel.comm) for panel in self._panels]
            for panel, comm in comms:
                if comm is None:
                    self._panels.discard(panel)
        found = [comm for _, comm in comms if comm is not None]
        for comm in found:
            with contextlib.suppress(Exception):  # a kernel that shuts down closes its socket first
                _send(of, comm, {"beat": alive})
        return bool(found)


def _send(of: Any, comm: Any, content: dict[str, Any]) -> None:
    """Send what ``comm.send`` would, but as an answer to nothing: a beat belongs to no cell and to no request."""
    data = {"data": {"method": "custom", "content": content}, "comm_id": comm.comm_id}
    of.session.send(of.iopub_socket, "comm_msg", data, parent={}, ident=comm.topic)


BEAT = Beat()
"""The beat of this process."""
