"""`generate`: continue a prompt with a run, printing the text as it comes if wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from attn_widgets.api.show import in_notebook
from attn_widgets.api.state import open_run, remember
from attn_widgets.config import GenerateConfig, SourceConfig
from attn_widgets.flags import VERBS, build, help_text, keywords
from attn_widgets.generation.result import GenerationInterrupted
from attn_widgets.progress import is_plain
from attn_widgets.run import Generation, Run


def generate(
    prompt: str | None = None, *, run: Run | str | Path | None = None, stream: bool = False, **options: Any
) -> Generation:
    """Continue a prompt with a trained run.

    Parameters
    ----------
    prompt
        The text to continue; the corpus's own prompt when None.
    run
        A run, its name or its folder; the last one when None.
    stream
        Whether to print the text as it comes, and notes behind it.
    **options
        Every flag below under its Python name: ``top_k=5`` for ``--top-k 5``.

    Raises
    ------
    ConfigError, RunError
        When an option cannot work, or there is no such run.
    GenerationInterrupted
        When interrupted; its ``generation`` is what there is.
    """
    given = keywords(VERBS["generate"], options)
    build(GenerateConfig, given)
    chosen = open_run(run, build(SourceConfig, given).runs)
    names = {f.name for f in fields(GenerateConfig)}
    wanted = {name: value for name, value in given.items() if name in names}
    streams = stream and not is_plain()
    try:
        generation = chosen.generate(prompt, on_text=_printer() if streams else None, **wanted)
    except GenerationInterrupted as interrupted:
        remember(chosen, interrupted.generation)
        if streams:
            print()
        raise
    remember(chosen, generation)
    if stream:
        print("" if streams else generation.text.lstrip(" "))
        for note in generation.notes:
            print(f"note: {note}")
    return generation


def _printer() -> Callable[[str], None]:
    """Return what prints the pieces of a text, less the space between prompt and text."""
    begun = False
    flush = not in_notebook()  # a kernel sends five times a second by itself, and must not send more often

    def show(piece: str) -> None:
        nonlocal begun
        shown = piece if begun else piece.lstrip(" ")
        begun = begun or bool(shown)
        print(shown, end="", flush=flush)

    return show


generate.__doc__ = f"{generate.__doc__}\n    {help_text(VERBS['generate'], 'Flags:', everything=True)}"
