"""The options of a run: the one source of the Python API, the magics' flags and the help.

Each field is one documented option. ``flags`` turns these dataclasses into command-line
flags (``kv_heads`` is ``--kv-heads``); ``train(kv_heads=2)`` takes the same names. Choices
are ``Literal`` types. ``common=True`` puts an option into the short help.
"""

from __future__ import annotations

import reprlib
import sys
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from attn_widgets.errors import ConfigError


def option(
    default: Any,
    help: str,
    *,
    common: bool = False,
    low: float | None = None,
    high: float | None = None,
    exclusive: bool = False,
    assignments: bool = False,
) -> Any:
    """Declare a documented dataclass field.

    Parameters
    ----------
    default
        The value when the option is not given.
    help
        One line for ``--help``.
    common
        Whether the short help (``%attn_train?``) shows it.
    low, high
        Bounds of a number, inclusive unless `exclusive` excludes `low`.
    exclusive
        Whether `low` itself is refused.
    assignments
        Whether the flag takes all the words ``name=a,b`` behind it.
    """
    metadata = {"help": help, "common": common, "low": low, "high": high, "exclusive": exclusive,
                "assignments": assignments}  # fmt: skip
    return field(default=default, metadata=metadata)


def flag_name(name: str) -> str:
    """``kv_heads`` → ``--kv-heads``."""
    return "--" + name.replace("_", "-")


def check_bounds(config: Any) -> None:
    """Refuse choices that are not there and numbers that are not finite or out of their bounds, naming the flag."""
    for name, choices in _choices(type(config)).items():
        if (value := getattr(config, name)) not in choices:
            raise ConfigError(f"{flag_name(name)} must be {' or '.join(map(str, choices))}; given {value!r}")
    for f in fields(config):
        value, low, high = getattr(config, f.name), f.metadata.get("low"), f.metadata.get("high")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        flag = flag_name(f.name)
        if not abs(value) <= sys.float_info.max:
            raise ConfigError(f"{flag} must be a finite number; given {reprlib.repr(value)}")
        if low is not None and (value < low or (f.metadata.get("exclusive") and value == low)):
            above = "above" if f.metadata.get("exclusive") else "at least"
            raise ConfigError(f"{flag} must be {above} {low}; given {value}")
        if high is not None and value > high:
            raise ConfigError(f"{flag} must be at most {high}; given {value}")


@cache
def _choices(config: type) -> dict[str, tuple[Any, ...]]:
    """Values of the fields that are choices; an attention may also be a function of the person's own, by its name."""
    hints = {name: hint for name, hint in get_type_hints(config).items() if name != "attention"}
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


DENSE = ("scaled_dot", "dot", "general", "concat", "additive")
"""Mechanisms that compare every query with every key, wherever the two come from."""
MECHANISMS_OF = {
    "transformer": (*DENSE, "sliding_window", "lsh", "segment_memory"),
    "encoder": (*DENSE, "sliding_window"),
    "encoder_decoder": DENSE,
    "recurrent": (*DENSE, "none"),
    "seq2seq": (*DENSE, "none"),
    "convseq2seq": DENSE,
    "ngram": ("scaled_dot", "none"),
}
"""Which mechanisms each kind of model can be built with."""
READS_PAIRS = ("encoder_decoder", "seq2seq", "convseq2seq")
"""Models that read a source and write a target."""
WIDER = {"slide": ("seq2seq", "encoder"), "convolve": ("seq2seq", "encoder")}
"""What reads texts longer than the context whole, and in which models."""
ROTATES = ("transformer", "encoder", "encoder_decoder")
"""Models whose positions can be rotary."""


