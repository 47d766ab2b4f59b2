"""``%attn_train [CORPUS] [flags]``; the body of ``%%attn_train`` is the corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_widgets.errors import ConfigError
from attn_widgets.flags import Variable
from attn_widgets.magics.line import Call

if TYPE_CHECKING:
    from attn_widgets.run import Run


def run(call: Call) -> Run:
    """Train on files, on a variable, or on the cell's body."""
    from attn_widgets import api  # not on top: it loads NumPy and the tokenizers

    text = _text_in_memory(call)
    corpus = [word for word in call.words if isinstance(word, str)]
    trained: Run = api.train(corpus or None, text=text, **_options(call))
    return trained


def _options(call: Call) -> dict[str, Any]:
    """Give way to the line, where a default of the session cannot stand beside it.

    A resumed run is found as usual and keeps its recorded options, of ``--steps`` and ``--minutes`` there can
    be one, and a model is not given what it does not read.
    """
    from attn_widgets.api.together import unread

    defaults = dict(call.defaults)
    if call.given.get("resume"):
        defaults = {name: value for name, value in defaults.items() if name in ("name", "runs")}
    for given, other in (("steps", "minutes"), ("minutes", "steps"), ("overwrite", "resume")):
        if given in call.given:
            defaults.pop(other, None)
    idle = set() if "search" in call.given else unread({**defaults, **call.given})
    return {**{name: value for name, value in defaults.items() if name not in idle}, **call.given}


def _text_in_memory(call: Call) -> Any:
    """Return the cell's body, or a variable's value."""
    variables = [word for word in call.words if isinstance(word, Variable)]
    if call.cell is not None and call.words:
        raise ConfigError("%%attn_train trains on the cell's body; for what its line names use %attn_train")
    if variables and len(call.words) > 1:
        raise ConfigError(f"${variables[0].name} must be the only corpus; to join several texts, make one list of them")
    if variables and variables[0].value is None:
        raise ConfigError(f"${variables[0].name} is None; give a text or a list of texts, or no word for the default")
    return variables[0].value if variables else call.cell
