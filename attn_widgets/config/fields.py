"""How an option is declared, named as a flag, and checked."""

from __future__ import annotations

import reprlib
import sys
from dataclasses import field, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from attn_widgets.errors import ConfigError


def option(
    default: Any,
    help: str,
    *,
    common: bool = False,
    low: float | None = None,
    high: float | None = None,
    exclusive: bool = False,
    assignments: bool = False,
) -> Any:
    """Declare a documented dataclass field.

    Parameters
    ----------
    default
        The value when the option is not given.
    help
        One line for ``--help``.
    common
        Whether the short help (``%attn_train?``) shows it.
    low, high
        Bounds of a number, inclusive unless `exclusive` excludes `low`.
    exclusive
        Whether `low` itself is refused.
    assignments
        Whether the flag takes all the words ``name=a,b`` behind it.
    """
    metadata = {"help": help, "common": common, "low": low, "high": high, "exclusive": exclusive,
                "assignments": assignments}  # fmt: skip
    return field(default=default, metadata=metadata)


def flag_name(name: str) -> str:
    """``kv_heads`` → ``--kv-heads``."""
    return "--" + name.replace("_", "-")


def check_bounds(config: Any) -> None:
    """Refuse choices that are not there and numbers that are not finite or out of their bounds, naming the flag."""
    for name, choices in _choices(config.__class__).items():
        if (value := getattr(config, name)) not in choices:
            raise ConfigError(f"{flag_name(name)} must be {' or '.join(map(str, choices))}; given {value!r}")
    for f in fields(config):
        value, low, high = getattr(config, f.name), f.metadata.get("low"), f.metadata.get("high")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        flag = flag_name(f.name)
        if not abs(value) <= sys.float_info.max:
            raise ConfigError(f"{flag} must be a finite number; given {reprlib.repr(value)}")
        if low is not None and (value < low or (f.metadata.get("exclusive") and value == low)):
            above = "above" if f.metadata.get("exclusive") else "at least"
            raise ConfigError(f"{flag} must be {above} {low}; given {value}")
        if high is not None and value > high:
            raise ConfigError(f"{flag} must be at most {high}; given {value}")


@cache
def _choices(config: type) -> dict[str, tuple[Any, ...]]:
    """Values of the fields that are choices; an attention may also be a function of the person's own, by its name."""
    hints = {name: hint for name, hint in get_type_hints(config).items() if name != "attention"}
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
