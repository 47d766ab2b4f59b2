"""`train`: from a text to a `Run`. Joins corpus, tokenizer, model, loop and whoever shows the progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from attn_widgets.api import show as shown
from attn_widgets.api.plan import Plan, check_length, plan_new, plan_resumed
from attn_widgets.api.source import Source, check_source, simplify, write_source
from attn_widgets.api.state import remember
from attn_widgets.api.store import held, nearest_folder
from attn_widgets.config import StoreConfig
from attn_widgets.errors import ConfigError, TrainingInterrupted
from attn_widgets.flags import VERBS, build, help_text, keywords
from attn_widgets.history import Progress
from attn_widgets.models import MODELS, Transformer
from attn_widgets.progress import is_plain
from attn_widgets.run import Run, record_moment
from attn_widgets.text.batches import TokenFiles, encode_corpus
from attn_widgets.training import fit, is_main_process
from attn_widgets.training.checkpoint import pointers


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
        Every flag below under its Python name: ``kv_heads=2`` for ``--kv-heads 2``.

    Raises
    ------
    ConfigError, CorpusError, RunError
        Before anything is started: an option, the text, or the run's name cannot work.
    TrainingError
        When the loss is not finite; `last_run` returns the state before.
    TrainingInterrupted
        When interrupted; `last_run` returns the run.
    """
    given = keywords(VERBS["train"], options)
    store = build(StoreConfig, given)
    if given.get("minutes") is not None and "steps" in given:
        raise ConfigError(f"--steps {given['steps']} and --minutes {given['minutes']:g} exclude each other; give one")
    if corpus is not None and text is not None:
        raise ConfigError("corpus and text exclude each other; give one of them")
    source = simplify(corpus)
    plan = (plan_resumed if store.resume else plan_new)(source, text, store, given)
    # A large text's tokens lie beside the runs, on the same disk, while it is trained on.
    with TemporaryDirectory(prefix=".attn-tokens-", dir=nearest_folder(store.runs)) as scratch:
        tokens = encode_corpus(plan.corpus, plan.tokenizer, Path(scratch), plan.config.validation_tokens)
        check_length(plan, tokens)
        with held(plan.folder, store) as folder:
            run = _prepared(plan, folder, tokens, source, text)
            _fit(run, plan, tokens, store.resume, shown.is_quiet(show))
    if show and is_main_process():
        _print_summary(run)
    return run


train.__doc__ = f"{train.__doc__}\n    {help_text(VERBS['train'], 'Flags:', everything=True)}"


def _prepared(plan: Plan, folder: Path, tokens: TokenFiles, source: Source, text: Any) -> Run:
    """Write what a run is before its first step."""
    resumes = bool(pointers(folder))
    if resumes:
        check_source(folder, tokens)
        if not is_main_process():
            return Run.load(folder)
    run = Run.create(folder, plan.corpus, plan.tokenizer, plan.model_config, plan.config)
    if not resumes:
        write_source(folder, source, text is not None, tokens)
    return run


def _fit(run: Run, plan: Plan, tokens: TokenFiles, resume: bool, quiet: bool) -> None:
    """Train; whatever happens, a run with a checkpoint is the last run."""
    model = _fresh_model(plan)
    report: Callable[[Progress], None] = shown.ignore
    if not quiet:
        report = shown.progress_view(_first_line(plan, tokens, model), run.history if resume else None)

    def record(step: int, model: nn.Module) -> None:
        assert isinstance(model, Transformer)
        record_moment(run.folder, step, model, run.tokenizer, plan.probe)

    try:
        fit(
            model, tokens, plan.config, folder=run.folder, report=report, floor=plan.corpus.floor, resume=resume,
            on_moment=record if plan.config.moments else None,
        )  # fmt: skip
    finally:
        if pointers(run.folder):
            remember(run)


def _fresh_model(plan: Plan) -> Transformer:
    """Return a model whose weights are a function of the seed; torch's own random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.config.seed)
        return MODELS["transformer"](plan.model_config, plan.tokenizer.vocab_size)


def _print_summary(run: Run) -> None:
    try:
        print(shown.plain_summary(run) if is_plain() else shown.summary(run))
    except KeyboardInterrupt:
        line = f"interrupted after training: run {run.name!r} is whole; attn_widgets.last_run() returns it"
        raise TrainingInterrupted(line) from None


def _first_line(plan: Plan, tokens: TokenFiles, model: Transformer) -> str:
    return (
        f"{plan.corpus.name}: {plan.corpus.source}; {len(tokens.train):,} {plan.tokenizer.kind} tokens to train on, "
        f"{len(tokens.validation):,} held out, vocabulary {plan.tokenizer.vocab_size:,}; "
        f"{model.num_parameters():,} parameters"
    )