@dataclass(frozen=True)
class ModelConfig:
    """The shape of an attention language model."""

    model: Literal["transformer", "encoder", "encoder_decoder", "recurrent", "seq2seq", "convseq2seq", "ngram"] = (
        option("transformer", "kind of model; the two with 'seq2seq' and encoder_decoder read pairs", common=True)
    )
    layers: int = option(2, "number of transformer blocks", common=True, low=1)
    heads: int = option(4, "attention heads in each layer", common=True, low=1)
    dim: int = option(64, "width of the residual stream", common=True, low=1)
    context: int = option(64, "longest attention span, in tokens", common=True, low=1)
    attention: Literal[
        "scaled_dot", "dot", "general", "concat", "additive", "sliding_window", "lsh", "segment_memory", "none"
    ] = option("scaled_dot", "attention mechanism (none: recurrent and seq2seq only)", common=True)
    kv_heads: int | None = option(None, "grouped key/value heads (default: as many as heads)", low=1)
    positions: Literal["rotary", "learned", "sinusoidal"] = option(
        "rotary", "how positions enter (convseq2seq always embeds them: rotary is then learned)"
    )
    rope_theta: float = option(100.0, "base of the rotary frequencies (10000 for contexts of thousands)", low=1)
    norm: Literal["rms", "layer"] = option("rms", "RMSNorm or LayerNorm, before each sublayer")
    norm_eps: float = option(1e-5, "added to the variance in the norm", low=0)
    qk_norm: bool = option(False, "normalise queries and keys of each head")
    bias: bool = option(False, "biases in linear maps and norms")
    mlp: Literal["gelu", "gelu_tanh", "relu2", "swiglu"] = option("relu2", "activation of the feed-forward layer")
    hidden: int | None = option(None, "width of the feed-forward layer (default: 4 x dim; 8/3 x dim for swiglu)", low=1)
    tied: bool = option(False, "share the token embedding with the output head")
    cell: Literal["gru", "lstm"] = option("gru", "recurrent cell")
    window: int | None = option(
        None, "tokens that one sees under sliding_window, itself included (default: a quarter of the context)", low=1
    )
    global_tokens: int = option(0, "first tokens of a text that all see under sliding_window", low=0)
    hashes: int = option(4, "rounds of hashing under lsh", low=1)
    chunk: int = option(16, "tokens in a chunk under lsh", low=1)
    segment: int | None = option(
        None, "tokens read at a time under segment_memory, those before are memory (default: half the context)", low=1
    )
    kernel: int = option(3, "width of a convolution, in tokens", low=1)
    order: int = option(5, "longest n-gram that is counted", low=1)
    lengths: Literal["refuse", "truncate", "slide", "convolve"] = option(
        "refuse",
        "questions longer than the context: refuse them, truncate their end, slide over them in overlapping windows, "
        "or convolve neighbouring tokens until they fit",
    )
    dropout: float = option(0.0, "dropout on attention, residual and embedding", low=0, high=0.999)

    def __post_init__(self) -> None:
        check_bounds(self)
        self._check_mechanism()
        self._check_reach()
        self._check_lengths()
        if self.dim % self.heads:
            near = [h for h in range(1, self.dim + 1) if self.dim % h == 0]
            best = sorted(sorted(near, key=lambda h: abs(h - self.heads))[:2])
            raise ConfigError(
                f"--heads {self.heads} does not divide --dim {self.dim}; try --heads {' or '.join(map(str, best))}"
            )
        if self.model == "convseq2seq" and self.key_value_heads != self.heads:
            raise ConfigError(
                f"--kv-heads {self.kv_heads} does not work with --model convseq2seq, where each head compares its own "
                "stretch of the encoder's states; leave --kv-heads out"
            )
        if self.heads % self.key_value_heads:
            works = ", ".join(str(h) for h in range(1, self.heads + 1) if self.heads % h == 0)
            raise ConfigError(f"--kv-heads {self.kv_heads} does not divide --heads {self.heads}; try one of {works}")
        if self.model in ROTATES and self.positions == "rotary" and self.head_dim % 2:
            raise ConfigError(
                f"--positions rotary needs an even head width; --dim {self.dim} / --heads {self.heads} = "
                f"{self.head_dim}; try --dim {2 * self.dim} or --positions learned"
            )

    def _check_mechanism(self) -> None:
        """Refuse a mechanism that the model cannot use; one that is a function of the person's own has another name."""
        known = {name for names in MECHANISMS_OF.values() for name in names}
        fit = MECHANISMS_OF.get(self.model, ())
        if self.attention in known and self.attention not in fit:
            raise ConfigError(
                f"--attention {self.attention} does not work in --model {self.model}; try one of {', '.join(fit)}"
            )

    def _check_reach(self) -> None:
        """Refuse reaches and positions that cannot be."""
        for name, reach in (("window", self.window), ("segment", self.segment), ("global_tokens", self.global_tokens)):
            if reach is not None and reach > self.context:
                raise ConfigError(
                    f"{flag_name(name)} {reach} is wider than --context {self.context}; try {flag_name(name)} "
                    f"{self.context // 2 or 1} or a larger --context"
                )
        if self.attention == "segment_memory" and self.positions != "rotary":
            raise ConfigError(
                f"--positions {self.positions} does not work with --attention segment_memory, which has relative "
                "positions of its own; leave --positions out"
            )

    def _check_lengths(self) -> None:
        """Refuse what only a model that reads a question apart from its answer can do with a long one."""
        fit = WIDER.get(self.lengths)
        if fit is not None and self.model not in fit:
            raise ConfigError(
                f"--lengths {self.lengths} does not work with --model {self.model}; it does with {', '.join(fit)}, "
                "and --lengths truncate with every model"
            )

    @property
    def widens(self) -> bool:
        """Whether texts longer than the context are read whole."""
        return self.lengths in WIDER

    @property
    def window_width(self) -> int:
        """Tokens that one sees under ``sliding_window``."""
        return max(1, self.context // 4) if self.window is None else self.window

    @property
    def segment_length(self) -> int:
        """Tokens read at a time under ``segment_memory``."""
        return max(1, self.context // 2) if self.segment is None else self.segment

    @property
    def reads_pairs(self) -> bool:
        """Whether the model reads a source and writes a target."""
        return self.model in READS_PAIRS

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.dim // self.heads

    @property
    def key_value_heads(self) -> int:
        """Number of key/value heads; fewer than ``heads`` when they are grouped."""
        return self.heads if self.kv_heads is None else self.kv_heads

    @property
    def hidden_dim(self) -> int:
        """Width of the feed-forward layer."""
        if self.hidden is not None:
            return self.hidden
        return int(8 * self.dim / 3) if self.mlp == "swiglu" else 4 * self.dim


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
    validation_tokens: int = option(200_000, "score at most this many held-out tokens", low=1)
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


@dataclass(frozen=True)
class GenerateConfig:
    """How the next tokens are chosen and when to stop."""

    max_new_tokens: int = option(64, "generate at most this many tokens", common=True, low=1)
    temperature: float | None = option(
        None,
        "0 is greedy; higher is more varied (default: greedy, or 1 with --top-k, --top-p or --min-p)",
        common=True,
        low=0,
    )
    top_k: int | None = option(None, "sample among the k most likely tokens", common=True, low=1)
    top_p: float | None = option(
        None,
        "sample among the likeliest tokens that hold this much probability",
        common=True,
        low=0,
        high=1,
        exclusive=True,
    )
    min_p: float | None = option(
        None, "sample among tokens at least this likely relative to the likeliest", low=0, high=1
    )
    repetition_penalty: float = option(
        1.0, "divide positive logits of tokens already there by this", low=0, exclusive=True
    )
    greedy: bool = option(False, "always take the likeliest token")
    beams: int = option(1, "hypotheses kept by beam search, for models that read pairs", low=1)
    length_penalty: float = option(0.0, "above 0 beam search favours longer answers (0.6 is usual)", low=0)
    seed: int = option(0, "seed of the sampling", common=True, low=0, high=2**63 - 1)
    stop: tuple[str, ...] = option((), "stop when this text appears (may be repeated)", common=True)
    ignore_end: bool = option(False, "go on past the end token")
    minutes: float | None = option(None, "stop after this long", low=0, exclusive=True)
    ablate: tuple[str, ...] = option((), "heads to switch off, for example L0H1 (may be repeated)", common=True)

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.greedy and self.temperature:
            raise ConfigError(f"--greedy and --temperature {self.temperature} exclude each other; give one of them")
        if "" in self.stop:
            raise ConfigError("--stop '' would stop at once; give the text to stop at")

    @property
    def effective_temperature(self) -> float:
        """Temperature in force; 0 is greedy."""
        if self.greedy:
            return 0.0
        if self.temperature is not None:
            return self.temperature
        return 1.0 if (self.top_k or self.top_p or self.min_p) else 0.0


@dataclass(frozen=True)
class SourceConfig:
    """Which run speaks."""

    run: str | None = option(None, "name of the run (default: the last one)", common=True)
    runs: str = option("attn_runs", "folder that holds the runs")


@dataclass(frozen=True)
class ViewConfig:
    """What the head panel shows first."""

    layer: int = option(0, "layer that is shown first", common=True, low=0)
    head: int = option(0, "head that is shown first", common=True, low=0)
    html: str | None = option(None, "write the panel as one offline HTML file too", common=True)

    def __post_init__(self) -> None:
        check_bounds(self)
