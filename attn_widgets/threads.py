"""How torch's threads wait, decided before torch is imported.

OpenMP threads spin while they wait. With one other busy process on two cores that turns a
training step of 52 ms into 1,900 ms; told to sleep instead (``OMP_WAIT_POLICY=PASSIVE``), the
same step takes 160–200 ms, and nothing is lost on a quiet machine. The OpenMP runtime reads the
variable once, when torch is first imported.
"""

from __future__ import annotations

import os
import sys

_early = False


def wait_passively() -> None:
    """Ask OpenMP threads to sleep while they wait, unless torch is loaded or the user chose."""
    global _early
    _early = "torch" not in sys.modules
    if _early:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def choose_threads() -> tuple[int | None, str]:
    """How many torch threads to use, and one line that says why.

    Returns
    -------
    threads
        The number to pass to ``torch.set_num_threads``, or None to leave torch's own choice.
    note
        For the person.
    """
    policy = os.environ.get("OMP_WAIT_POLICY", "").upper()
    if _early and policy == "PASSIVE":
        return None, "threads sleep while they wait (OMP_WAIT_POLICY=PASSIVE)"
    if "OMP_NUM_THREADS" in os.environ:
        return None, f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']} as set"
    if _early:
        return None, f"OMP_WAIT_POLICY={policy or 'unset'} as set"
    if _others_are_busy():
        return 1, "one thread: torch was imported before attn_widgets and another process is busy"
    return None, "torch was imported before attn_widgets: its threads spin, and slow down beside a busy process"


def _others_are_busy() -> bool:
    """Whether the machine has work besides this process (one-minute load)."""
    try:
        return os.getloadavg()[0] > 0.7
    except OSError:
        return False
