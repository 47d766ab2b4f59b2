"""How models are trained, chosen, kept and compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from attn_widgets.config.fields import check_bounds, option
from attn_widgets.errors import ConfigError


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained, and on what cut of the text."""

    steps: int = option(1000, "optimizer steps", common=True, low=1)
    minutes: float | None = option(
        None,
        "train for this long instead of --steps; the schedule follows the clock",
        common=True,
        low=0,
        exclusive=True,
    )
    batch: int = option(32, "sequences in one step", common=True, low=1)
    accumulate: int = option(1, "micro-batches whose gradients are added up in one step", low=1)
    optimizer: Literal["muon", "adamw"] = option("muon", "optimizer of the hidden matrices", common=True)
    learning_rate: float | None = option(
        None, "peak learning rate (default: 0.02 for muon, 0.003 for adamw)", common=True, low=0, exclusive=True
    )
    embedding_rate: float = option(0.01, "AdamW rate of embeddings, head and gains under muon", low=0, exclusive=True)
    weight_decay: float = option(0.0, "decoupled weight decay of the matrices", low=0)
    beta1: float = option(0.9, "AdamW's first-moment decay", low=0, high=0.9999)
    beta2: float = option(0.95, "AdamW's second-moment decay", low=0, high=0.9999)
    warmup: int = option(10, "steps of linear warm-up", low=0)
    decay: float = option(0.4, "share of the run over which the rate falls linearly to zero", low=0, high=1)
    label_smoothing: float = option(0.0, "share of each target spread over all tokens", low=0, high=0.999)
    clip: float = option(1.0, "largest gradient norm (0: no clipping)", low=0)
    tokenizer: Literal["auto", "char", "word", "bpe"] = option(
        "auto", "what a token is (auto: as the corpus asks; bpe for your own text)", common=True
    )
    vocab_size: int = option(2048, "largest vocabulary of word and bpe tokenizers", low=3)
    validation: float = option(0.1, "share of the text held out", low=0, high=0.9, exclusive=True)
    validation_tokens: int = option(200_000, "score at most this many held-out tokens", low=2)
    validate_every: int | None = option(None, "steps between validations (default: a tenth of the run)", low=1)
    patience: int = option(0, "stop after this many validations without a better one (0: never)", low=0)
    checkpoint_every: int | None = option(None, "steps between checkpoints (default: with each validation)", low=1)
    teacher: str | None = option(None, "run to imitate besides the text (knowledge distillation)")
    distill_weight: float = option(0.5, "share of the teacher in the loss (1: the text does not count)", low=0, high=1)
    distill_temperature: float = option(2.0, "softens what the teacher and the model say", low=0.01, high=1000)
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = option("auto", "number format; auto times both once")
    seed: int = option(0, "seed of weights, order of samples and dropout", common=True, low=0, high=2**32 - 1)
    probe: str | None = option(None, "text whose attention is recorded during training (default: the corpus's)")
    moments: int = option(8, "how many moments of training the probe is recorded at (0: none)", low=0, high=8)

    def __post_init__(self) -> None:
        check_bounds(self)

    @property
    def peak_rate(self) -> float:
        """Learning rate after warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 0.02 if self.optimizer == "muon" else 0.003


@dataclass(frozen=True)
class SearchConfig:
    """Which options are chosen by cross-validation before the training."""

    search: tuple[str, ...] = option(
        (), "options to choose by cross-validation: heads=2,4 attention=additive,dot", common=True, assignments=True
    )
    folds: int = option(5, "parts of the training text; each is scored by models trained on the others", low=2)

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class StoreConfig:
    """Where a run is kept and what happens to one that is already there."""

    name: str | None = option(None, "name of the run (default: the corpus's name)", common=True)
    runs: str = option("attn_runs", "folder that holds the runs")
    resume: bool = option(False, "go on where the run of this name stopped", common=True)
    overwrite: bool = option(False, "replace the run of this name", common=True)

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise ConfigError("--resume and --overwrite exclude each other; give one of them")


@dataclass(frozen=True)
class CompareConfig:
    """What is compared, and how thoroughly."""

    models: tuple[str, ...] = option((), "a model to compare, for example 'GRU dot' (may be repeated)", common=True)
    seeds: int = option(3, "seeds of every model on every task", common=True, low=1)
    quick: bool = option(False, "one seed and a sixteenth of the steps: to see it run", common=True)
    folder: str = option("attn_compare", "where finished results are kept, and gone on with", common=True)
    processes: int | None = option(None, "models trained at a time (default: as many as cores)", common=True, low=1)

    def __post_init__(self) -> None:
        check_bounds(self)
