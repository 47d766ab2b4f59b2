"""What all panels share: two outputs when shown, guarded traits, and answered requests.

A panel trusts nothing that comes from the page: a trait update that does not fit is refused
whole and the page gets the true state back; a request is answered under its id, also with an
error, which the panel shows. It has a comm while it is shown; `attn_widgets.panels.shown` says when that ends.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from attn_widgets.errors import AttnError, ConfigError
from attn_widgets.panels.beat import BEAT, kernel
from attn_widgets.panels.shown import PLACES

STATIC = Path(__file__).parent.parent / "static"

Answer = tuple[dict[str, Any], list[bytes]]
"""A reply's JSON content and its buffers."""

_log = logging.getLogger(__name__)


class PanelError(ConfigError, traitlets.TraitError):
    """A panel was asked for something it does not have; one line says what it has.

    Both a ``ConfigError`` (shown as one line) and a ``TraitError`` (what traitlets roll back on).
    """


class Checked(traitlets.TraitType[Any, Any]):
    """A trait whose owner says what fits: ``owner.check_trait(name, value)`` returns it or raises."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Ask the owner."""
        return obj.check_trait(self.name, value)


QUIET = (
    "<style>.jp-OutputArea-child:has(+ .jp-OutputArea-child #{}) > .jp-OutputArea-output:not(:has(*))"
    " {{ display: none; }}</style>"
)
"""Hides words without a view above a snapshot: ipywidgets' "Error displaying widget" in a notebook opened anew."""


class Panel(anywidget.AnyWidget):
    """A widget that survives saving, refuses nonsense and answers every request."""

    page_traits: ClassVar[tuple[str, ...]] = ()
    """Traits that the page may set, in the order in which they are checked and set."""

    _snapshot = traitlets.Unicode().tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Keep the front end as text: anywidget's watched file would hold on to every panel that was made with it."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls.__dict__.get("_esm"), "changed") and os.environ.get("ANYWIDGET_HMR") != "1":
            cls._esm = str(cls._esm)

    def __init__(self, **traits: Any) -> None:
        self._lock = threading.RLock()
        self._words, self._states_asked = Few(10), Few(20)
        self._wanted = False
        self._made_layout: Any = None
        content = self._content()
        self._dropped = False
        self._content_names = tuple(content)
        super().__init__(_snapshot=f"attn-{secrets.token_hex(6)}", **content, **traits)

    def _content(self) -> dict[str, Any]:
        """Give what the live view is sent when it is first shown, by trait; let go of while nothing shows the panel."""
        return {}

    def open(self) -> None:
        """Open the comm; in a notebook only when the panel is shown: one that never is costs no message, no memory."""
        if self.comm is not None or (kernel() is not None and not self._wanted):
            return
        for name, value in self._content().items() if self._dropped else ():
            setattr(self, name, value)
        self._dropped = False
        had_layout = "layout" in self._trait_values
        super().open()
        self._made_layout = None if had_layout else self.layout
        BEAT.join(self)

    @property
    def model_id(self) -> str:
        """Name the widget to the page, opening its comm: whoever asks is about to show it."""
        self._wanted = True
        self.open()
        return str(self.comm.comm_id)

    def close(self) -> None:
        """Close the comm and drop what the page was sent; shown again, the panel opens anew."""
        if self.comm is None:
            return
        super().close()
        self.__dict__.pop("_repr_mimebundle_", None)
        self._model_id, self._wanted = None, False
        PLACES.forget(self)
        if self._made_layout is not None:  # a widget with a comm of its own, which ipywidgets makes for every widget
            if self.layout is self._made_layout:
                del self._trait_values["layout"]
            self._made_layout.close()
            self._made_layout = None
        for name in self._content_names:
            self._trait_values.pop(name, None)
        self._dropped = bool(self._content_names)

    # Shown as two outputs: a notebook saved without widget state still has the second one.
    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle = {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.model_id,
            },
            "text/plain": repr(self),
        }
        PLACES.note(self)
        display(bundle, raw=True)  # type: ignore[no-untyped-call]
        self._display_snapshot()

    def _display_snapshot(self) -> None:
        from IPython.display import display

        if html := self.snapshot():
            display({"text/html": QUIET.format(self._snapshot) + html}, raw=True)  # type: ignore[no-untyped-call]

    def snapshot(self) -> str:
        """Write the panel as static HTML, which the live view hides; '' for none."""
        raise NotImplementedError

    def check_trait(self, name: str, value: Any, others: Mapping[str, Any] | None = None) -> Any:
        """Return the value a trait takes, or raise `PanelError`.

        Parameters
        ----------
        name, value
            The trait and the value asked for.
        others
            Values that other traits are about to take; the present ones where missing.
        """
        raise NotImplementedError

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        """Take a message of the page, whatever it is; nothing that it holds may raise here."""
        data = msg["content"].get("data")
        method = data.get("method") if isinstance(data, dict) else None
        if method == "custom":
            self._receive(data.get("content"))
        elif method == "update":
            self.set_state(data.get("state"))
        elif method == "request_state":
            if self._states_asked.another():
                self.send_state()
        elif self._words.another():
            _log.warning("dropped: a message of a kind that panels do not know")

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page sets, all of it or nothing."""
        try:
            if not isinstance(sync_data, dict):
                raise PanelError("the page sets traits by their names")
            if strange := sorted(set(map(str, sync_data)) - set(self.page_traits)):
                raise PanelError(f"the page may not set {', '.join(strange)[:80]}")
            fitting = {
                name: self.check_trait(name, sync_data[name], sync_data)
                for name in self.page_traits
                if name in sync_data
            }
        except Exception as error:  # a number too long to be printed is an error of Python's own
            self._refuse(_reason(error))
            return
        super().set_state(fitting)

    def _refuse(self, reason: str) -> None:
        """Give the page the true state back; at most ten times a second, whatever it sends."""
        if not self._words.another():
            return
        _log.warning("refused: %s", reason)
        self.send_state(list(self.page_traits))
        self.send({"error": reason})

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask."""
        return {}

    def _receive(self, content: Any) -> None:
        """Answer a request; one without a usable id has nobody to answer."""
        request = content.get("id") if isinstance(content, dict) else None
        if not isinstance(request, str) or len(request) > 80:
            if content != {"here": True} and self._words.another():  # a page may only want the beat back
                _log.warning("dropped: a message without an id")
            return
        buffers: list[bytes] = []
        try:
            ask = content.get("ask")
            answer = self.answers().get(ask) if isinstance(ask, str) else None
            if answer is None:
                raise PanelError(f"a panel cannot be asked {str(ask)[:40]!r}; it answers {', '.join(self.answers())}")
            with self._lock:  # the page's messages may arrive on several threads
                reply, buffers = answer(content)
        except Exception as error:  # shown under the panel: a callback of the user may raise anything
            if not isinstance(error, AttnError):
                _log.exception("request failed")
            reply = {"error": _reason(error)}
        self.send({"id": request, **reply}, buffers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Few:
    """So many in a second and no more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: list[float] = []

    def another(self) -> bool:
        """Whether there may be one more now, which then counts."""
        now = time.monotonic()
        self._times = [at for at in self._times if now - at < 1]
        if len(self._times) >= self._most:
            return False
        self._times.append(now)
        return True


def _reason(error: Exception) -> str:
    """One line for the page."""
    return str(error) if isinstance(error, AttnError) else f"{type(error).__name__}: {error}"[:500]
