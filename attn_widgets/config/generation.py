"""How text is generated, which run speaks, and what is shown first."""

from __future__ import annotations

from dataclasses import dataclass

from attn_widgets.config.fields import check_bounds, option
from attn_widgets.errors import ConfigError

GREEDY_BELOW = 1e-30
"""A lower temperature divides logits beyond all floats."""


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
        if self.greedy and self.beams > 1:
            raise ConfigError(f"--greedy and --beams {self.beams} exclude each other; give one of them")
        if "" in self.stop:
            raise ConfigError("--stop '' would stop at once; give the text to stop at")

    @property
    def effective_temperature(self) -> float:
        """Temperature in force; 0 is greedy."""
        if self.greedy:
            return 0.0
        if self.temperature is not None:
            return self.temperature if self.temperature > GREEDY_BELOW else 0.0
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
