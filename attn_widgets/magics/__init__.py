"""The magics ``%attn_train``, ``%attn_generate`` and ``%attn_view``, and the completion of their flags.

Importing this loads IPython and nothing heavier; torch comes with the first magic that runs.
"""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from attn_widgets.magics.completion import flag_matcher
from attn_widgets.magics.magics import AttnMagics

__all__ = ["AttnMagics", "register"]


def register(shell: InteractiveShell) -> None:
    """Add the magics and the completion to a shell; once is enough, again does no harm."""
    shell.register_magics(AttnMagics)
    if shell.Completer is not None and flag_matcher not in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.append(flag_matcher)
