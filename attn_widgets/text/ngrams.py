"""Counts of n-grams, and the interpolated Witten–Bell probabilities that they give.

The probability of token w after history h mixes the relative frequency with what the history h', one token
shorter, says (Witten & Bell 1991, method C; Chen & Goodman 1998, section 2.5):

    p(w | h) = (c(h, w) + T(h) p(w | h')) / (c(h) + T(h))

c(h) tokens followed h, T(h) different ones; the empty history falls back on 1 / vocabulary. A history that
nothing followed says what the shorter one says.

Every n-gram has a number, its place in the sorted list of its length. Its key is the number of its first n - 1
tokens times the vocabulary plus its last token: one integer, whatever n, and the number of an n-gram that ends
at a position follows from that of the (n - 1)-gram that ends before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from attn_widgets.errors import ConfigError


class NGramCounts:
    """Counted n-grams of every length up to the order.

    Parameters
    ----------
    vocab_size
        Number of token ids, V.
    keys
        For each length n = 1, 2, …: the sorted keys of its n-grams, int64.
    counts
        For each length: how often each of them was met.
    """

    def __init__(self, vocab_size: int, keys: Sequence[np.ndarray], counts: Sequence[np.ndarray]) -> None:
        self.vocab_size, self.keys, self.counts = vocab_size, tuple(keys), tuple(counts)
        self._seen: list[np.ndarray] = []  # c(h) of every history h that is a token shorter
        self._kinds: list[np.ndarray] = []  # T(h)
        self._starts: list[np.ndarray] = []  # where the n-grams that begin with h are
        histories = 1
        for key, count in zip(self.keys, self.counts, strict=True):
            parents = key // vocab_size
            kinds = np.bincount(parents, minlength=histories)
            self._seen.append(np.bincount(parents, count, histories))
            self._kinds.append(kinds)
            self._starts.append(np.cumsum(kinds) - kinds)
            histories = len(key)
        self._unigrams = np.full(vocab_size, 1 / vocab_size)
        if len(self.keys[0]):
            seen, kinds = self._seen[0][0], self._kinds[0][0]
            self._unigrams *= kinds / (seen + kinds)
            self._unigrams[self.keys[0]] += self.counts[0] / (seen + kinds)

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return len(self.keys)

    def log_probability(self, tokens: np.ndarray) -> np.ndarray:
        """Natural log probability (token,) of each token after all those before it; float64."""
        *_, last = map(np.log, self.probabilities(tokens))
        return last

    def probabilities(self, tokens: np.ndarray) -> Iterator[np.ndarray]:
        """Probability of each token after those before it, by the model of order 1, then 2, and so on.

        Yields
        ------
        np.ndarray
            (token,), float64; one array an order.
        """
        tokens = checked_ids(tokens, self.vocab_size)
        mixed = np.full(len(tokens), 1 / self.vocab_size)
        histories = np.zeros(len(tokens), np.int64)  # the number of the n tokens before tokens[n:], or -1
        for n in range(self.order):
            found = self._find(n, histories, tokens[n:])
            at, seen, kinds = self._known(n, histories)
            met = np.where(found[at] < 0, 0, self.counts[n][found[at]]) if len(at) else 0
            mixed[n + at] = (met + kinds * mixed[n + at]) / (seen + kinds)
            yield mixed.copy()
            histories = found[:-1]

    def histories(self, tokens: np.ndarray, longest: int | None = None) -> list[np.ndarray]:
        """Look up the numbers of the histories that end at every position.

        Parameters
        ----------
        tokens
            Ids (..., token).
        longest
            Look back at most this many tokens; one less than the order when None.

        Returns
        -------
        list
            For each length 1, 2, …: (..., token), -1 where the history is unknown or begins before the text.
        """
        tokens = checked_ids(tokens, self.vocab_size)
        longest = self.order - 1 if longest is None else min(longest, self.order - 1)
        before, numbers = np.zeros_like(tokens), []
        for n in range(longest):
            numbers.append(self._find(n, before, tokens))
            before = np.full_like(tokens, -1)
            before[..., 1:] = numbers[-1][..., :-1]
        return numbers

    def distribution(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities (row, V) of the next token, float64.

        Parameters
        ----------
        histories
            For each length 1, 2, …: the history's number (row,), as `histories` gives it.
        """
        rows = len(histories[0]) if histories else 1
        mixed, left = np.zeros((rows, self.vocab_size)), np.ones(rows)
        for n in range(len(histories), 0, -1):
            at, seen, kinds = self._known(n, histories[n - 1])
            first = self._starts[n][histories[n - 1][at]]
            row = np.repeat(at, kinds)
            gram = np.arange(len(row)) + np.repeat(first - np.cumsum(kinds) + kinds, kinds)
            share = left[at] / (seen + kinds)
            mixed[row, self.keys[n][gram] % self.vocab_size] += np.repeat(share, kinds) * self.counts[n][gram]
            left[at] = share * kinds
        mixed += left[:, None] * self._unigrams
        return mixed

    def _find(self, n: int, histories: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Look up the numbers of n-grams: `n` tokens of history and one more; -1 where there is none."""
        if not len(self.keys[n]):
            return np.full_like(tokens, -1)
        wanted = histories * self.vocab_size + tokens  # negative for an unknown history: never found
        place = np.minimum(np.searchsorted(self.keys[n], wanted), len(self.keys[n]) - 1)
        return np.where(self.keys[n][place] == wanted, place, -1)

    def _known(self, n: int, histories: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions of the histories (of `n` tokens) that something followed, and their c(h) and T(h)."""
        kinds = np.where(histories < 0, 0, self._kinds[n][histories]) if len(self._kinds[n]) else histories * 0
        at = np.flatnonzero(kinds)
        return at, self._seen[n][histories[at]], kinds[at]


def count_ngrams(tokens: np.ndarray, vocab_size: int, order: int) -> NGramCounts:
    """Count the n-grams of a text.

    Parameters
    ----------
    tokens
        Ids (token,).
    vocab_size
        Number of token ids.
    order
        Length of the longest n-grams: 5 looks four tokens back.

    Raises
    ------
    ConfigError
        For an id that the vocabulary lacks.
    """
    tokens = checked_ids(tokens, vocab_size)
    keys, counts = [], []
    histories = np.zeros(len(tokens), np.int64)
    for n in range(order):
        key, numbers, count = np.unique(histories * vocab_size + tokens[n:], return_inverse=True, return_counts=True)
        keys.append(key)
        counts.append(count.astype(np.int32))
        histories = numbers[:-1]
    return NGramCounts(vocab_size, keys, counts)


def ngram_rungs(
    train: np.ndarray, validation: np.ndarray, vocab_size: int, orders: Iterable[int] = (2, 3, 4, 5)
) -> dict[int, float]:
    """Loss of n-gram models, to compare a training with: "you have just beaten the 4-gram".

    Parameters
    ----------
    train, validation
        Ids (token,). Every validation token but the first is predicted, from all those before it.
    vocab_size
        Number of token ids.
    orders
        Which models.

    Returns
    -------
    dict
        Order → mean loss in nats per validation token.

    Raises
    ------
    ConfigError
        For an id that the vocabulary lacks, or a validation part without anything to predict.
    """
    wanted = sorted(set(orders))
    if len(validation) < 2:
        raise ConfigError(f"n-grams need two validation tokens or more; given {len(validation)}")
    counted = count_ngrams(train, vocab_size, wanted[-1])
    each = enumerate(counted.probabilities(validation), start=1)
    return {order: float(-np.log(found[1:]).mean()) for order, found in each if order in wanted}


def checked_ids(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    """Take ids as int64; refuse those outside the vocabulary, which would be read as another n-gram."""
    ids = np.asarray(tokens).astype(np.int64)
    if ids.size and (ids.min() < 0 or ids.max() >= vocab_size):
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise ConfigError(f"token id {wrong} is not in the vocabulary; ids are 0–{vocab_size - 1}")
    return ids
