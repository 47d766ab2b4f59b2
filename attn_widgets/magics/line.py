"""A magic's line, split as a shell would, with comments, apostrophes and ``$name`` taken care of."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from attn_widgets.errors import ConfigError
from attn_widgets.flags import Variable

_CHUNK = re.compile(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'\\])+""", re.DOTALL)
_QUOTED_OR_BACKSLASH = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|\\""", re.DOTALL)
_MIDWORD_QUOTE = re.compile(r"""[^\s"'\\=]["']""")


@dataclass(frozen=True)
class Call:
    """One use of a magic.

    Attributes
    ----------
    words, given
        The line taken apart.
    cell
        The body under a ``%%`` magic.
    defaults
        Options whose default ``%config`` changed.
    shell
        Where it was called.
    """

    words: Sequence[str | Variable]
    given: Mapping[str, Any]
    cell: str | None
    defaults: Mapping[str, Any]
    shell: InteractiveShell

    @property
    def options(self) -> dict[str, Any]:
        """The options that are not the dataclasses' defaults."""
        return {**self.defaults, **self.given}

    def text(self) -> str | None:
        """Return the body, else the words and variables of the line as one text; None without either."""
        if self.cell is not None:
            return self.cell.removesuffix("\n")
        for word in self.words:
            if isinstance(word, Variable) and not isinstance(word.value, str):
                raise ConfigError(f"${word.name} must be text; given {type(word.value).__name__}")
        texts = [word.value if isinstance(word, Variable) else word for word in self.words]
        return " ".join(texts) if texts else None


def split(line: str, variables: Mapping[str, Any], *, windows: bool = os.name == "nt") -> list[str | Variable]:
    r"""Split a magic's line into tokens.

    Quotes group words, a ``#`` after a space opens a comment, and ``$name``, unquoted, stands for
    the Python variable of that name. Nothing else is expanded. On Windows a backslash outside of quotes is
    a character of a path.

    Raises
    ------
    ConfigError
        For a quotation that is never closed or that opens inside a word (``don't``), and for the
        name of a variable that does not exist.

    Examples
    --------
    >>> split('"I love to eat" --seed 3  # pizza', {})
    ['I love to eat', '--seed', '3']
    """
    tokens: list[str | Variable] = []
    rest = _keep_backslashes(line.strip()) if windows else line.strip()
    while rest and not rest.startswith("#"):
        chunk = _CHUNK.match(rest)
        if chunk is None or _opens_inside_a_word(chunk.group()) or not _ends_at_space(rest, chunk.end()):
            shown = rest.replace("\\\\", "\\") if windows else rest
            raise ConfigError(
                f'a lone quote or backslash in {_short(shown)}; put the whole text in double quotes: "I don\'t know"'
            )
        tokens.append(_token(chunk.group(), variables))
        rest = rest[chunk.end() :].lstrip()
    return tokens


def _keep_backslashes(line: str) -> str:
    """Double every backslash outside of quotes, so that it escapes nothing but itself."""
    return _QUOTED_OR_BACKSLASH.sub(lambda found: "\\\\" if found[0] == "\\" else found[0], line)


def _token(raw: str, variables: Mapping[str, Any]) -> str | Variable:
    if not (raw.startswith("$") and raw[1:].isidentifier()):
        return shlex.split(raw)[0]
    if raw[1:] not in variables:
        raise ConfigError(f"{raw}: no variable of this name; to use the text itself, quote it: '{raw}'")
    return Variable(raw[1:], variables[raw[1:]])


def _opens_inside_a_word(chunk: str) -> bool:
    """Whether a quote follows a letter: in ``Anna's and Ben's`` a shell would join the two."""
    outside = re.sub(r"""\\.|(?<![^=])("(?:\\.|[^"\\])*"|'[^']*')""", "", chunk, flags=re.DOTALL)
    return _MIDWORD_QUOTE.search(outside) is not None


def _ends_at_space(text: str, end: int) -> bool:
    return end == len(text) or text[end].isspace()


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
