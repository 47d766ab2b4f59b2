"""Errors for the person at the keyboard: what was wrong, what was given, what would work.

Each message is one line. In a notebook the error shows as that line in red, without a
traceback, and is still a real error: Run All stops on it and nbval fails on it.
"""

from __future__ import annotations


class AttnError(Exception):
    """Anything the user can mend; the message is one line that says how."""

    def _render_traceback_(self) -> list[str]:
        """Show one red line in IPython instead of a traceback."""
        return [f"\x1b[31m{type(self).__name__}: {self}\x1b[0m"]


class ConfigError(AttnError, ValueError):
    """A flag or keyword has a value that cannot work."""


class CorpusError(AttnError, ValueError):
    """A text cannot be read or is too short to train on."""


class RunError(AttnError, RuntimeError):
    """A run is missing, taken, open elsewhere, or damaged on disk."""


class TrainingError(AttnError, RuntimeError):
    """Training cannot go on, for example because the loss is not finite."""


class TrainingInterrupted(KeyboardInterrupt):
    """Training was interrupted between two steps; everything up to that step is on disk.

    A ``KeyboardInterrupt`` so that Run All stops, shown as one line.
    """

    def _render_traceback_(self) -> list[str]:
        """Show one line in IPython instead of a traceback."""
        return [f"\x1b[33m{self}\x1b[0m"]
