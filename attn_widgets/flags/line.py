"""A line of flags and words, as a magic or a shell gives it.

One reader serves the magics and the command line, so both take the same flags and give the same
one-line errors. It is not argparse because a wrong line must become *one* line that names the
flag, the value and what would work; because ``-1e-3`` is a value; and because words and flags of a
prompt mix freely. Nothing here abbreviates or guesses: a near name is offered, never taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from attn_widgets.errors import ConfigError
from attn_widgets.flags.options import Option, Verb, checked, nearest, options, wanted

_ASSIGNMENT = re.compile(r"[A-Za-z][\w-]*=")


class Variable(NamedTuple):
    """A Python variable given on a magic's line as ``$name``; its value is never read as a flag."""

    name: str
    value: Any


@dataclass
class Parsed:
    """A line taken apart.

    Attributes
    ----------
    words
        What is no flag, in order.
    given
        The options that were given, by name.
    help
        Whether help was asked for: 'short', 'all', or None.
    """

    words: list[str | Variable] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    help: Literal["short", "all"] | None = None


def parse(verb: Verb, tokens: Sequence[str | Variable]) -> Parsed:
    """Take a line apart, already split into tokens as a shell would.

    ``--flag value`` and ``--flag=value`` are the same; what follows ``--`` is words only.

    Raises
    ------
    ConfigError
        For an unknown flag (with the nearest known one), a missing value, or one of the wrong type.
    """
    by_flag = {o.flag: o for o in options(verb.configs).values()}
    parsed, rest = Parsed(), list(tokens)
    while rest:
        token = rest.pop(0)
        if token == "--":
            parsed.words += rest
            break
        if isinstance(token, Variable) or not re.match(r"--?[A-Za-z][^\s=]*(=|$)", token):
            parsed.words.append(token)
        elif token in ("--help", "-h", "--help-all"):
            parsed.help = "all" if token == "--help-all" else "short"
        else:
            _read_flag(by_flag, token, rest, parsed.given)
    return parsed


def _read_flag(by_flag: Mapping[str, Option], token: str, rest: list[str | Variable], given: dict[str, Any]) -> None:
    """Read one flag and take its value off `rest`, into `given`."""
    flag, equals, text = token.partition("=")
    option = by_flag.get(flag)
    if option is None:
        raise ConfigError(f"{flag}: no such flag; {nearest(flag, by_flag) or '--help-all lists every flag'}")
    if option.kind is bool:
        if equals:
            raise ConfigError(f"{flag} takes no value; given {text!r}: write {flag} alone")
        given[option.name] = not option.default
        return
    if not equals and (not rest or (isinstance(rest[0], str) and rest[0].partition("=")[0] in by_flag)):
        raise ConfigError(f"{flag} needs a value: {wanted(option)}")
    value: str | Variable = text if equals else rest.pop(0)
    read = checked(option, value.value, flag) if isinstance(value, Variable) else _read(option, value, flag)
    while option.assignments and rest and isinstance(rest[0], str) and _ASSIGNMENT.match(rest[0]):
        read = (*read, rest.pop(0))
    given[option.name] = (*given.get(option.name, ()), *read) if option.kind is tuple else read


def _read(option: Option, text: str, flag: str) -> Any:
    """Read the value that a flag's text stands for."""
    if option.kind is tuple:
        return (text,)
    if option.kind is str:
        return checked(option, text, flag)
    try:
        return option.kind(text)
    except ValueError:
        raise ConfigError(f"{flag} must be {wanted(option)}; given {text!r}{_whole(option, text)}") from None


def _whole(option: Option, text: str) -> str:
    """`` (try 1000)`` where ``1e3`` was given for a whole number."""
    try:
        number = float(text)
        return f"; try {int(number)}" if option.kind is int and number == int(number) else ""
    except (ValueError, OverflowError):
        return ""
