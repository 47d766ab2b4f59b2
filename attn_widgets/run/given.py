"""What a person gave to a run's methods, checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attn_widgets.config import GenerateConfig
from attn_widgets.errors import ConfigError
from attn_widgets.flags.options import checked, nearest, options


def options_of(given: dict[str, Any]) -> GenerateConfig:
    """Check keywords as the flags are checked.

    Raises
    ------
    ConfigError
        For an unknown option, or a value that cannot work.
    """
    known = options((GenerateConfig,))
    for name in given:
        if name not in known:
            near = nearest(name, known) or f"there are {', '.join(known)}"
            raise ConfigError(f"generate() has no option {name}; check the spelling: {near}")
    return GenerateConfig(**{name: checked(known[name], value, name) for name, value in given.items()})


def asked_for(config: GenerateConfig, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Those of some options that would change something: name and value."""
    plain = GenerateConfig()
    for name in names:
        if (value := getattr(config, name)) and value != getattr(plain, name):
            yield name, value


def as_texts(names: str | Sequence[str]) -> Sequence[str]:
    """Take one name where several are wanted."""
    return [names] if isinstance(names, str) else names
