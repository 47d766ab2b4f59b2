"""How torch's threads wait, decided before torch is imported.

OpenMP threads spin while they wait, which beside one other busy process on two cores makes a
training step many times slower. Told to sleep at once (``OMP_WAIT_POLICY=PASSIVE``) they lose time
on a quiet machine, where the next piece of work comes within microseconds. So they spin for a moment
and then sleep. Measured with the default model on two cores, a step in ms, quiet and beside a busy
process: sleeping at once 59 and 64, after 1,000 turns 36 and 78, after 20,000 turns 37 and 195.
The OpenMP runtime reads both variables once, when torch is first imported.
"""

from __future__ import annotations

import os
import sys

SPINS = "1000"  # turns of GNU's runtime; others ignore the variable

_early = False


def wait_passively() -> None:
    """Ask OpenMP threads to sleep after a moment's wait, unless torch is loaded or the user chose."""
    global _early
    _early = "torch" not in sys.modules
    if _early and "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


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
