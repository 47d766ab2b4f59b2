"""`train`: from a text to a `Run`. Everything is checked, and the text read, before torch is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_widgets.api import show as shown
from attn_widgets.api.estimate import count_parameters, estimate_seconds
from attn_widgets.api.heavy import load_torch
from attn_widgets.api.holding import held, recover, token_scratch
from attn_widgets.api.plan import Plan, encode, plan_new, plan_resumed
from attn_widgets.api.searching import check_choices, chosen, new_search, resumed_search, retrained, run_search
from attn_widgets.api.source import simplify
from attn_widgets.api.store import to_resume
from attn_widgets.api.together import check_options, check_read
from attn_widgets.config import StoreConfig
from attn_widgets.errors import ConfigError, TrainingInterrupted
from attn_widgets.flags import VERBS, build, help_text, keywords
from attn_widgets.progress import is_plain
from attn_widgets.text.batches import Data
from attn_widgets.text.class_files import ClassFiles
from attn_widgets.text.pair_files import PairFiles
from attn_widgets.text.token_files import TokenFiles
from attn_widgets.training import is_main_process

if TYPE_CHECKING:
    from attn_widgets.run import Run
    from attn_widgets.training.search import SearchResult


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
        Every flag below under its Python name: ``kv_heads=2`` for ``--kv-heads 2``, and a dict for ``--search``:
        ``search={"heads": [2, 4]}``; `run.search` is then what the search found. `attention` may also be a
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
    check_options(given)
    if corpus is not None and text is not None:
        raise ConfigError("corpus and text exclude each other; give one of them")
    source = simplify(corpus)
    recover(store.runs)
    if store.resume:
        plan = plan_resumed(source, text, store, given)
        search = resumed_search(to_resume(plan.folder), given)
    else:
        search = new_search(given)
        choices = [{**given, **choice} for choice in search.choices] if search else [given]
        check_read(choices)
        plan = plan_new(source, text, store, choices)
    with token_scratch(store.runs) as scratch:
        run = _trained(plan, search, store, scratch, quiet=shown.is_quiet(show))
    if show and is_main_process():
        _print_summary(run)
    return run


train.__doc__ = f"{train.__doc__}\n    {help_text(VERBS['train'], 'Flags:', everything=True)}"


def _trained(plan: Plan, search: SearchResult | None, store: StoreConfig, scratch: Path, *, quiet: bool) -> Run:
    """Train what is planned, after the search where one is wanted."""
    tokens = encode(plan, scratch)
    say = shown.ignore_line if quiet else shown.line
    say(_first_line(plan, tokens))
    load_torch()
    from attn_widgets.api.fitting import fit_run
    from attn_widgets.api.teaching import open_teacher

    plans = [plan] if search is None else [chosen(plan, search, choice) for choice in search.choices]
    teacher = open_teacher(plans, store.runs)
    if search is not None:
        check_choices(plan, search, scratch)
    with held(plan.folder, store, searches=search is not None) as place:
        if search is not None:
            search = run_search(plan, search, place.searched, scratch, tokens, teacher=teacher, say=say)
            say(repr(search))
            plan = retrained(plan, search)
            tokens = encode(plan, scratch / "best")
        with place.replacing(), _enough_memory(plan):
            return fit_run(plan, place.folder, tokens, resume=store.resume, quiet=quiet, teacher=teacher)


@contextmanager
def _enough_memory(plan: Plan) -> Iterator[None]:
    """Turn what NumPy, torch and CUDA raise when there is no more memory into one line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("out of memory|allocate memory", str(error)):
            raise
        batch, shape = plan.config.batch, plan.model_config
        raise ConfigError(
            f"--batch {batch} at --context {shape.context} and --dim {shape.dim} needs more memory than there is; "
            f"try --batch {max(1, min(batch // 4, 32))}"
        ) from error


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
    long = tokens.lengths_note(plan.model_config.context) if isinstance(tokens, PairFiles | ClassFiles) else ""
    return (
        f"{plan.corpus.name}: {plan.corpus.source}; {tokens.describe()}, {f'{long}, ' if long else ''}"
        f"vocabulary of {plan.tokenizer.vocab_size:,} {plan.tokenizer.kind} tokens{_size(plan, tokens)}"
    )


def _size(plan: Plan, tokens: Data) -> str:
    """Parameters and time, where they can be told without torch."""
    parameters = count_parameters(plan.model_config, plan.tokenizer.vocab_size)
    if parameters is None or not isinstance(tokens, TokenFiles):
        return ""
    held_out = tokens.validation_count
    seconds = estimate_seconds(plan.model_config, plan.config, plan.tokenizer.vocab_size, held_out)
    return f"; {parameters:,} parameters, about {shown.duration(seconds)}"
