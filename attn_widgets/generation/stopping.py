"""When to stop, and how ids become text while they stream.

A stop string is found in the text, wherever the token borders lie. Of several, the one that is complete first counts.
The text is cut before it, as chat APIs do (``transformers`` leaves it in); the ids keep every token that the model
chose. Text that could still turn into something else is held back: the bytes of an unfinished character, and an end
that may be the beginning of a stop string. So the streamed increments always add up to the final text.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Literal, Self

StopReason = Literal["length", "stop", "end", "time", "interrupted", "done"]

_UNFINISHED = "\ufffd"  # what a decoder shows for bytes that are not (yet) a character


def find_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the text is to be cut: the start of the stop string that ends first (of equals, the longest)."""
    found = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    return min(found)[1] if found else None


def held_back(text: str, stops: Sequence[str]) -> int:
    """Length of the longest end of `text` with which a stop string begins."""
    longest = min(len(text), max((len(stop) - 1 for stop in stops), default=0))
    return next((n for n in range(longest, 0, -1) if any(stop.startswith(text[-n:]) for stop in stops)), 0)


class TextStream:
    """Turns ids into text, one at a time, and finds the stop strings in it.

    Parameters
    ----------
    decode
        Ids to text; of a prefix of ids it gives a prefix of the text, unfinished characters aside.
    prompt
        Ids before the text: they decide whether it begins with a space.
    stops
        Stop strings.
    on_text
        Called with every increment of the text.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        prompt: Sequence[int] = (),
        stops: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        self._decode, self._stops, self._on_text = decode, tuple(stops), on_text
        self._window = list(prompt[-8:])  # the ids that are decoded together: the last whole ones and the new ones
        self._whole = len(self._window)
        self._pending = ""
        self._parts: list[str] = []
        self.stopped = False
        self.listens = on_text is not None or bool(self._stops)
        """Whether ids have to come one at a time."""

    @property
    def text(self) -> str:
        """What was let out so far."""
        return "".join(self._parts)

    def push(self, token: int) -> bool:
        """Add an id; whether a stop string is now complete."""
        self._window.append(token)
        before, after = self._decode(self._window[: self._whole]), self._decode(self._window)
        if len(after) > len(before) and not after.endswith(_UNFINISHED):
            self._take(after[len(before) :])
            del self._window[: self._whole]  # what stays is visible text, to which the next token is joined
            self._whole = len(self._window)
        return self.stopped

    def close(self) -> str:
        """Let out what was held back, now that nothing follows; the whole text."""
        if not self.stopped:
            before, after = self._decode(self._window[: self._whole]), self._decode(self._window)
            self._whole = len(self._window)
            self._take(after[len(before) :])
            if not self.stopped:
                self._let_out(self._pending)
                self._pending = ""
        return self.text

    def text_of(self, ids: Sequence[int]) -> str:
        """Add all `ids` at once and close: where nobody listens and nothing stops, the fast way to the same text."""
        self._window += ids
        return self.close()

    def _take(self, increment: str) -> None:
        self._pending += increment
        cut = find_stop(self._pending, self._stops)
        self.stopped = cut is not None
        end = len(self._pending) - held_back(self._pending, self._stops) if cut is None else cut
        self._let_out(self._pending[:end])
        self._pending = self._pending[end:]

    def _let_out(self, text: str) -> None:
        if text:
            self._parts.append(text)
            if self._on_text is not None:
                self._on_text(text)


def split_text(decode: Callable[[Sequence[int]], str], prompt: Sequence[int], ids: Sequence[int]) -> list[str]:
    """Cut a text into what each of `ids` added to it; a character of several tokens stands at the last of them."""
    parts: list[str] = []
    pieces: list[str] = []
    stream = TextStream(decode, prompt, on_text=parts.append)
    for at, token in enumerate(ids, 1):
        stream.push(token)
        if at == len(ids):
            stream.close()
        pieces.append("".join(parts))
        parts.clear()
    return pieces


class Deadline:
    """A moment after which generation stops; never, without minutes."""

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def passed(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and time.monotonic() >= self._end


class Interrupt:
    """Turns Ctrl-C (■) into a flag that is read between tokens, so that nothing is left half done.

    A second one interrupts at once. Outside of the main thread, where no signal arrives, it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: Any = None
        self._installed = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._installed:
            # None: the handler before was not Python's, and Python cannot put it back.
            signal.signal(signal.SIGINT, signal.default_int_handler if self._before is None else self._before)
            self._installed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
