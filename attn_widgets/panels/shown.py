"""Which cells show which panels, so that a panel that a cell has replaced is let go.

ipywidgets keeps every widget that has a comm for ever, and IPython keeps every result in ``Out``.
Running a cell two hundred times would hold two hundred panels with their traces. A weak registry
would not do: a panel on the screen that has no name in Python must go on answering. What decides is
whether it is still shown, and that is known: a cell that has been run again has lost its former
outputs. So when a cell ends, panels that its *earlier* executions showed, and that no other cell
and no other widget shows, are put to sleep: their comm is closed, what the page had been sent is
dropped, and ``Out`` forgets them. A panel that somebody still has by name wakes when it is shown again.

A cell is known by the id that JupyterLab, Notebook 7 and VS Code send with each execution; a front end
that sends none is taken to run the same cell when it runs the same source. What a callback of a
widget shows belongs to no cell and stays until it is closed.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

from attn_widgets.panels.beat import kernel


class Sleeper(Protocol):
    """A panel as this module knows it."""

    def close(self) -> None:
        """Put it to sleep."""
        ...


class Places:
    """For each cell its executions, and the panels that each of them showed."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, list[Any]]] = {}
        self._lock = threading.RLock()

    def note(self, panel: Sleeper) -> None:
        """Remember that the cell that runs now shows a panel."""
        of = kernel()
        if of is None or (place := _place(of)) is None:
            return
        cell, execution = place
        events = of.shell.events
        with self._lock:
            if self.cell_ended not in events.callbacks["post_run_cell"]:
                events.register("post_run_cell", self.cell_ended)
            shown = self._cells.setdefault(cell, {}).setdefault(execution, [])
            if not any(other is panel for other in shown):
                shown.append(panel)

    def forget(self, panel: Sleeper) -> None:
        """Drop a panel that was closed."""
        with self._lock:
            for cell in [*self._cells]:
                kept = {
                    execution: [other for other in shown if other is not panel]
                    for execution, shown in self._cells[cell].items()
                }
                self._cells[cell] = {execution: shown for execution, shown in kept.items() if shown}
                if not self._cells[cell]:
                    del self._cells[cell]

    def cell_ended(self, _result: Any = None) -> None:
        """Let go of what earlier executions of the cell showed."""
        of = kernel()
        if of is None or (place := _place(of)) is None:
            return
        cell, execution = place
        with self._lock:
            executions = self._cells.pop(cell, {})
            if now := executions.pop(execution, None):
                self._cells[cell] = {execution: now}
            replaced = [panel for shown in executions.values() for panel in shown]
            gone = [panel for panel in replaced if not self._is_shown(panel)]
        for panel in gone:
            panel.close()
            _forget_result(of.shell, panel)

    def _is_shown(self, panel: Sleeper) -> bool:
        shown = (other for executions in self._cells.values() for panels in executions.values() for other in panels)
        return any(other is panel for other in shown) or _is_child(panel)


def _place(of: Any) -> tuple[str, str] | None:
    """Which cell runs, and which of its executions; None where what runs is no cell."""
    request = of.get_parent("shell")
    header = request.get("header", {})
    if header.get("msg_type") != "execute_request":
        return None
    named = request.get("metadata", {}).get("cellId")
    cell = f"id {named}" if named else f"source {request.get('content', {}).get('code', '')}"
    return cell, str(header.get("msg_id"))


def _is_child(panel: Sleeper) -> bool:
    """Whether a widget such as a box holds the panel."""
    from ipywidgets.widgets.widget import _instances

    return any(child is panel for widget in [*_instances.values()] for child in getattr(widget, "children", ()))


def _forget_result(shell: Any, panel: Sleeper) -> None:
    """Take a panel out of ``Out`` and its numbered names, as IPython does with results when there are too many."""
    results = shell.user_ns.get("_oh", {})
    for number in [number for number, result in results.items() if result is panel]:
        del results[number]
        for names in (shell.user_ns, shell.user_ns_hidden):
            if names.get(f"_{number}") is panel:
                del names[f"_{number}"]


PLACES = Places()
"""The places of this process."""
