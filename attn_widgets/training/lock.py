"""One process at a time in a run's folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from attn_widgets.errors import RunError


def is_main_process() -> bool:
    """Whether this process is the only one, or the first of ``accelerate launch``."""
    ranks = (os.environ.get(name) for name in ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK"))
    return next((rank for rank in ranks if rank is not None), "0") == "0"


class RunLock:
    """Hold a run's folder for as long as the context lasts.

    The lock lies beside the folder, as ``.<name>.lock``, so that the folder itself can be replaced
    under it. A killed process leaves no lock behind: the system releases it. Under
    ``accelerate launch`` the first process holds it for all.

    Raises
    ------
    RunError
        On entering, when the run is open elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder.with_name(f".{folder.name}.lock"))

    def __enter__(self) -> Self:
        if not is_main_process():
            return self
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"run {self._folder.name!r} is being trained elsewhere; wait for it or give another --name"
            ) from None
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.release()
