"""``%attn_train``, ``%attn_generate``, ``%attn_view`` and ``%attn_compare``: each line is read here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from IPython.core.magic import line_cell_magic, line_magic, magics_class, no_var_expand, output_can_be_silenced

from attn_widgets.flags import VERBS, help_text, parse
from attn_widgets.magics import compare, generate, train, view
from attn_widgets.magics.line import Call, split
from attn_widgets.magics.traits import Configured, changed

Method = TypeVar("Method", bound=Callable[..., Any])


def _documented(verb: str) -> Callable[[Method], Method]:
    """Make ``%attn_train?`` show the flags: the help becomes the docstring."""

    def document(method: Method) -> Method:
        method.__doc__ = help_text(VERBS[verb], f"%attn_{verb}")
        return method

    return document


class Interrupted(KeyboardInterrupt):
    """A magic was interrupted in what can be done again; shown as one line, and Run All stops."""

    def _render_traceback_(self) -> list[str]:
        """Show one line instead of a traceback."""
        return [f"\x1b[33m{self}\x1b[0m"]


@magics_class
class AttnMagics(Configured):
    """Defaults of the flags: ``%config AttnMagics.steps = 5``."""

    @no_var_expand
    @line_cell_magic
    @output_can_be_silenced
    @_documented("train")
    def attn_train(self, line: str, cell: str | None = None) -> Any:
        """Train a model."""
        return self._call("train", train.run, line, cell)

    @no_var_expand
    @line_cell_magic
    @output_can_be_silenced
    @_documented("generate")
    def attn_generate(self, line: str, cell: str | None = None) -> Any:
        """Continue a prompt."""
        return self._call("generate", generate.run, line, cell)

    @no_var_expand
    @line_magic
    @output_can_be_silenced
    @_documented("view")
    def attn_view(self, line: str) -> Any:
        """Step through the heads."""
        return self._call("view", view.run, line, None)

    @no_var_expand
    @line_magic
    @output_can_be_silenced
    @_documented("compare")
    def attn_compare(self, line: str) -> Any:
        """Compare models on tasks."""
        return self._call("compare", compare.run, line, None)

    def _call(self, verb: str, run: Callable[[Call], Any], line: str, cell: str | None) -> Any:
        shell = self.shell
        assert shell is not None
        parsed = parse(VERBS[verb], split(line, shell.user_ns))
        if parsed.help:
            print(help_text(VERBS[verb], f"%attn_{verb}", everything=parsed.help == "all"))
            return None
        try:
            return run(Call(parsed.words, parsed.given, cell, changed(self, verb), shell))
        except KeyboardInterrupt as interrupt:
            if hasattr(interrupt, "_render_traceback_"):
                raise
            raise Interrupted(f"%attn_{verb} was interrupted before there was anything to keep") from None
