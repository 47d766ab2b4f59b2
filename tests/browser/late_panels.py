"""Panels whose kernel answers late, out of order, or with an error; imported by the kernel of a test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from attn_widgets.panels.heads import HeadPanel
from tests.panel_traces import causal_trace
from tests.test_heads import Without, ablation

LONG = tuple(f"t{i}" for i in range(300))
"""So many tokens that heads are sent one at a time, as they are asked for."""


class Switch:
    """What switches a head off: some heads take their time, some fail."""

    def __init__(self, slow: Sequence[str] = (), failing: Sequence[str] = ()) -> None:
        self.slow, self.failing, self.on = slow, failing, False

    def __call__(self, names: Sequence[str]) -> Without:
        if not self.on:  # nothing is known ahead
            raise RuntimeError("not yet")
        if names[0] in self.slow:
            time.sleep(3)
        if names[0] in self.failing:
            raise RuntimeError(f"{names[0]} cannot be switched off")
        return ablation(names)


class Post:
    """Everything a panel is asked and answers; requests may be held back, and go on last first."""

    def __init__(self, panel: HeadPanel) -> None:
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.held: list[Any] = []
        self.holding: str | None = None
        self._receive, self._send = panel._receive, panel.send
        panel._receive, panel.send = self.receive, self.send  # type: ignore[method-assign]

    def receive(self, content: Any) -> None:
        if "id" in content:
            self.asked.append(content["id"])
        if self.holding is not None and content.get("ask") == self.holding:
            self.held.append(content)
        else:
            self._receive(content)

    def send(self, content: Any, buffers: Any = None) -> None:
        self._send(content, buffers)
        if "id" in content:
            self.answered.append(content["id"])

    def release(self) -> None:
        self.holding = None
        while self.held:
            self._receive(self.held.pop())

    @property
    def settled(self) -> bool:
        """Whether each request was answered, once."""
        return sorted(self.asked) == sorted(self.answered)


def make(switch: Switch | None = None, long: bool = False) -> tuple[HeadPanel, Post]:
    """Make a panel whose post is read."""
    panel = HeadPanel(causal_trace(tokens=LONG) if long else causal_trace(), ablate=switch)
    _ = panel.model_id  # opened now, while nothing can be switched off ahead
    if switch is not None:
        switch.on = True
    return panel, Post(panel)
