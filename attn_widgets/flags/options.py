"""The options of each verb, read off the dataclasses of `config`, and values checked against them."""

from __future__ import annotations

import difflib
import inspect
import os
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from attn_widgets.config import (
    CompareConfig,
    GenerateConfig,
    ModelConfig,
    SearchConfig,
    SourceConfig,
    StoreConfig,
    TrainConfig,
    ViewConfig,
    flag_name,
)
from attn_widgets.errors import ConfigError

KINDS = {int: "a whole number", float: "a number", str: "text", bool: "True or False", tuple: "a list of texts"}

Config = TypeVar("Config")


@dataclass(frozen=True)
class Option:
    """One documented option, read off a dataclass field.

    Attributes
    ----------
    name
        As a keyword in Python (``kv_heads``); the flag is ``--kv-heads``.
    kind
        int, float, str, bool, or tuple (texts; the flag may be repeated).
    choices
        The values a ``Literal`` allows; empty where anything of the kind goes.
    optional
        Whether ``None`` is a value.
    group
        First line of the dataclass's docstring.
    assignments
        Whether the flag takes all the words ``name=a,b`` behind it; in Python a dict of lists does too.
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    optional: bool
    default: Any
    help: str
    common: bool
    group: str
    assignments: bool = False

    @property
    def flag(self) -> str:
        """The flag that gives the value; a switch that is on by default is given to turn it off."""
        return flag_name(f"no_{self.name}" if self.default is True else self.name)


@dataclass(frozen=True)
class Verb:
    """What can be asked for: its words and its options.

    Attributes
    ----------
    words
        How the help calls the words that are no flags, with a line that describes them.
    configs
        The dataclasses that its options come from.
    """

    name: str
    summary: str
    words: tuple[str, str]
    configs: tuple[type, ...]


VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            "train",
            "Train an attention language model on a text; gives a Run.",
            ("CORPUS", "sentences (default), python-docs, or files, folders and globs"),
            (ModelConfig, TrainConfig, SearchConfig, StoreConfig),
        ),
        Verb(
            "generate",
            "Continue a prompt with a trained run; gives a Generation.",
            ("PROMPT", "the text to continue (default: the corpus's own prompt)"),
            (SourceConfig, GenerateConfig),
        ),
        Verb(
            "view",
            "Step through every layer and head on a text; gives a HeadPanel.",
            ("TEXT", "the text to read (default: the last generation)"),
            (SourceConfig, ViewConfig),
        ),
        Verb(
            "compare",
            "Train every kind of model on every task, with one budget and several seeds; gives a Comparison.",
            ("TASKS", "tasks to compare on (default: all of them)"),
            (CompareConfig,),
        ),
    )
}


def options(configs: Iterable[type]) -> dict[str, Option]:
    """List the options of some dataclasses by name, in order."""
    found: dict[str, Option] = {}
    for config in configs:
        hints = get_type_hints(config)
        group = (inspect.getdoc(config) or "").splitlines()[0].rstrip(".")
        for f in fields(config):
            kind, choices, optional = _kind(hints[f.name])
            found[f.name] = Option(
                f.name, kind, choices, optional, f.default, f.metadata["help"], f.metadata["common"], group,
                f.metadata["assignments"],
            )  # fmt: skip
    return found


def _kind(hint: Any) -> tuple[type, tuple[str, ...], bool]:
    """(kind, choices, optional) of an annotation."""
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (arm for arm in get_args(hint) if arm is not NoneType)
        return (*_kind(inner)[:2], True)
    if get_origin(hint) is Literal:
        return str, get_args(hint), False
    kind = get_origin(hint) or hint
    if kind not in KINDS:
        raise TypeError(f"no flag can be made of {hint}")
    return kind, (), False


def checked(option: Option, value: Any, name: str) -> Any:
    """Return a Python value for an option; refuse it when it is not of the option's type.

    Numbers of other libraries are taken (``numpy.int64(3)`` is 3), text is not (``'3'`` is no number).
    A path is text.
    """
    if option.kind is tuple and isinstance(value, str):
        value = (value,)
    if option.assignments and isinstance(value, Mapping):
        value = tuple(f"{key}={_listed(values)}" for key, values in value.items())
    try:
        if _fits(option, value):
            return None if value is None else option.kind(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        pass  # an array of several numbers, a number beyond all floats
    near = nearest(str(value), option.choices) if option.choices else None
    shown = " ".join(reprlib.repr(value).split())  # an array has several lines
    raise ConfigError(f"{name} must be {wanted(option)}; given {shown}{f'; {near}' if near else ''}")


def _listed(values: Any) -> str:
    """``2,4,8`` of a list of values, or of a single one."""
    several = not isinstance(values, str) and isinstance(values, Iterable)
    return ",".join(map(str, values)) if several else str(values)


def _fits(option: Option, value: Any) -> bool:
    if value is None:
        return option.optional
    if isinstance(value, bool) or option.kind is bool:
        return isinstance(value, bool) and option.kind is bool
    if option.kind is str:
        return value in option.choices if option.choices else isinstance(value, str | os.PathLike)
    if option.kind is tuple:
        return isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value)
    return hasattr(value, "__index__") or (option.kind is float and hasattr(value, "__float__"))


def keywords(verb: Verb, given: Mapping[str, Any]) -> dict[str, Any]:
    """Python keywords, checked: names known, values of the right type.

    Raises
    ------
    ConfigError
        One line with the nearest name, or with the type wanted.
    """
    known = options(verb.configs)
    for name in given:
        if name not in known:
            near = nearest(name, known) or f"help(attn_widgets.{verb.name}) lists every option"
            raise ConfigError(f"{verb.name}() has no option {name}; {near}")
    return {name: checked(known[name], value, name) for name, value in given.items()}


def build(config: type[Config], given: Mapping[str, Any]) -> Config:
    """Make the dataclass with the values given for its own fields; other names are for other dataclasses."""
    names = {f.name for f in fields(config)}  # type: ignore[arg-type]
    return config(**{name: value for name, value in given.items() if name in names})


def wanted(option: Option) -> str:
    """Say what a value must be: ``a whole number``, ``muon or adamw``."""
    if len(option.choices) > 1:
        return f"{', '.join(option.choices[:-1])} or {option.choices[-1]}"
    return option.choices[0] if option.choices else KINDS[option.kind]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """``did you mean --heads?``: by spelling, by initials (``--lr``), or by a part of the name (``--rate``)."""
    bare = name.lstrip("-").replace("_", "-").lower()
    names = {k.lstrip("-").replace("_", "-"): k for k in known}
    near = difflib.get_close_matches(bare, names, n=1)
    near += [n for n in names if "".join(part[:1] for part in n.split("-")) == bare]
    near += [n for n in names if bare in n.split("-")]
    return f"did you mean {names[near[0]]}?" if near else None
