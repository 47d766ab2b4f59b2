"""A real kernel, and cells as a notebook sends them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

Message = dict[str, Any]


class Kernel:
    """A kernel, and everything that it has sent to the page."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client
        self.heard: list[tuple[float, Message]] = []

    def start(self, code: str, cell: str | None = None) -> str:
        """Send a cell, with its id as JupyterLab sends it; returns the execution's id."""
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True,
        }  # fmt: skip
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def run(self, code: str, cell: str | None = None, timeout: float = 60) -> str:
        """Run a cell to its end and return what it printed; an error fails the test."""
        execution = self.start(code, cell)
        printed = ""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            message = self.hear(end - time.monotonic())
            if message is None or message["parent_header"].get("msg_id") != execution:
                continue
            content = message["content"]
            assert message["msg_type"] != "error", "\n".join(content["traceback"])
            if message["msg_type"] == "stream":
                printed += content["text"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return printed
        raise TimeoutError(code)

    def wait_for_error(self, code: str, cell: str | None = None) -> None:
        """Run a cell that must fail."""
        try:
            self.run(code, cell)
        except AssertionError:
            self.listen(0.5)
        else:
            raise AssertionError(f"{code!r} did not fail")

    def hear(self, timeout: float) -> Message | None:
        """Give the next message that the page gets."""
        try:
            message: Message = self.client.get_iopub_msg(timeout=max(0.01, timeout))
        except Empty:
            return None
        self.heard.append((time.monotonic(), message))
        return message

    def listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.hear(left)

    def say(self, comm: str, data: Any) -> None:
        """Send a comm message as the page would."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.client.shell_channel.send(message)

    def of(self, kind: str) -> list[Message]:
        """Messages of a kind, in order."""
        return [message for _, message in self.heard if message["msg_type"] == kind]

    def beats(self) -> list[tuple[float, str]]:
        """When which comm got a beat."""
        return [
            (at, message["content"]["comm_id"])
            for at, message in self.heard
            if message["msg_type"] == "comm_msg" and message["content"]["data"].get("content") == {"beat": True}
        ]


@contextmanager
def kernel(folder: Path) -> Iterator[Kernel]:
    """A kernel of this environment, killed at the end."""
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "IPYTHONDIR": str(folder / "ipython"),
        "OMP_NUM_THREADS": "1",
    }
    manager = KernelManager()
    manager.start_kernel(cwd=str(folder), env=env)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
