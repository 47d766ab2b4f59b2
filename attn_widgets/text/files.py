r"""Text files of a person: found, checked, and read in pieces.

Everything is UTF-8 (a byte-order mark is dropped) and ``\r\n`` reads as ``\n``, as in
Python's own text mode.
"""

from __future__ import annotations

import codecs
import difflib
import glob
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from attn_widgets.errors import CorpusError

PIECE = 1 << 20  # bytes
SHOWN = 5  # names in a message
HEAD = 1 << 13  # bytes that are looked at to tell a text from something else


@dataclass(frozen=True)
class Found:
    """Files to read, and files that are no text.

    Attributes
    ----------
    files
        Text files in the order given, each once; sorted by name inside a folder or glob.
    skipped
        Binary or empty files that a folder or glob held.
    """

    files: tuple[Path, ...]
    skipped: tuple[Path, ...]

    @property
    def skipped_names(self) -> str:
        """The skipped files in a few words."""
        names = [path.name for path in self.skipped[:SHOWN]]
        more = len(self.skipped) - len(names)
        return ", ".join(names) + (f" and {more} more" if more else "")


def find_files(sources: Sequence[str | Path]) -> Found:
    """Files that paths, globs and folders stand for.

    A folder is searched to the bottom; names that begin with a dot are left out.

    Raises
    ------
    CorpusError
        When there is nothing to read, or a file given by name is no text.
    """
    files: dict[Path, Path] = {}
    skipped: list[Path] = []
    for source in sources:
        if not str(source).strip():
            raise CorpusError(f"{str(source)!r} is no path; give a file, a folder or a glob ('.' is this folder)")
        named = Path(source).expanduser()
        for path in [named] if named.is_file() else _search(named):
            if path.resolve() in files:
                continue
            if path == named or _looks_like_text(path):
                files[path.resolve()] = path
            else:
                skipped.append(path)
    found = Found(tuple(files.values()), tuple(skipped))
    if not files:
        given = ", ".join(map(str, sources)) or "no source"
        seen = f" (no text in them: {found.skipped_names})" if skipped else ""
        raise CorpusError(f"no text file in {given}{seen}; give a UTF-8 text file, or a folder or glob of some")
    return found


def count_characters(path: Path) -> int:
    """Read a whole file once: its length in characters, if it is a text.

    Raises
    ------
    CorpusError
        As `read_pieces`, and when it is empty.
    """
    characters = sum(map(len, read_pieces(path)))
    if not characters:
        raise CorpusError(f"{path} is empty; give a text of a few thousand characters or more")
    return characters


def read_pieces(path: Path, start: int = 0, stop: int | None = None) -> Iterator[str]:
    """Characters `start` to `stop` of a file, in pieces of about 1 MiB.

    Raises
    ------
    CorpusError
        When the file cannot be read, holds a NUL byte, or is not UTF-8 (at which byte).
    """
    position = 0
    for piece in _decoded(path):
        last = position + len(piece)
        if last > start:
            wanted = piece[max(0, start - position) : None if stop is None else max(0, stop - position)]
            if wanted:
                yield wanted
        position = last
        if stop is not None and position >= stop:
            return


def read_text(path: Path) -> str:
    """Read a whole file; raises as `read_pieces`."""
    return "".join(read_pieces(path))


def _decoded(path: Path) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    read = 0
    try:
        with path.open("rb") as file:
            while True:
                raw = file.read(PIECE)
                if b"\0" in raw:
                    at = read + raw.index(b"\0")
                    raise CorpusError(f"{path} is not a text: byte {at} is NUL; give a UTF-8 text file")
                read += len(raw)
                yield newlines.decode(decoder.decode(raw, final=not raw), final=not raw)
                if not raw:
                    return
    except UnicodeDecodeError as error:
        # the decoder may have kept some bytes of the piece before
        at = read - len(error.object) + error.start
        raise CorpusError(
            f"{path} is not UTF-8: byte {at} is 0x{error.object[error.start]:02x}; convert it, "
            "for example with text.encode('utf-8')"
        ) from None
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}; give a readable UTF-8 text file") from None


def _search(named: Path) -> list[Path]:
    if named.is_dir():
        found: Iterable[Path] = (
            p for p in named.rglob("*") if not any(s.startswith(".") for s in p.relative_to(named).parts)
        )
    elif glob.has_magic(str(named)):
        found = map(Path, glob.iglob(str(named), recursive=True))
    else:
        raise CorpusError(f"no such file: {named}; {_hint(named)}")
    return sorted(path for path in found if path.is_file())


def _hint(named: Path) -> str:
    parent = named.parent
    names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
    near = difflib.get_close_matches(named.name, [*names, "sentences", "python-docs"], n=2)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"give a path seen from {Path.cwd()}, a glob, a folder, 'sentences' or 'python-docs'"


def _looks_like_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}; make it readable or leave it out") from None
    return bool(head.strip()) and b"\0" not in head
