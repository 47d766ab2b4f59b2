"""A pytest plugin for the notebooks: nbval, strict, but for what differs by nature.

Load with ``pytest -p tests.notebooks --nbval notebooks``. Pictures in HTML and Vega's JSON hold floats
that differ between machines; what they show is asserted in code cells instead.
"""

from __future__ import annotations

from typing import Any

from nbval.plugin import IPyNbFile

DIFFERS_BY_NATURE = (
    "text/html",
    "application/javascript",
    "application/vnd.vegalite.v5+json",
    "application/vnd.vegalite.v6+json",
)

_init = IPyNbFile.__init__


def _init_with_skips(self: IPyNbFile, *args: Any, **kwargs: Any) -> None:
    # nbval has no option for this list.
    _init(self, *args, **kwargs)
    self.skip_compare = self.skip_compare + DIFFERS_BY_NATURE


IPyNbFile.__init__ = _init_with_skips
