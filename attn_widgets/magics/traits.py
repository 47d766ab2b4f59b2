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


OPTIONS = {name: option for verb in VERBS.values() for name, option in options(verb.configs).items()}

if TYPE_CHECKING:
    Configured = Magics
else:
    Configured = type("Configured", (Magics,), {name: trait(option) for name, option in OPTIONS.items()})


def changed(magics: Magics, verb: str) -> dict[str, Any]:
    """Options of a verb whose default was changed by ``%config``."""
    found = {name: getattr(magics, name) for name in options(VERBS[verb].configs)}
    found = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return {name: value for name, value in found.items() if value != OPTIONS[name].default}
