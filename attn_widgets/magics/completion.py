"""Completion of flags and of their choices behind ``%attn_…`` and ``%%attn_…``."""

from __future__ import annotations

import re
from pathlib import Path

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)

from attn_widgets.flags import VERBS, Option, options

_MAGIC = re.compile(r"^(?:\s*%%|(?:.*?=)?\s*%)attn_(\w+)\s+(.*)$")


@context_matcher(priority=1000)  # type: ignore[untyped-decorator]
def flag_matcher(context: CompletionContext) -> SimpleMatcherResult:
    """Offer flags after a dash, choices after a flag that has them, runs after ``--run`` and ``--name``.

    Everything else on the line (paths, Python names) is left to IPython's own matchers.
    """
    magic = _MAGIC.match(context.text_until_cursor)
    is_body = context.cursor_line > 0 and context.full_text.lstrip().startswith("%%")
    if magic is None or magic[1] not in VERBS or is_body:
        return {"completions": []}
    found = {o.flag: o for o in options(VERBS[magic[1]].configs).values()}
    before = magic[2][: len(magic[2]) - len(context.token)].rstrip("= ").split()
    if context.token.startswith("-"):
        offered = [*found, "--help", "--help-all"]
    elif before and (option := found.get(before[-1])):
        offered = _values(option)
    else:
        return {"completions": []}
    matching = [SimpleCompletion(text, type="param") for text in offered if text.startswith(context.token)]
    return {"completions": matching, "suppress": bool(matching)}


def _values(option: Option) -> list[str]:
    """List what can stand behind a flag, where that is a short list."""
    if option.name in ("run", "name"):
        return sorted(path.parent.name for path in Path("attn_runs").glob("*/run.json"))
    return list(option.choices)
