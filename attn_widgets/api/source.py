"""Which text a run was trained on: remembered, so that resuming can find it and knows it again."""

from __future__ import annotations

import hashlib
import json
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attn_widgets.errors import ConfigError, RunError
from attn_widgets.text.batches import Data
from attn_widgets.text.corpus import BUILT_IN
from attn_widgets.text.tasks import TASKS
from attn_widgets.training.storage import write_file

FILE = "text.json"
Source = str | Path | Sequence[str | Path] | None


def simplify(corpus: Source) -> Source:
    """One word is one word: ``["python-docs"]`` is the built-in corpus.

    Raises
    ------
    ConfigError
        When it is neither a word nor a path nor a list of these.
    """
    if corpus is not None:
        for word in corpus if isinstance(corpus, list | tuple) else [corpus]:
            if not isinstance(word, str | Path):
                given = reprlib.repr(word)
                raise ConfigError(f"corpus must be a name or paths; given {given}; a text in memory is text=")
    return corpus[0] if isinstance(corpus, (list, tuple)) and len(corpus) == 1 else corpus


def write_source(folder: Path, corpus: Source, in_memory: bool, tokens: Data) -> None:
    """Remember where the text came from, and a checksum of its tokens."""
    found = {"corpus": None if in_memory else _absolute(corpus), "in_memory": in_memory, "sum": checksum(tokens)}
    write_file(folder / FILE, json.dumps(found, ensure_ascii=False).encode())


def read_source(folder: Path) -> Source:
    """Return what the run in `folder` was trained on, for `text.corpus.load_corpus`.

    Raises
    ------
    RunError
        When it was a text in memory, which has to be given again.
    """
    found = _read(folder)
    if found["in_memory"]:
        raise RunError(f"run {folder.name!r} was trained on a text in memory; to resume it give the same text again")
    corpus: Source = found["corpus"]
    return corpus


def check_source(folder: Path, tokens: Data) -> None:
    """Refuse to go on with another text.

    Raises
    ------
    RunError
        When the tokens differ from those that the run was trained on.
    """
    if _read(folder)["sum"] != checksum(tokens):
        raise RunError(
            f"run {folder.name!r} was trained on another text than the one given now; "
            "resume it with its own, or train a new one with another --name"
        )


def checksum(tokens: Data) -> str:
    """SHA-256 over all token ids."""
    digest = hashlib.sha256()
    for part in tokens.arrays():
        digest.update(f"{part.dtype} {len(part)} ".encode())
        for start in range(0, len(part), 1 << 22):
            digest.update(part[start : start + (1 << 22)].tobytes())
    return digest.hexdigest()


def _read(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / FILE).read_bytes())
        if not isinstance(found, dict) or not found.keys() >= {"corpus", "in_memory", "sum"}:
            raise ValueError("it does not say which text")
    except (OSError, ValueError) as error:
        raise RunError(f"run {folder.name!r} is damaged: {FILE} ({error}); train again with --overwrite") from error
    return found


def _absolute(corpus: Source) -> Source:
    """Paths that still hold when the working folder is another one."""
    if corpus is None or corpus in (*BUILT_IN, *TASKS):
        return corpus
    if isinstance(corpus, (str, Path)):
        return str(Path(corpus).expanduser().absolute())
    return [str(Path(path).expanduser().absolute()) for path in corpus]
