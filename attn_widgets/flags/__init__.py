"""Flags, keywords and help, all made from the dataclasses of `config`."""

from attn_widgets.flags.grid import combinations, read_grid, told
from attn_widgets.flags.help import help_text
from attn_widgets.flags.line import Parsed, Variable, parse
from attn_widgets.flags.options import VERBS, Option, Verb, build, checked, keywords, nearest, options

__all__ = [
    "VERBS",
    "Option",
    "Parsed",
    "Variable",
    "Verb",
    "build",
    "checked",
    "combinations",
    "help_text",
    "keywords",
    "nearest",
    "options",
    "parse",
    "read_grid",
    "told",
]
