"""``--search``: configurations compared by cross-validation, before the best one is trained as any run is.

The text that the run holds out is in no fold, so that the run's own validation loss says what the choice was worth.
Under way the run's folder holds what is done; with ``--resume`` the missing trainings are taken up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attn_widgets.api.plan import Plan, encode
from attn_widgets.api.resuming import CHANGEABLE, changed
from attn_widgets.api.show import duration
from attn_widgets.api.source import check_source
from attn_widgets.api.store import SEARCHES
from attn_widgets.api.together import check_options
from attn_widgets.config import ModelConfig, SearchConfig, TrainConfig, flag_name
from attn_widgets.errors import ConfigError, TrainingError, TrainingInterrupted
from attn_widgets.flags import build, read_grid, told
from attn_widgets.text.batches import Data
from attn_widgets.text.folds import make_folds
from attn_widgets.text.tokenizers import Tokenizer, train_tokenizer
from attn_widgets.training.search import OTHER_TOKENS, Cell, SearchResult, read_search

Say = Callable[[str], None]


def new_search(given: Mapping[str, Any]) -> SearchResult | None:
    """Read what is to be searched, and check every configuration; None where nothing is.

    Raises
    ------
    ConfigError
        One line that names the flag, when an option is not there or a configuration cannot work.
    """
    config = build(SearchConfig, given)
    if not config.search:
        if "folds" in given:
            raise ConfigError(f"--folds {config.folds} needs --search, such as --search heads=2,4")
        return None
    names = {f.name for c in (ModelConfig, TrainConfig) for f in fields(c)}
    grid = read_grid(config.search)
    if "encoder" in (models := grid.get("model", ())) and len(models) > 1:
        raise ConfigError(
            f"--search model={','.join(models)}: an encoder fills in hidden tokens, which cannot be compared with "
            "writing the next ones; search its options with --model encoder"
        )
    base = {name: value for name, value in given.items() if name in names and name not in grid}
    for name in OTHER_TOKENS:
        if name in grid and base.get("teacher") is not None:
            raise ConfigError(
                f"--search {name}={','.join(map(_text, grid[name]))} cannot be with --teacher {base['teacher']}, whose "
                f"tokens its student reads; leave {name} out of the search"
            )
    search = SearchResult(grid, config.folds, base)
    for choice in search.choices:
        options = {**base, **choice}
        check_options(options)
        build(ModelConfig, options), build(TrainConfig, options)
    return search


def resumed_search(folder: Path, given: Mapping[str, Any]) -> SearchResult | None:
    """Find the search that a run's folder holds; None once its best configuration is being trained.

    Raises
    ------
    ConfigError
        When another search is asked for, or other steps in the midst of this one.
    RunError
        When it is damaged.
    """
    from attn_widgets.training.checkpoint import pointers  # loads torch

    found = read_search(folder)
    config = build(SearchConfig, given)
    if config.search and (found is None or read_grid(config.search) != found.grid):
        held = "nothing" if found is None else " ".join(f"{n}={','.join(map(_text, v))}" for n, v in found.grid.items())
        raise ConfigError(f"--resume --search: run {folder.name!r} searches {held}; give --resume alone")
    if found is None or pointers(folder):
        return None
    if given.get("folds", found.folds) != found.folds:
        raise ConfigError(f"--folds {config.folds} cannot be: the search of run {folder.name!r} has {found.folds}")
    base = build(TrainConfig, found.base)
    for name in CHANGEABLE:
        if name in given and (name in found.grid or changed(base, {name: given[name]}) != base):
            raise ConfigError(
                f"{flag_name(name)} {given[name]} cannot be: the search of run {folder.name!r} is not done, and goes "
                "on as it began; give --resume alone"
            )
    return found


def chosen(plan: Plan, search: SearchResult, choice: Mapping[str, Any]) -> Plan:
    """Make the plan of one configuration, with the tokenizer of `plan`."""
    options = {**search.base, **choice}
    return replace(plan, model_config=build(ModelConfig, options), config=build(TrainConfig, options))


def check_choices(plan: Plan, search: SearchResult, scratch: Path) -> None:
    """Build every model and look at every text once before any training is started.

    The rows of a task are longer for a model that reads question and answer as one text.

    Raises
    ------
    AttnError
        One line, for what cannot be built or read.
    """
    from attn_widgets.api.fitting import fresh_model

    whole = _Fold(-1)
    for choice in search.choices:
        one = chosen(plan, search, choice)
        fresh_model(one)
        if plan.corpus.task is not None:
            whole.data(whole.plan(one, keep=one.config.teacher is not None), scratch)
    make_folds(plan.corpus, search.folds, plan.config.seed)


def run_search(
    plan: Plan, search: SearchResult, folder: Path, scratch: Path, tokens: Data, *, say: Say, teacher: Any = None
) -> SearchResult:
    """Do the trainings that are missing, and keep each in the run's folder.

    Parameters
    ----------
    plan
        Of any configuration.
    folder
        Of the run, held by the caller.
    scratch
        Where folds are encoded and models are trained.
    tokens
        Of the whole corpus, to know it again by.
    say
        Gets one line for each training that is done.
    teacher
        Model to imitate; its tokens are then those of every fold.

    Raises
    ------
    TrainingInterrupted
        What is done is kept.
    RunError
        When the run that is resumed has another text or teacher.
    TrainingError
        When no configuration could be trained.
    """
    from attn_widgets.api.fitting import prepared
    from attn_widgets.api.teaching import remember_teacher

    if search.cells:
        check_source(folder, tokens)
    prepared(plan, folder, tokens)
    remember_teacher(teacher, plan, folder)
    before, began = len(search.cells), time.perf_counter()
    total = len(search.choices) * search.folds
    corpora, held = make_folds(plan.corpus, search.folds, plan.config.seed), _Fold(-1)
    try:
        for number, choice in search.missing:
            with TemporaryDirectory(dir=scratch) as place:
                if held.number != number:
                    held = _Fold(number)
                one = chosen(plan, search, search.choices[choice])
                one = held.plan(replace(one, corpus=corpora[number]), keep=teacher is not None)
                cell = _train(one, held.data(one, scratch), Path(place) / "cell", (choice, number), teacher)
            search = search.with_cell(cell)
            search.save(folder)
            done = len(search.cells)
            left = (time.perf_counter() - began) / (done - before) * (total - done)
            say(_line(search, cell, total, left))
    except KeyboardInterrupt:
        raise TrainingInterrupted(_interrupted(search, folder, total)) from None
    if search.best is None:
        raise TrainingError("no configuration of the search has a finite loss; try a smaller --learning-rate")
    return search


class _Fold:
    """Tokenizers and token ids of one fold, each made once."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._tokenizers: dict[Any, Tokenizer] = {}
        self._data: dict[Any, Data] = {}

    def plan(self, plan: Plan, *, keep: bool) -> Plan:
        """Give a plan the tokenizer of its fold, which has seen the training texts alone."""
        if keep:
            return plan
        key = plan.kind, plan.config.vocab_size
        if key not in self._tokenizers:
            self._tokenizers[key] = train_tokenizer(plan.kind, plan.corpus, plan.config.vocab_size)
        return replace(plan, tokenizer=self._tokenizers[key])

    def data(self, plan: Plan, scratch: Path) -> Data:
        """Encode the fold as the plan's model reads it."""
        config = plan.config
        reads = plan.model_config.model == "encoder", plan.model_config.reads_pairs, plan.model_config.context
        key = (plan.kind, config.vocab_size, config.validation_tokens, plan.model_config.lengths, *reads)
        if key not in self._data:
            place = scratch / f"fold-{self.number}-{len(self._data)}"
            self._data[key] = encode(plan, place)
        return self._data[key]


