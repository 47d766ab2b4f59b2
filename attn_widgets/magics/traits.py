"""The options as traits, so that ``%config AttnMagics.steps = 5`` sets a default for the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics
from traitlets import Bool, Enum, Float, Int, List, TraitType, Unicode

from attn_widgets.flags import VERBS, Option, options


def trait(option: Option) -> TraitType[Any, Any]:
    """Return a configurable trait that holds one option's default."""
    settings: dict[str, Any] = {"help": option.help, "allow_none": option.optional}
    if option.choices:
        made: TraitType[Any, Any] = Enum(option.choices, option.default, **settings)
    elif option.kind is tuple:
        made = List(Unicode(), list(option.default), **settings)
    else:
        made = {int: Int, float: Float, str: Unicode, bool: Bool}[option.kind](option.default, **settings)
    return made.tag(config=True)


def _names() -> dict[tuple[str, str], str]:
    """Name the trait of each verb's options: two verbs share one only where it means the same in both.

    The seed of training is ``seed``, that of sampling ``generate_seed``.
    """
    names: dict[tuple[str, str], str] = {}
    first: dict[str, Option] = {}
    for verb in VERBS.values():
        for name, option in options(verb.configs).items():
            same = first.setdefault(name, option).help == option.help
            names[verb.name, name] = name if same else f"{verb.name}_{name}"
    return names


NAMES = _names()
OPTIONS = {NAMES[verb.name, name]: o for verb in VERBS.values() for name, o in options(verb.configs).items()}

if TYPE_CHECKING:
    Configured = Magics
else:
    Configured = type("Configured", (Magics,), {name: trait(option) for name, option in OPTIONS.items()})


def changed(magics: Magics, verb: str) -> dict[str, Any]:
    """Options of a verb whose default was changed by ``%config``."""
    found: dict[str, Any] = {}
    for name, option in options(VERBS[verb].configs).items():
        value = getattr(magics, NAMES[verb, name])
        value = tuple(value) if isinstance(value, list) else value
        if value != option.default:
            found[name] = value
    return found
