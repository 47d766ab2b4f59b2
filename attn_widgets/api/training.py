"""`train`: from a text to a `Run`. Everything is checked, and the text read, before torch is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from attn_widgets.api import show as shown
from attn_widgets.api.heavy import load_torch
from attn_widgets.api.plan import Plan, encode, plan_new, plan_resumed
from attn_widgets.api.source import simplify
from attn_widgets.api.store import held, nearest_folder
from attn_widgets.config import StoreConfig
from attn_widgets.errors import ConfigError, TrainingInterrupted
from attn_widgets.flags import VERBS, build, help_text, keywords
from attn_widgets.progress import is_plain
from attn_widgets.text.batches import Data
from attn_widgets.training import is_main_process

if TYPE_CHECKING:
    from attn_widgets.run import Run


def train(
    corpus: str | Path | Sequence[str | Path] | None = None,
    *,
    text: str | Sequence[str] | None = None,
    show: bool = True,
    **options: Any,
) -> Run:
    """Train an attention language model on a text.

    Parameters
    ----------
    corpus
        ``sentences`` (the default), ``python-docs``, or files, folders and globs.
    text
        Instead of `corpus`: a text, or a list of documents, in memory.
    show
        Whether to show progress and the summary.
    **options
        Every flag below under its Python name: ``kv_heads=2`` for ``--kv-heads 2``. `attention` may also be a
        function with the signature of `attn_widgets.attention.scaled_dot`; where the run is loaded later,
        ``attn_widgets.attention.register(function)`` makes it known again.

    Raises
    ------
    ConfigError, CorpusError, RunError
        Before anything is started: an option, the text, or the run's name cannot work.
    TrainingError
        When the loss is not finite; `last_run` returns the state before.
    TrainingInterrupted
        When interrupted; `last_run` returns the run.
    """
    options, own = _own_mechanism(options)
    given = {**keywords(VERBS["train"], options), **own}
    store = build(StoreConfig, given)
    if given.get("minutes") is not None and "steps" in given:
        raise ConfigError(f"--steps {given['steps']} and --minutes {given['minutes']:g} exclude each other; give one")
    if corpus is not None and text is not None:
        raise ConfigError("corpus and text exclude each other; give one of them")
    source = simplify(corpus)
    plan = (plan_resumed if store.resume else plan_new)(source, text, store, given)
    # A large text's tokens lie beside the runs, on the same disk, while it is trained on.
    with TemporaryDirectory(prefix=".attn-tokens-", dir=nearest_folder(store.runs)) as scratch:
        tokens = encode(plan, Path(scratch))
        quiet = shown.is_quiet(show)
        if not quiet:
            print(_first_line(plan, tokens), flush=True)
        load_torch()
        from attn_widgets.api.fitting import fit_run

        with held(plan.folder, store) as folder:
            run = fit_run(plan, folder, tokens, resume=store.resume, quiet=quiet)
    if show and is_main_process():
        _print_summary(run)
    return run


train.__doc__ = f"{train.__doc__}\n    {help_text(VERBS['train'], 'Flags:', everything=True)}"


def _own_mechanism(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take a mechanism that is a function of the person's own out of the options, and register it under its name."""
    function = options.get("attention")
    if not callable(function):
        return options, {}
    load_torch()
    from attn_widgets.attention import register

    rest = {name: value for name, value in options.items() if name != "attention"}
    return rest, {"attention": register(function)}


def _print_summary(run: Run) -> None:
    try:
        print(shown.plain_summary(run) if is_plain() else shown.summary(run))
    except KeyboardInterrupt:
        line = f"interrupted after training: run {run.name!r} is whole; attn_widgets.last_run() returns it"
        raise TrainingInterrupted(line) from None


def _first_line(plan: Plan, tokens: Data) -> str:
    return (
        f"{plan.corpus.name}: {plan.corpus.source}; {tokens.describe()}, "
        f"vocabulary of {plan.tokenizer.vocab_size:,} {plan.tokenizer.kind} tokens"
    )
