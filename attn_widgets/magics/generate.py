"""``%attn_generate PROMPT [flags]``; the body of ``%%attn_generate`` is the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

from attn_widgets.config import SourceConfig
from attn_widgets.errors import ConfigError
from attn_widgets.magics.line import Call

if TYPE_CHECKING:
    from attn_widgets.run import Generation


def run(call: Call) -> Generation:
    """Continue the prompt, printing text as it comes."""
    from attn_widgets import api  # not on top: it loads torch

    if call.cell is not None and call.words:
        raise ConfigError("%%attn_generate continues the cell's body; for a prompt on the line use %attn_generate")
    generation: Generation = api.generate(call.text(), stream=True, **_options(call))
    if hasattr(call.shell, "kernel"):
        _keep_silent(generation, call.shell)
    return generation


def _options(call: Call) -> dict[str, Any]:
    """Leave out defaults of the session that the run's kind of model does not read."""
    from attn_widgets.api.state import open_run
    from attn_widgets.run.given import LACKS

    options = call.options
    if not call.defaults:
        return options
    model = open_run(options.get("run"), options.get("runs", SourceConfig().runs)).model_config.model
    lacks = LACKS[model].options
    return {name: value for name, value in options.items() if name in call.given or name not in lacks}


def _keep_silent(generation: Generation, shell: InteractiveShell) -> None:
    """Display nothing when this notebook cell ends with the generation, whose text it has just printed.

    A magic cannot know whether its value is assigned; so the value is silent until the cell ends.
    A terminal shows its one line, as it does after any cell.
    """
    vars(generation)["_ipython_display_"] = lambda: None

    def restore(*_: Any) -> None:
        vars(generation).pop("_ipython_display_", None)
        shell.events.unregister("post_run_cell", restore)

    shell.events.register("post_run_cell", restore)
