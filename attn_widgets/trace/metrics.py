"""What one head's weights look like, in numbers: how sharp, how far, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int

from attn_widgets.trace.trace import AttentionTrace

RESTING = 0.5
"""Mean weight on the first token from which a head is said to rest there."""


class RestingHead(NamedTuple):
    """A head that rests on the first token, and its mean weight there."""

    layer: int
    head: int
    weight: float


def entropy(weights: Float[np.ndarray, "query key"]) -> Float64[np.ndarray, " query"]:
    """Entropy of each row in nats; 0 for one key alone, log(n) for n equal ones.

    Rows are taken as distributions, as they are: -Σ w log w with 0 log 0 = 0.
    """
    exact = weights.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(exact == 0, 0.0, exact * np.log(exact))
    return np.asarray(0.0 - terms.sum(axis=1))


def distance(
    weights: Float[np.ndarray, "query key"], positions: Int[np.ndarray, " query"] | None = None
) -> Float64[np.ndarray, " query"]:
    """Mean distance in tokens between each row and what it looks at, Σ w · |query - key|.

    Parameters
    ----------
    weights
        Weights of one head.
    positions
        Where the rows stand among the keys; by default they are the last ones.
    """
    queries, keys = weights.shape
    rows = _positions(queries, keys) if positions is None else positions
    far = np.abs(rows[:, None] - np.arange(keys))
    return np.asarray((weights.astype(np.float64) * far).sum(axis=1))


def previous_token(
    weights: Float[np.ndarray, "query key"], positions: Int[np.ndarray, " query"] | None = None
) -> Float64[np.ndarray, " query"]:
    """Weight of each row on the token before it; NaN for a row that has none."""
    queries, keys = weights.shape
    before = (_positions(queries, keys) if positions is None else positions) - 1
    found = weights[np.arange(queries), np.clip(before, 0, max(keys - 1, 0))].astype(np.float64)
    return np.where((before >= 0) & (before < keys), found, np.nan)


def induction(
    weights: Float[np.ndarray, "query key"], tokens: Sequence[str], positions: Int[np.ndarray, " query"] | None = None
) -> Float64[np.ndarray, " query"]:
    """Weight of each row on the tokens that followed earlier places of its own token; NaN for a row that has none.

    Of "A B … A" the last row's target is B: the prefix-matching score of Olsson et al. 2022, "In-context Learning and
    Induction Heads". The row itself is no target ("A A" says nothing).

    Parameters
    ----------
    weights
        Weights of one head.
    tokens
        Text of the keys.
    positions
        Where the rows stand among the keys; by default they are the last ones.
    """
    queries, keys = weights.shape
    places = _positions(queries, keys) if positions is None else positions
    rows, columns = induction_targets([tokens[place] for place in places], tokens, places)
    found = np.bincount(rows, weights[rows, columns], queries)
    return np.where(np.bincount(rows, minlength=queries) > 0, found, np.nan)


def induction_targets(
    rows: Sequence[str], keys: Sequence[str], positions: Int[np.ndarray, " query"]
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Pairs of a row and a key before it that follows the row's token."""
    numbers = {token: number for number, token in enumerate(dict.fromkeys([*keys, *rows]))}
    follows = np.array([-1, *(numbers[token] for token in keys[:-1])][: len(keys)], int)  # the token before each key
    mine = np.array([numbers[token] for token in rows], int)
    pairs = np.nonzero((follows == mine[:, None]) & (np.arange(len(keys)) < positions[:, None]))
    return pairs[0], pairs[1]


def resting(weights: Float[np.ndarray, "query key"]) -> float:
    """Mean weight on the first token over the rows after the first, which often can see nothing else.

    Heads with nothing to do put their weight there ("attention sinks", Xiao et al. 2023,
    arXiv:2309.17453). NaN where there are no such rows.
    """
    return float(weights[1:, 0].mean(dtype=np.float64)) if len(weights) > 1 and weights.shape[1] else float("nan")


def resting_heads(trace: AttentionTrace, least: float = RESTING) -> list[RestingHead]:
    """Heads whose mean weight on the first token (`resting`) is at least `least`."""
    rests = (
        RestingHead(at, head, resting(trace.weights(at, head, keys=slice(0, 1)))) for at, head in trace.iter_heads()
    )
    return [found for found in rests if found.weight >= least]


def _positions(queries: int, keys: int) -> Int[np.ndarray, " query"]:
    return np.arange(keys - queries, keys)
