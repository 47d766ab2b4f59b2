"""Which options can be given together: none that excludes another, and none that nothing would read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attn_widgets.config import flag_name
from attn_widgets.errors import ConfigError

READ_BY = {
    "window": ("attention", "sliding_window"),
    "global_tokens": ("attention", "sliding_window"),
    "hashes": ("attention", "lsh"),
    "chunk": ("attention", "lsh"),
    "segment": ("attention", "segment_memory"),
    "distill_weight": ("teacher", None),
    "distill_temperature": ("teacher", None),
}
"""Option → another one, and the value that it must have (None: any) for the first to be read."""


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse options that exclude each other."""
    if given.get("minutes") is not None and "steps" in given:
        raise ConfigError(f"--steps {given['steps']} and --minutes {given['minutes']:g} exclude each other; give one")


def check_read(choices: Sequence[Mapping[str, Any]]) -> None:
    """Refuse an option that is given and read in none of some configurations.

    Parameters
    ----------
    choices
        The options of each, as they were given.

    Raises
    ------
    ConfigError
        One line that names what it goes with.
    """
    for name, (other, wanted) in READ_BY.items():
        given = next((choice[name] for choice in choices if choice.get(name) is not None), None)
        values = [choice.get(other) for choice in choices]
        if given is not None and not any(value is not None and wanted in (None, value) for value in values):
            raise ConfigError(
                f"{flag_name(name)} {given} needs {flag_name(other)} {wanted or 'RUN'}, and is not read without; "
                "add that or leave this out"
            )
