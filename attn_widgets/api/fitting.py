"""From a plan and its tokens to a trained run: the part of `train` that needs torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from attn_widgets.api import show as shown
from attn_widgets.api.plan import Plan
from attn_widgets.api.rungs import with_rungs
from attn_widgets.api.source import check_source, write_source
from attn_widgets.api.state import remember
from attn_widgets.api.teaching import remember_teacher
from attn_widgets.errors import TrainingError
from attn_widgets.history import Progress, Validation
from attn_widgets.models import NGram, make_model
from attn_widgets.run import Run, record_moment
from attn_widgets.text.batches import Data
from attn_widgets.training import count_run, fit, is_main_process
from attn_widgets.training.checkpoint import pointers
from attn_widgets.training.counting import score_counts


def fit_run(plan: Plan, folder: Path, tokens: Data, *, resume: bool, quiet: bool, teacher: Any = None) -> Run:
    """Train; whatever happens, a run with a checkpoint is the last run.

    Parameters
    ----------
    folder
        Of the run, held by the caller.
    tokens
        Of the plan's corpus.
    resume
        Whether to go on where the run stopped.
    quiet
        Whether to show nothing on the way.
    teacher
        Model to imitate.
    """
    run = prepared(plan, folder, tokens)
    remember_teacher(teacher, plan, run.folder)
    model = fresh_model(plan)
    report: Callable[[Progress], None] = shown.ignore
    if not quiet:
        about: dict[str, str | int] = {"run": run.name, "seed": plan.config.seed}
        view = shown.progress_view(model.num_parameters(), run.history if pointers(folder) else None, about)
        report = with_rungs(view, tokens, run.tokenizer.vocab_size)

    def record(step: int, _model: nn.Module) -> None:
        record_moment(run.folder, step, model, run.tokenizer, plan.probe, plan.corpus.labels)

    if isinstance(model, NGram):
        count_run(model, tokens, run.folder)
        remember(run)
        return run
    try:
        fit(
            model, tokens, plan.config, folder=run.folder, report=report, floor=plan.corpus.floor, resume=resume,
            on_moment=record if plan.config.moments and model.kinds() else None, teacher=teacher,
        )  # fmt: skip
    finally:
        if pointers(run.folder):
            remember(run)
    return run


def prepared(plan: Plan, folder: Path, tokens: Data) -> Run:
    """Write what a run is before its first step."""
    resumes = bool(pointers(folder))
    if resumes:
        check_source(folder, tokens)
        if not is_main_process():
            return Run.load(folder)
    run = Run.create(folder, plan.corpus, plan.tokenizer, plan.model_config, plan.config)
    if not resumes:
        write_source(folder, plan.source, plan.in_memory, tokens)
    return run


def fresh_model(plan: Plan) -> Any:
    """Return a model whose weights are a function of the seed; torch's own random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.config.seed)
        return make_model(plan.model_config, plan.tokenizer.vocab_size, len(plan.corpus.labels))


def score_fold(plan: Plan, tokens: Data, folder: Path, teacher: Any = None) -> Validation | None:
    """Train on one fold of a search; returns its best validation, or None where the loss is not finite."""
    model = fresh_model(plan)
    if isinstance(model, NGram):
        return score_counts(model, tokens)
    try:
        return fit(model, tokens, plan.config, folder=folder, report=shown.ignore, teacher=teacher).best
    except TrainingError:
        return None
