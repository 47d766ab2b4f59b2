"""``%attn_train [CORPUS] [flags]``; the body of ``%%attn_train`` is the corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_widgets.errors import ConfigError
from attn_widgets.flags import Variable
from attn_widgets.magics.api import load
from attn_widgets.magics.line import Call

if TYPE_CHECKING:
    from attn_widgets.run import Run


def run(call: Call) -> Run:
    """Train on files, on a variable, or on the cell's body.

    A resumed run keeps its recorded options, so the session's defaults count only for a new one.
    """
    text = _text_in_memory(call)
    corpus = [word for word in call.words if isinstance(word, str)]
    if call.given.get("resume"):
        options = {name: value for name, value in call.options.items() if name in ("runs", *call.given)}
    else:
        options = call.options
    trained: Run = load().train(corpus or None, text=text, **options)
    return trained


def _text_in_memory(call: Call) -> Any:
    """Return the cell's body, or a variable's value."""
    variables = [word for word in call.words if isinstance(word, Variable)]
    if call.cell is not None and call.words:
        raise ConfigError("%%attn_train trains on the cell's body; for what its line names use %attn_train")
    if variables and len(call.words) > 1:
        raise ConfigError(f"${variables[0].name} must be the only corpus; to join several texts, make one list of them")
    return variables[0].value if variables else call.cell
