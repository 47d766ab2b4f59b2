"""The shape of a model, and what can be built together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from attn_widgets.config.fields import check_bounds, flag_name, option
from attn_widgets.errors import ConfigError

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
        option(
            "transformer",
            "kind of model; the seq2seq ones and encoder_decoder read pairs, encoder fills in hidden tokens",
            common=True,
        )
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
        None,
        "tokens that one sees under sliding_window, itself included; in an encoder half as many on each side of it "
        "(default: a quarter of the context)",
        low=1,
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
        rotates = self.model in ROTATES and self.positions == "rotary" and self.attention != "segment_memory"
        if rotates and self.head_dim % 2:
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
    def ends_at_context(self) -> bool:
        """Whether the model has no position past the context."""
        return self.model in ROTATES and self.positions != "rotary"

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
