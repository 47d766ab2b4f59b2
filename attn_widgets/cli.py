"""``attn-widgets train | generate | view | compare | demo``: the verbs outside a notebook, with the same flags.

``accelerate launch -m attn_widgets.cli train …`` starts this too, any number of times: only the
main process prints.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from attn_widgets import __version__
from attn_widgets.errors import AttnError, ConfigError, TrainingInterrupted
from attn_widgets.flags import VERBS, Parsed, help_text, parse

USAGE = """attn-widgets train | generate | view | compare | demo

  train [CORPUS]     train an attention language model on a text
  generate [PROMPT]  continue a prompt with the newest run, or with --run NAME
  view [TEXT]        write the head panel of a text to attention.html, or to --html PATH
  compare [TASKS]    train every kind of model on every task, and print which one meets which
  demo               all three on the built-in corpus, in at most 90 s

  attn-widgets train --help shows the flags of a verb, --help-all every one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns
    -------
    int
        Exit code: 0, or 2 after an error of the person's (one line on standard error), or 130
        after an interrupt, or 141 when nobody reads on (``| head -1``).
    """
    verb, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    _never_fail_to_print()
    try:
        code = _run(verb, rest)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # what is still in the buffer goes nowhere, or Python would complain when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except AttnError as error:
        print(f"attn-widgets: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(interrupt if isinstance(interrupt, TrainingInterrupted) else "interrupted", file=sys.stderr)
        return 130


def _run(verb: str, rest: Sequence[str]) -> int:
    if verb in ("--help", "-h", "help", "--version"):
        print(f"attn-widgets {__version__}" if verb == "--version" else USAGE)
        return 0
    if verb == "demo":
        if rest:
            raise ConfigError(
                f"demo takes no words and no flags; given {' '.join(rest)}: use attn-widgets train for it"
            )
        from attn_widgets.api import run_demo

        run_demo()
        return 0
    if verb not in VERBS:
        raise ConfigError(f"{verb}: no such command; there are {', '.join(VERBS)} and demo")
    parsed = parse(VERBS[verb], rest)
    if parsed.help:
        print(help_text(VERBS[verb], f"attn-widgets {verb}", everything=parsed.help == "all"))
        return 0
    _ACTIONS[verb](parsed)
    return 0


def _never_fail_to_print() -> None:
    """Print ``?`` for what the terminal's encoding lacks: no text may end what it reports on."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _train(parsed: Parsed) -> None:
    from attn_widgets import api

    api.train([str(word) for word in parsed.words] or None, **parsed.given)


def _generate(parsed: Parsed) -> None:
    from attn_widgets import api

    api.generate(_text(parsed), stream=True, **_with_run(parsed))


def _view(parsed: Parsed) -> None:
    from attn_widgets import api

    api.view(_text(parsed), **{"html": "attention.html", **_with_run(parsed)})


def _compare(parsed: Parsed) -> None:
    from attn_widgets import api

    print(api.compare([str(word) for word in parsed.words], **parsed.given))


def _with_run(parsed: Parsed) -> dict[str, Any]:
    """Add the newest run on disk, unless one is named."""
    from attn_widgets import api

    named = "run" in parsed.given
    return parsed.given if named else {"run": api.newest(parsed.given.get("runs", "attn_runs")), **parsed.given}


def _text(parsed: Parsed) -> str | None:
    return " ".join(map(str, parsed.words)) or None


_ACTIONS: dict[str, Callable[[Parsed], None]] = {
    "train": _train,
    "generate": _generate,
    "view": _view,
    "compare": _compare,
}

if __name__ == "__main__":
    sys.exit(main())
