"""`view`: the explorer of a text, with the run's moments and its heads to switch off behind it."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_widgets.api.state import last_generation, open_run
from attn_widgets.capture import Ablation, model_hash
from attn_widgets.config import SourceConfig, ViewConfig
from attn_widgets.errors import ConfigError
from attn_widgets.flags import VERBS, build, help_text, keywords
from attn_widgets.run import Generation, Run
from attn_widgets.trace import AttentionTrace

if TYPE_CHECKING:
    from attn_widgets.panels.explorer import Explorer


def view(text: str | Generation | None = None, *, run: Run | str | Path | None = None, **options: Any) -> Explorer:
    """Step through every layer and head of a run on a text.

    Parameters
    ----------
    text
        A text or a generation; when None, what the run generated last, or else the text that its
        attention was recorded on during training.
    run
        A run, its name or its folder; the last one when None.
    **options
        Every flag below under its Python name.

    Returns
    -------
    Explorer
        To display: a head, all heads, and query and key of a weight; on the text recorded during
        training it has a slider over the moments.

    Raises
    ------
    ConfigError, RunError
        When an option cannot work, or there is no such run.
    """
    from attn_widgets.panels.explorer import Explorer  # loads ipywidgets, which training in a terminal does without

    given = keywords(VERBS["view"], options)
    config, runs = build(ViewConfig, given), build(SourceConfig, given).runs
    if not isinstance(text, str | Generation | None):
        raise ConfigError(f"text must be a text or a generation; given {reprlib.repr(text)}")
    chosen = open_run(run, runs)
    if text is None:
        text = last_generation(chosen) or _probe(chosen)
    if isinstance(text, str):
        trace, moments = chosen.trace(text), _moments(chosen) if text == _probe(chosen) else []
    else:
        trace, moments = text.trace, []
        if run is not None and not _wrote(chosen, trace):
            raise ConfigError(
                f"--run {chosen.name}: this generation is of run {trace.meta.get('run')!r}, as it was then; "
                "leave the run out, or generate again"
            )
    _check_place(trace, config)
    panel = Explorer(
        trace,
        layer=config.layer,
        head=config.head,
        moments=moments,
        title=str(text),
        ablate=_ablate(chosen, text, trace),
    )
    for note in filter(None, str(trace.meta.get("notes", "")).split("; ")):
        print(f"note: {note}")
    if config.html is not None:
        print(f"wrote {panel.to_html(config.html)}")
    return panel


view.__doc__ = f"{view.__doc__}\n    {help_text(VERBS['view'], 'Flags:', everything=True)}"


def _check_place(trace: AttentionTrace, config: ViewConfig) -> None:
    """Refuse a layer or a head that the trace lacks, naming the flag."""
    if config.layer >= trace.layers:
        _refuse("layer", config.layer, trace.layers)
    heads = trace.blocks[config.layer].record.heads
    if config.head >= heads:
        _refuse("head", config.head, heads)


def _refuse(name: str, given: int, size: int) -> None:
    raise ConfigError(f"--{name} {given} does not exist; there are {size}: 0 to {size - 1}")


def _probe(run: Run) -> str:
    """Text whose attention was recorded during training."""
    if run.model_config.reads_pairs and run.corpus.pair is not None:
        return run.corpus.pair[0]
    return run.corpus.prompt if run.train_config.probe is None else run.train_config.probe


def _moments(run: Run) -> list[tuple[int, AttentionTrace]]:
    """As many moments as a panel shows, first and last among them; a run resumed often has more."""
    from attn_widgets.panels.frames import MOST_MOMENTS

    moments = run.moments
    if len(moments) <= MOST_MOMENTS:
        return moments
    chosen = {round(i * (len(moments) - 1) / (MOST_MOMENTS - 1)) for i in range(MOST_MOMENTS)}
    return [moments[i] for i in sorted(chosen)]


def _ablate(run: Run, text: str | Generation, trace: AttentionTrace) -> Callable[[Sequence[str]], Ablation] | None:
    """Return what predicts without heads, where it has the trace's rows.

    Positions that end with the context may have dropped the beginning of a generation. One that another
    model wrote, or this one before it was trained on, is shown alone.
    """
    if isinstance(text, Generation) and not _wrote(run, trace):
        return None
    if run.model_config.model == "encoder" or run.model_config.reads_pairs:
        return partial(run.ablation, text)
    rows = len(text.prompt_ids) + len(text.ids) if isinstance(text, Generation) else len(trace.tokens)
    whole = run.model_config.positions == "rotary" or rows <= run.model_config.context
    return partial(run.ablation, text) if whole and rows == len(trace.tokens) else None


def _wrote(run: Run, trace: AttentionTrace) -> bool:
    """Whether a generation's trace is of the model that the run holds now."""
    return bool(trace.meta.get("model") == model_hash(run.model))
