"""Greedy and beam search for models that read a source and write a target, many sources at once."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from attn_widgets.errors import ConfigError, RunError

Heads = Collection[tuple[int, int]]


class Translates(Protocol):
    """What the search asks of a model; a memory is a tuple of tensors, the batch first."""

    def encode(self, source: Tensor, lengths: Tensor, /, *, ablate: Heads = ()) -> Any:
        """Read the sources (B, S)."""

    def begin(self, memory: Any, /) -> Any:
        """State of the decoder before its first token."""

    def decode_one(self, memory: Any, state: Any, ids: Tensor, /, *, ablate: Heads = ()) -> tuple[Tensor, Any]:
        """Read one more token (B,) of every target: logits (B, V) of the next, and the state after it."""

    def reorder(self, state: Any, rows: Tensor, /) -> Any:
        """State of other rows."""


class Hypothesis(NamedTuple):
    """A target that was found.

    Attributes
    ----------
    ids
        Its tokens, the end token included.
    score
        `log_probability` / lp(ids): what hypotheses are compared by.
    log_probability
        Of all of `ids`, in nats.
    finished
        Whether the end token was reached; if not, the limit of length was.
    """

    ids: tuple[int, ...]
    score: float
    log_probability: float
    finished: bool


class Candidate(NamedTuple):
    """A live hypothesis one token longer."""

    beam: int
    token: int
    log_probability: float


def length_penalty_of(length: int, alpha: float) -> float:
    """lp(Y) = ((5 + |Y|) / 6)^α (Wu et al. 2016, arXiv:1609.08144, equation 14); α above 0 favours longer targets."""
    return math.pow((5 + length) / 6, alpha)


def score_of(ids: Sequence[int], log_probability: float, alpha: float) -> float:
    """Score that hypotheses are compared by: log P(Y) / lp(Y)."""
    return log_probability / length_penalty_of(len(ids), alpha)


def translate(
    model: Translates,
    source: Tensor,
    lengths: Tensor,
    *,
    end_id: int,
    max_new_tokens: int,
    beams: int = 1,
    length_penalty: float = 0.0,
    ablate: Heads = (),
) -> list[Hypothesis]:
    """Find the best target of every source.

    At every step the `beams` likeliest hypotheses go on. One that ends is set aside if it is among the `beams`
    likeliest of all. A source is done when `beams` were set aside, or when none that goes on can still become the best;
    then the best score wins. One beam is greedy search. At the limit of length unfinished hypotheses count too.

    Parameters
    ----------
    model
        In evaluation mode.
    source
        Token ids (B, S).
    lengths
        Tokens of each source (B,).
    end_id
        The token that ends a target, and that it is started with.
    max_new_tokens
        Longest target, the end token included.
    beams
        Hypotheses kept for each source.
    length_penalty
        α of ``length_penalty_of``; |Y| counts the end token. 0: plain log-probabilities are compared.
    ablate
        Heads that are switched off, as the model counts them.

    Returns
    -------
    list of Hypothesis
        One for each source, in their order.

    Raises
    ------
    ConfigError
        For fewer than one beam or token.
    RunError
        When logits are not finite.
    """
    if beams < 1 or max_new_tokens < 1:
        raise ConfigError(f"--beams and --max-new-tokens must be at least 1; given {beams} and {max_new_tokens}")
    with torch.inference_mode():
        search = Search(model, source, lengths, end_id, beams, ablate)
        for _ in range(max_new_tokens):
            search.step()
            search.drop([one.done(beams, length_penalty, max_new_tokens) for one in search.open])
            if not search.open:
                break
    return [one.best(length_penalty) for one in search.all]


class Beam:
    """The hypotheses of one source, each its tokens and their log-probability."""

    def __init__(self) -> None:
        self.live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
        self.ended: list[tuple[tuple[int, ...], float]] = []

    def extend(self, ranked: Sequence[Candidate], beams: int, end_id: int) -> list[Candidate]:
        """Set aside those of the best `beams` that end; the best `beams` that do not end go on and are returned."""
        on = [candidate for candidate in ranked if candidate.token != end_id][:beams]
        self.ended += [self._longer(candidate) for candidate in ranked[:beams] if candidate.token == end_id]
        self.live = [self._longer(candidate) for candidate in on]
        return on

    def done(self, beams: int, alpha: float, limit: int) -> bool:
        """Whether nothing that goes on can be better than what has ended, or enough has."""
        if not self.live or len(self.ended) >= beams:
            return True
        if not self.ended:
            return False
        # A log-probability only falls, and what length can give it is largest at one of the two ends.
        reach = max(length_penalty_of(length, alpha) for length in (len(self.live[0][0]) + 1, limit))
        return max(log for _, log in self.live) / reach <= max(score_of(*pair, alpha) for pair in self.ended)

    def best(self, alpha: float) -> Hypothesis:
        """Return the best of those that ended and those that the limit cut off."""
        found = [(*pair, True) for pair in self.ended] + [(*pair, False) for pair in self.live]
        return max(
            (Hypothesis(ids, score_of(ids, log, alpha), log, ended) for ids, log, ended in found),
            key=lambda hypothesis: hypothesis.score,
        )

    def _longer(self, candidate: Candidate) -> tuple[tuple[int, ...], float]:
        return (*self.live[candidate.beam][0], candidate.token), candidate.log_probability


class Search:
    """All sources side by side; those that are done leave.

    Every source has `beams` rows, of which the last may be idle: as long as there are fewer hypotheses than beams.
    """

    def __init__(
        self, model: Translates, source: Tensor, lengths: Tensor, end_id: int, beams: int, ablate: Heads
    ) -> None:
        self.model, self.end_id, self.beams, self.ablate = model, end_id, beams, ablate
        self.all = [Beam() for _ in range(len(source))]
        self.open = self.all
        rows = torch.arange(len(source), device=source.device).repeat_interleave(beams)
        self.memory = select_rows(model.encode(source, lengths, ablate=ablate), rows)
        self.state = model.begin(self.memory)
        self.ids = torch.full_like(rows, end_id)

    def step(self) -> None:
        """Make every live hypothesis one token longer."""
        logits, state = self.model.decode_one(self.memory, self.state, self.ids, ablate=self.ablate)
        if not logits.isfinite().all():
            raise RunError("the model's logits are not finite, its weights are damaged or diverged; train it again")
        rows, tokens = [], []
        for at, (one, ranked) in enumerate(zip(self.open, self._ranked(logits), strict=True)):
            on = one.extend(ranked, self.beams, self.end_id)
            idle = [Candidate(0, self.end_id, 0.0)] * (self.beams - len(on))
            rows += [at * self.beams + candidate.beam for candidate in (*on, *idle)]
            tokens += [candidate.token for candidate in (*on, *idle)]
        self.state = self.model.reorder(state, self.ids.new_tensor(rows))
        self.ids = self.ids.new_tensor(tokens)

    def drop(self, done: Sequence[bool]) -> None:
        """Let the sources go that are done: their rows, and the hypotheses that did not end in time."""
        if not any(done):
            return
        for one, over in zip(self.open, done, strict=True):
            if over:
                one.live = []
        kept = [at for at, over in enumerate(done) if not over]
        self.open = [self.open[at] for at in kept]
        if not kept:
            return
        rows = self.ids.new_tensor([at * self.beams + beam for at in kept for beam in range(self.beams)])
        self.memory, self.ids = select_rows(self.memory, rows), self.ids[rows]
        self.state = self.model.reorder(self.state, rows)

    def _ranked(self, logits: Tensor) -> list[list[Candidate]]:
        """Rank the likeliest candidates of each source, enough for `beams` that do not end."""
        logs = logits.float().log_softmax(-1).view(len(self.open), self.beams, -1)  # (open, beam, V)
        idle = [-torch.inf] * self.beams
        past = [([log for _, log in one.live] + idle)[: self.beams] for one in self.open]
        totals = (logs.double() + torch.tensor(past, dtype=torch.float64, device=logs.device)[..., None]).flatten(1)
        top = totals.topk(min(2 * self.beams, totals.shape[1]))  # of each hypothesis one candidate at most ends
        vocab = logs.shape[-1]
        return [
            [Candidate(i // vocab, i % vocab, log) for log, i in zip(*pair, strict=True) if log > -torch.inf]
            for pair in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        ]


def select_rows(values: Any, rows: Tensor) -> Any:
    """Select rows of every tensor in a tuple, named or not, of tensors and tuples; leave anything else as it is."""
    if isinstance(values, Tensor):
        return values.index_select(0, rows)
    if not isinstance(values, tuple):
        return values
    parts = [select_rows(value, rows) for value in values]
    return type(values)(*parts) if hasattr(values, "_fields") else type(values)(parts)
