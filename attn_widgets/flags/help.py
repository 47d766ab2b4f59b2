"""The help of a verb: the same text for ``%attn_train?``, ``--help`` and the command line."""

from __future__ import annotations

import textwrap

from attn_widgets.flags.options import Option, Verb, options


def help_text(verb: Verb, call: str, *, everything: bool = False) -> str:
    """Write the help of a verb as plain text.

    Parameters
    ----------
    call
        How the verb is called here: ``%attn_train`` or ``attn-widgets train``.
    everything
        Every option, grouped by dataclass; else those that most people need.
    """
    word, described = verb.words
    lines = [f"{call} [{word}] [--flag value]", "", verb.summary, "", *_row(word, described)]
    group = None
    for option in options(verb.configs).values():
        if everything and option.group != group:
            group = option.group
            lines += ["", f"{group}:"]
        elif group is None:
            group = ""
            lines.append("")
        if everything or option.common:
            lines += _row(f"{option.flag} {_value(option)}".rstrip(), option.help + _default(option))
    if not everything:
        lines += _row("--help-all", "every flag")
    return "\n".join(lines)


def _row(left: str, right: str) -> list[str]:
    """One option of the help: at most 100 columns."""
    wrapped = textwrap.wrap(right, 70)
    lines = [f"  {left:<26}  {wrapped[0]}"] if len(left) <= 26 else [f"  {left}", " " * 30 + wrapped[0]]
    return lines + [" " * 30 + line for line in wrapped[1:]]


def _value(option: Option) -> str:
    if option.assignments:
        return "NAME=A,B"
    if option.choices:
        return "|".join(option.choices) if len("|".join(option.choices)) < 16 else "NAME"
    return {int: "N", float: "X", str: "TEXT", bool: "", tuple: "TEXT"}[option.kind]


def _default(option: Option) -> str:
    """`` (64)``, unless the help says it in words; and the choices where the value column has no room for them."""
    listed = ": " + ", ".join(option.choices) if _value(option) == "NAME" else ""
    silent = option.default is None or option.kind in (bool, tuple)
    return listed if silent else f"{listed} ({option.default:{'g' if option.kind is float else ''}})"
