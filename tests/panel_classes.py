"""Every panel on a trace, found and made without naming one: a new panel is tested by being there."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

from attn_widgets import panels
from attn_widgets.panels.cross import CrossPanel
from attn_widgets.panels.querykey import QueryKeyPanel
from attn_widgets.panels.stepping import SteppingPanel
from tests.panel_traces import WORDS, both_kinds, causal_trace
from tests.vector_traces import dot_trace


def _found() -> Iterator[type[SteppingPanel]]:
    for module in pkgutil.iter_modules(panels.__path__):
        for value in vars(importlib.import_module(f"{panels.__name__}.{module.name}")).values():
            shown = isinstance(value, type) and issubclass(value, SteppingPanel) and "_esm" in vars(value)
            if shown and value.__module__ == f"{panels.__name__}.{module.name}":
                yield value


PANELS = tuple(sorted(_found(), key=lambda panel: panel.__name__))


def make(panel: type[SteppingPanel], tokens: tuple[str, ...] = WORDS, **options: object) -> SteppingPanel:
    """Make a panel of small traces: one, or as many as it compares; one that keeps vectors where they are shown."""
    needed = [
        parameter
        for parameter in inspect.signature(panel).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if panel is CrossPanel:
        return panel(both_kinds(), **options)
    if panel is QueryKeyPanel:
        return panel(dot_trace(tokens), **options)
    traces = [causal_trace(seed=seed, tokens=tokens) for seed in range(len(needed))]
    return panel(*traces, **options)
