"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from attn_widgets.errors import ConfigError


def write_whole(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write beside the place of the file, then put it there: a reader sees the old content or the new.

    Raises
    ------
    ConfigError
        If there is no such folder, or the path is a folder.
    """
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise ConfigError(f"cannot write {str(target)!r}; give a file name in a folder that exists")
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:80]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target
