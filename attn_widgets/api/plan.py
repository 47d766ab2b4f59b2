"""What is to be trained, on what, and where: all of it checked before anything is on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_widgets.api.heavy import load_torch
from attn_widgets.api.resuming import CHANGEABLE, changed, check_goes_on
from attn_widgets.api.source import Source, read_source
from attn_widgets.api.store import existing, place, to_resume
from attn_widgets.api.together import check_read
from attn_widgets.config import READS_PAIRS, WIDER, ModelConfig, StoreConfig, TrainConfig, flag_name
from attn_widgets.errors import ConfigError, CorpusError
from attn_widgets.flags import build, read_grid
from attn_widgets.text.class_files import ClassFiles, encode_classes
from attn_widgets.text.corpus import Corpus, load_corpus
from attn_widgets.text.encoder_corpus import for_encoder
from attn_widgets.text.masked_files import MaskedFiles
from attn_widgets.text.pair_files import PairFiles
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.token_files import TokenFiles, encode_corpus
from attn_widgets.text.tokenizers import Kind, Tokenizer, train_tokenizer


@dataclass(frozen=True)
class Plan:
    """What is to be trained, on what, and where; nothing is on disk yet.

    Attributes
    ----------
    source, in_memory
        Where the text is from: as `load_corpus` takes it, or a text in memory.
    """

    folder: Path
    source: Source
    in_memory: bool
    corpus: Corpus
    tokenizer: Tokenizer
    model_config: ModelConfig
    config: TrainConfig

    @property
    def kind(self) -> Kind:
        """What a token is."""
        return self.corpus.tokenizer if self.config.tokenizer == "auto" else self.config.tokenizer

    @property
    def probe(self) -> str | tuple[str, str]:
        """Text, or source and target, whose attention is recorded during training."""
        if self.model_config.reads_pairs and self.corpus.pair is not None:
            return self.corpus.pair
        return self.corpus.prompt if self.config.probe is None else self.config.probe


def plan_new(source: Source, text: Any, store: StoreConfig, choices: Sequence[Mapping[str, Any]]) -> Plan:
    """Plan a new run of the first of some configurations, on a corpus that all of them can read."""
    model_config, config = build(ModelConfig, choices[0]), build(TrainConfig, choices[0])
    if store.name is not None:
        place(store, store.name)  # a taken name is told before a large text is read
    pairs = any(build(ModelConfig, choice).reads_pairs for choice in choices)
    corpus = _corpus(source, text, model_config, config, pairs=pairs)
    if corpus.task is not None and "validation" in choices[0]:
        raise ConfigError(
            f"--validation {config.validation:g} cannot be chosen for {corpus.name}, whose questions and answers hold "
            "their own validation items; leave it out"
        )
    folder = place(store, corpus.name)
    kind = corpus.tokenizer if config.tokenizer == "auto" else config.tokenizer
    tokenizer = train_tokenizer(kind, corpus, config.vocab_size)
    return Plan(folder, source, text is not None, corpus, tokenizer, model_config, config)


def plan_resumed(source: Source, text: Any, store: StoreConfig, given: Mapping[str, Any]) -> Plan:
    """Plan to go on with a run, with its own options and its own text."""
    if store.name is None:
        models = read_grid(given.get("search", ())).get("model", (given.get("model"),))
        pairs = any(model in READS_PAIRS for model in models)
        folder = place(store, load_corpus(source, text=text, pairs=pairs).name)
    else:
        folder = existing(store.runs, store.name, "--resume --name")
    load_torch()
    from attn_widgets.run import Run

    run = Run.load(to_resume(folder))
    recorded = {**vars(run.model_config), **vars(run.train_config)}
    for name, value in given.items():
        if name in recorded and name not in CHANGEABLE and value != recorded[name]:
            raise ConfigError(
                f"{flag_name(name)} {value} cannot be: run {run.name!r} has {flag_name(name)} {recorded[name]}, "
                "and with --resume only --steps, --minutes and --patience can change"
            )
    check_read([{"model": run.model_config.model, **{name: given[name] for name in CHANGEABLE if name in given}}])
    config = changed(run.train_config, given)
    check_goes_on(run, config)
    if source is None and text is None:
        source = read_source(run.folder)
    # a model of texts may have been chosen among those of pairs
    corpus = _corpus(source, text, run.model_config, config, pairs=run.corpus.task_from is not None)
    return Plan(folder, source, text is not None, corpus, run.tokenizer, run.model_config, config)


def _corpus(source: Source, text: Any, model: ModelConfig, config: TrainConfig, *, pairs: bool) -> Corpus:
    corpus = load_corpus(source, text=text, validation=config.validation, seed=config.seed, pairs=pairs)
    if model.model != "encoder":
        return corpus
    return for_encoder(corpus, model, corpus.tokenizer if config.tokenizer == "auto" else config.tokenizer)


def encode(plan: Plan, scratch: Path) -> TokenFiles | MaskedFiles | PairFiles | ClassFiles:
    """Encode the corpus of a plan as its model reads it; large token files lie in `scratch`.

    Raises
    ------
    CorpusError, ConfigError
        When there is too little to train on, or rows longer than the context.
    """
    corpus, shape, limit = plan.corpus, plan.model_config, plan.config.validation_tokens
    encodes = shape.model == "encoder"
    if corpus.task is None:
        tokens = encode_corpus(corpus, plan.tokenizer, scratch, limit)
        check_length(plan, tokens)
        return MaskedFiles(tokens, plan.tokenizer.vocab_size, shape.context) if encodes else tokens
    pairs: PairFiles | ClassFiles
    if encodes:
        pairs = encode_classes(corpus.task, corpus.labels, plan.tokenizer, limit=limit, lengths=shape.lengths)
    else:
        joined = not shape.reads_pairs
        pairs = encode_pairs(corpus.task, plan.tokenizer, joined=joined, limit=limit, lengths=shape.lengths)
    pairs.check(shape.context, ("truncate", *(way for way, models in WIDER.items() if shape.model in models)))
    return pairs


def check_length(plan: Plan, tokens: TokenFiles) -> None:
    """Refuse a text that is shorter than the context, or nothing to probe with.

    Raises
    ------
    CorpusError, ConfigError
        One line with what would work.
    """
    context, count = plan.model_config.context, len(tokens.train)
    if count <= context:
        raise CorpusError(f"--context {context} is longer than the text of {count} tokens; try {count - 1} or less")
    if plan.config.moments and not len(plan.tokenizer.encode_prompt(str(plan.probe))):
        raise ConfigError("--probe '' has no tokens; give some text, or --moments 0")
