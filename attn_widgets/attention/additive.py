"""Additive attention: a small network with one hidden layer scores each pair (Bahdanau et al. 2015).

The hidden layer of all pairs is (B, H, Q, K, d), d times the weights. It is never held: queries are
worked on in tiles, and training computes each tile again in its backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from attn_widgets.attention.record import check_arguments, full_precision, masked_softmax, visible_keys, weigh, widen

TILE = 1 << 22
"""Hidden numbers of a tile (16 MB in float32). All that fits into one is computed once and kept for training."""


class AdditiveRecord(NamedTuple):
    """Projected inputs and trained tensors of one layer: O(T·d) memory, where the weights would be O(T²).

    Attributes
    ----------
    query
        W_i h_i: Float[Tensor, "batch head query dim"].
    key
        W_j h_j, one per *group* of heads: Float[Tensor, "batch kv_head key dim"].
    v, b
        Float[Tensor, "head dim"]; v times the scale.
    mask
        True = visible, broadcastable to "batch head query key"; None when nothing else is masked.
    causal
        Whether later keys are masked; the queries are the last rows.
    window
        How many keys a query sees at most, itself included, when `causal`.
    """

    query: Tensor
    key: Tensor
    v: Tensor
    b: Tensor
    mask: Tensor | None = None
    causal: bool = False
    window: int | None = None

    def visible(self) -> Bool[Tensor, "#batch #head #query #key"] | None:
        """Where a query may see a key; None where every query sees every key."""
        return visible_keys(self.query, self.key, self.mask, self.causal, self.window)

    def weights(self) -> Float[Tensor, "batch head query key"]:
        """Attention weights of every head; masked entries are zero, a fully masked row is all zeros."""
        with torch.autocast(self.query.device.type, enabled=False):
            return _join(_padded_weights, self)


def additive(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    *,
    v: Float[Tensor, "head dim"],
    b: Float[Tensor, "head dim"],
    mask: Bool[Tensor, "#batch #head #query #key"] | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    record: bool = False,
) -> tuple[Float[Tensor, "batch head query value_dim"], AdditiveRecord | None]:
    """softmax(e) V with e_ij = vᵀ tanh(W_i h_i + W_j h_j + b) (Bahdanau et al. 2015, arXiv:1409.0473, A.1.2).

    Parameters
    ----------
    query, key
        The projected inputs W_i h_i and W_j h_j; `kv_head` divides `head`.
    value
        What is summed.
    v, b
        Of each query head (``additive_weights``).
    mask
        True = visible. A query that sees no key gets a context of zeros.
    causal
        Hide later keys; the queries are the last rows (see ``causal_mask``).
    window
        With `causal`: see at most this many keys, the query's own among them.
    scale
        Factor on the scores; 1 when None, as in the paper.
    dropout
        Probability with which a weight is dropped; pass 0 when not training. A record never shows
        dropout: its weights are those before it.
    record
        Whether to return what is needed to compute the weights again.

    Returns
    -------
    context
        Weighted values, in the dtype of `value`; half precision is computed in float32, under autocast too.
    record
        Views of query and key, copies of v and b (training may go on); None without `record`.

    Raises
    ------
    ConfigError
        If `window` comes without `causal` or is below 1, or `kv_head` does not divide `head`.
    """
    check_arguments(query, key, causal, window)
    terms = AdditiveRecord(query, key, v if scale is None else v * scale, b, mask, causal, window)
    with torch.autocast(query.device.type, enabled=False):
        context = _join(_context, terms, value, dropout)
    return context, terms._replace(v=terms.v.clone(), b=b.clone()) if record else None


def additive_weights(heads: int, dim: int) -> dict[str, Float[Tensor, "{heads} {dim}"]]:
    """Draw v of every head, uniform in ±1/√dim, and b, zero.

    The paper begins with v at zero as well (appendix B.1), where v alone learns at first.
    """
    return {"v": torch.empty(heads, dim).uniform_(-1, 1) * dim**-0.5, "b": torch.zeros(heads, dim)}


class Span(NamedTuple):
    """Queries `first` to `last` - 1, and the keys `low` to `stop` - 1 that they can see at all."""

    first: int
    last: int
    low: int
    stop: int


def _spans(terms: AdditiveRecord) -> Iterator[Span]:
    """Split the queries so that the hidden layer of each span fits into a tile.

    Spans are as large as each other, though later rows see more: were each larger than the one before it, malloc would
    get every one of them anew from the system, whose zeroing of pages took half the time at 8,192 tokens.
    """
    batch, heads, queries, dim = terms.query.shape
    keys = terms.key.shape[2]
    pairs = max(1, TILE // max(1, batch * heads * dim))
    past = keys - queries  # a causal span's last row stands at the last of its keys, as in the whole
    first = 0
    while first < max(1, queries):
        if not terms.causal:
            last = min(first + max(1, pairs // max(1, keys)), queries)
            yield Span(first, last, 0, keys)
        else:
            low = 0 if terms.window is None else max(0, past + first - terms.window + 1)
            last = min(first + _most_rows(max(0, past + first - low), pairs), queries)
            yield Span(first, last, low, max(0, past + last))
        first = max(last, first + 1)


def _most_rows(before: int, pairs: int) -> int:
    """Most rows, one at least, that make at most `pairs` of rows and keys: `before` keys and one more for each row."""
    return max(1, (math.isqrt(before * before + 4 * pairs) - before) // 2)


def _join(
    compute: Callable[..., Tensor], terms: AdditiveRecord, value: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """Put the results of all spans under each other; gradients compute all but a single one again."""
    spans = list(_spans(terms))
    if len(spans) == 1:
        return compute(spans[0], terms, value, dropout)
    if torch.is_grad_enabled():
        again = partial(checkpoint, compute, use_reentrant=False, preserve_rng_state=dropout > 0)
        return torch.cat([again(span, terms, value, dropout) for span in spans], dim=2)
    # Filled in place: parts that are kept until all are there would lie between the tiles, and memory falls to pieces.
    first = compute(spans[0], terms, value, dropout)
    joined = first.new_empty(*first.shape[:2], terms.query.shape[2], first.shape[3])
    joined[:, :, : spans[0].last] = first
    for span in spans[1:]:
        joined[:, :, span.first : span.last] = compute(span, terms, value, dropout)
    return joined


def _context(span: Span, terms: AdditiveRecord, value: Tensor, dropout: float) -> Tensor:
    return weigh(_weights(span, terms), value[:, :, span.low : span.stop], dropout)


def _padded_weights(span: Span, terms: AdditiveRecord, *_: object) -> Tensor:
    return F.pad(_weights(span, terms), (span.low, terms.key.shape[2] - span.stop))


def _weights(span: Span, terms: AdditiveRecord) -> Tensor:
    """Weights of the keys of a span. Slices are made here, so that their gradients do not wait for the other spans."""
    first, last, low, stop = span
    mask = terms.mask
    if mask is not None and mask.shape[2] > 1:
        mask = mask[:, :, first:last]
    if mask is not None and mask.shape[3] > 1:
        mask = mask[:, :, :, low:stop]
    part = terms._replace(query=terms.query[:, :, first:last], key=terms.key[:, :, low:stop], mask=mask)
    query, key, v, b = (full_precision(tensor) for tensor in part[:4])
    hidden = (query + b[:, None])[:, :, :, None] + widen(key, query.shape[1])[:, :, None]  # (B, H, Q, K, d)
    # A product, where a sum of products would need a second tensor of this size.
    scores = (hidden.tanh_().flatten(2, 3) @ v[:, :, None]).view(hidden.shape[:4])
    return masked_softmax(scores, part.visible())
