"""What all panels share: two outputs when shown, guarded traits, and answered requests.

A panel trusts nothing that comes from the page: a trait update that does not fit is refused
whole and the page gets the true state back; a request is answered under its id, also with an
error, which the panel shows.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from attn_widgets.errors import AttnError, ConfigError

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


class Panel(anywidget.AnyWidget):
    """A widget that survives saving, refuses nonsense and answers every request."""

    page_traits: ClassVar[tuple[str, ...]] = ()
    """Traits that the page may set, in the order in which they are checked and set."""

    _snapshot = traitlets.Unicode().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        self._lock = threading.RLock()
        self._refused_at = -1.0
        super().__init__(_snapshot=f"attn-{secrets.token_hex(6)}", **traits)
        self.on_msg(self._receive)

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
        display(bundle, raw=True)  # type: ignore[no-untyped-call]
        self._display_snapshot()

    def _display_snapshot(self) -> None:
        from IPython.display import display

        if html := self.snapshot():
            display({"text/html": html}, raw=True)  # type: ignore[no-untyped-call]

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

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page sets, all of it or nothing."""
        try:
            if strange := sorted(set(map(str, sync_data)) - set(self.page_traits)):
                raise PanelError(f"the page may not set {', '.join(strange)[:80]}")
            fitting = {
                name: self.check_trait(name, sync_data[name], sync_data)
                for name in self.page_traits
                if name in sync_data
            }
        except AttnError as error:
            self._refuse(str(error))
            return
        super().set_state(fitting)

    def _refuse(self, reason: str) -> None:
        """Give the page the true state back; at most ten times a second, whatever it sends."""
        _log.warning("refused: %s", reason)
        now = time.monotonic()
        if now - self._refused_at < 0.1:
            return
        self._refused_at = now
        self.send_state(list(self.page_traits))
        self.send({"error": reason})

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        """Name what the page may ask."""
        return {}

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """Answer a request; one without a usable id has nobody to answer."""
        request = content.get("id") if isinstance(content, dict) else None
        if not isinstance(request, str) or len(request) > 80:
            _log.warning("a message without an id was dropped")
            return
        buffers: list[bytes] = []
        try:
            ask = content.get("ask")
            answer = self.answers().get(ask) if isinstance(ask, str) else None
            if answer is None:
                raise PanelError(f"a panel cannot be asked {str(ask)[:40]!r}; it answers {', '.join(self.answers())}")
            with self._lock:  # the page's messages may arrive on several threads
                reply, buffers = answer(content)
        except AttnError as error:
            reply = {"error": str(error)}
        except Exception as error:  # shown under the panel: a callback of the user may raise anything
            _log.exception("request failed")
            reply = {"error": f"{type(error).__name__}: {error}"[:500]}
        self.send({"id": request, **reply}, buffers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
