"""What a person gave to a run's methods, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from attn_widgets.config import READS_PAIRS, GenerateConfig, flag_name
from attn_widgets.errors import ConfigError
from attn_widgets.flags.options import checked, nearest, options

SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "stop", "minutes", "ignore_end")
BEAMS = ("beams", "length_penalty")


class Lack(NamedTuple):
    """Options of `generate` that a kind of model does not read, what it does, and what would work."""

    options: tuple[str, ...]
    does: str
    instead: str


LACKS = {
    **dict.fromkeys(("transformer", "recurrent", "ngram"), Lack(BEAMS, "samples", "try --top-k or --temperature")),
    **dict.fromkeys(READS_PAIRS, Lack(SAMPLING, "writes the likeliest answer", "try --beams 4 or nothing")),
    "encoder": Lack((*SAMPLING, *BEAMS, "max_new_tokens"), "tells the likeliest", "leave it out"),
}
NOTHING = {"repetition_penalty": 1, "beams": 1}
"""Values that ask for nothing, besides 0 and None."""


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


def check_given(given: Mapping[str, Any], model: str) -> None:
    """Refuse an option of `generate` that a kind of model would not read.

    Raises
    ------
    ConfigError
        One line that names the models that take it.
    """
    lacks = LACKS[model]
    for name in lacks.options:
        value = given.get(name)
        if value and value != NOTHING.get(name):
            takers = ", ".join(other for other in LACKS if name not in LACKS[other].options)
            shown = flag_name(name) if value is True else f"{flag_name(name)} {_listed(value)}"
            raise ConfigError(
                f"{shown} does not work with --model {model}, which {lacks.does} (it does with {takers}); "
                f"{lacks.instead}"
            )
    if given.get("length_penalty") and given.get("beams", 1) == 1:
        raise ConfigError(
            f"--length-penalty {given['length_penalty']:g} chooses among the answers of a beam search, and --beams 1 "
            "has one; try --beams 4"
        )


def _listed(value: Any) -> str:
    return " ".join(map(repr, value)) if isinstance(value, list | tuple) else str(value)


def as_texts(names: str | Sequence[str]) -> Sequence[str]:
    """Take one name where several are wanted."""
    return [names] if isinstance(names, str) else names
