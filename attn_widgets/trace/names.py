"""Names of heads: layer 1, head 3 is ``L1H3``, both counted from zero, everywhere."""

from __future__ import annotations

import re

from attn_widgets.errors import AttnError

_NAME = re.compile(r"\s*L(\d+)H(\d+)\s*", re.IGNORECASE | re.ASCII)


def head_name(layer: int, head: int) -> str:
    """Write a head: ``head_name(1, 3) == "L1H3"``."""
    return f"L{layer}H{head}"


def parse_head(name: str) -> tuple[int, int]:
    """Read a head: ``parse_head("L1H3") == (1, 3)``.

    Raises
    ------
    AttnError
        If `name` is not of the form ``L1H3``.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise AttnError(f"{name!r} names no head; write layer and head, counted from zero, for example L0H1")
    return int(match[1]), int(match[2])