def _train(plan: Plan, data: Data, folder: Path, at: tuple[int, int], teacher: Any) -> Cell:
    """Train and score one configuration on one fold."""
    from attn_widgets.api.fitting import score_fold

    began = time.perf_counter()
    best = score_fold(plan, data, folder, teacher)
    seconds = time.perf_counter() - began
    return Cell(*at, None if best is None else best.loss, None if best is None else best.nats_per_character, seconds)


def retrained(plan: Plan, search: SearchResult) -> Plan:
    """Make the plan of the best configuration on the whole corpus."""
    assert search.best is not None
    best = chosen(plan, search, search.best.options)
    if (best.kind, best.config.vocab_size) == (plan.kind, plan.config.vocab_size):
        return best
    return replace(best, tokenizer=train_tokenizer(best.kind, best.corpus, best.config.vocab_size))


def _line(search: SearchResult, cell: Cell, total: int, left: float) -> str:
    loss = "diverged" if cell.loss is None else f"{cell.loss:.4f} nats per token"
    rest = "" if len(search.cells) == total else f"; about {duration(left)} left"
    return (
        f"search {len(search.cells)}/{total}: fold {cell.fold + 1}, {told(search.choices[cell.choice])}: {loss} "
        f"in {cell.seconds:.1f} s{rest}"
    )


def _interrupted(search: SearchResult, folder: Path, total: int) -> str:
    name, beside = folder.name, folder.parent.name == SEARCHES
    if not search.cells:
        kept = f"run {name!r} is what it was" if beside else "nothing is kept"
        return f"interrupted before the first training of the search was done; {kept}"
    where = f"beside run {name!r}, which is what it was" if beside else f"in run {name!r}"
    return (
        f"interrupted: {len(search.cells)} of {total} trainings of the search are kept {where}; "
        f"--resume --name {name} goes on with the others"
    )


def _text(value: Any) -> str:
    return told({"": value})[1:]
