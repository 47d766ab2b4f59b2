"""The whole path on the built-in corpus, for a terminal."""

from __future__ import annotations

from typing import Any

from attn_widgets.api.training import train


def run_demo(**options: Any) -> None:
    """Train, continue the default prompt, and write ``attention.html``; the run of an earlier demo is replaced."""
    run = train(**{"name": "demo", "overwrite": True, **options})
    from attn_widgets.api.generating import generate
    from attn_widgets.api.viewing import view

    print(f"\n{run.corpus.prompt} …", flush=True)
    generate(run=run, stream=True)
    print()
    view(run.corpus.prompt, run=run, html="attention.html")
