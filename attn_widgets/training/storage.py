"""Folders that are written whole or not at all, with a checksum of every file.

A folder is filled under a temporary name, flushed to the disk and renamed. A kill leaves at most a
temporary folder, which nobody reads and the next writer removes. This file knows nothing about
what it stores.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from attn_widgets.errors import RunError

MANIFEST = "manifest.json"
TEMPORARY = ".tmp-"


def write_file(path: Path, data: bytes) -> None:
    """Replace a file by `data`, or leave it as it was."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    _write_through(temporary, data)
    os.replace(temporary, path)
    _flush_folder(path.parent)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` and a manifest of their checksums as the new folder `path`.

    Raises
    ------
    OSError
        When the disk is full, say; `path` is then as it was before.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, data in files.items():
        _write_through(temporary / name, data)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    _write_through(temporary / MANIFEST, json.dumps(sums, indent=1).encode())
    _flush_folder(temporary)
    if path.exists():  # left by a kill, before anything pointed at it
        shutil.rmtree(path)
    os.replace(temporary, path)
    _flush_folder(path.parent)


def read_folder(path: Path) -> dict[str, bytes]:
    """Read all files of a folder and compare each with its checksum.

    Raises
    ------
    RunError
        When something is missing or was changed.
    """
    try:
        sums: dict[str, str] = json.loads((path / MANIFEST).read_bytes())
        if not isinstance(sums, dict):
            raise ValueError(f"{MANIFEST} lists no files")
        files = {name: (path / name).read_bytes() for name in sums}
    except (OSError, ValueError) as error:
        raise RunError(f"checkpoint {path} is damaged ({error}); train again with --overwrite") from error
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != sums[name]:
            raise RunError(f"checkpoint {path} is damaged: {name} has changed; train again with --overwrite")
    return files


def remove_leftovers(folder: Path, keep: set[str]) -> None:
    """Remove everything from `folder` but the names in `keep`."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    """Make names durable; only POSIX can open a folder."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
