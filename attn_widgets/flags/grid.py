"""The values that a search tries: ``heads=2,4 attention=additive,dot`` read as the flags' own values are."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from attn_widgets.config import ModelConfig, TrainConfig, flag_name
from attn_widgets.errors import ConfigError
from attn_widgets.flags.options import Option, nearest, options, wanted

Grid = dict[str, tuple[Any, ...]]
"""Option → the values to try."""

TRUTH = {"true": True, "yes": True, "false": False, "no": False}
DECIDED = {
    "validation": "the folds are what is held out; give --folds",
    "seed": "a seed is nothing to choose, and the folds repeat each training already; give one --seed",
}


def read_grid(words: Sequence[str]) -> Grid:
    """Read the words behind ``--search``.

    Parameters
    ----------
    words
        Each ``name=value,value``; ``none`` is the value of an option that is not given, ``true`` and ``false``
        are those of a switch.

    Raises
    ------
    ConfigError
        One line, for a word that is no such list, an option that is not there (with the nearest name) or cannot
        be searched, and a value of another type.
    """
    known = options((ModelConfig, TrainConfig))
    grid: Grid = {}
    for word in words:
        name, equals, listed = word.partition("=")
        texts = [text.strip() for text in listed.split(",")]
        if not equals or not all(texts):
            raise ConfigError(f"--search {word}: give an option and its values, such as heads=2,4")
        option = known.get(name.lstrip("-").replace("-", "_"))
        if option is None:
            raise ConfigError(f"--search {word}: no option {name}; {nearest(name, known) or 'try heads=2,4'}")
        _check(option, word)
        values = [*grid.get(option.name, ()), *(_value(option, text, word) for text in texts)]
        grid[option.name] = tuple(dict.fromkeys(values))
    return grid


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every choice of one value for each option, in order: the last option changes fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def told(choice: Mapping[str, Any]) -> str:
    """Write a choice as it is given: ``heads=2 attention=dot``."""
    return " ".join(f"{name}={_text(value)}" for name, value in choice.items())


def _check(option: Option, word: str) -> None:
    reason = DECIDED.get(option.name)
    if reason is None and (option.kind is tuple or (option.kind is str and not option.choices)):
        reason = (
            f"{flag_name(option.name)} is {wanted(option)}; numbers, names from a list and switches can be searched"
        )
    if reason is not None:
        raise ConfigError(f"--search {word}: {reason}")


def _value(option: Option, text: str, word: str) -> Any:
    if option.optional and text.lower() == "none":
        return None
    if option.kind is bool and text.lower() in TRUTH:
        return TRUTH[text.lower()]
    if option.kind is str and text in option.choices:
        return text
    if option.kind in (int, float):
        try:
            return option.kind(text)
        except ValueError:
            pass
    near = nearest(text, option.choices) if option.choices else None
    raise ConfigError(
        f"--search {word}: {option.name} must be {wanted(option)}; given {text!r}{f'; {near}' if near else ''}"
    )


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
