"""Locality-sensitive hashing attention (Reformer): tokens attend to those hashed near them.

Kitaev et al. 2020, arXiv:2001.04451, section 2 and appendix A. Queries and keys are shared. Each
hashing round sorts the tokens by bucket and cuts them into chunks; a token attends to its chunk and
the one before. The rounds together are one softmax in which a key counts as often as it is met: the
sum over rounds weighted by their logsumexp. As in transformers, neighbours from other buckets are
not masked and a key met twice is not divided by two. Cost: O(hashes · length · chunk) and sorting.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_widgets.errors import ConfigError


class LshRecord(NamedTuple):
    """Shared vectors and buckets of one layer: O(T·(d + hashes)) memory.

    Attributes
    ----------
    shared
        Vectors that are query and key at once: Float[Tensor, "batch head token dim"], float32 or float64.
    buckets
        Bucket of each token in each round: Int[Tensor, "batch head hash padded"]. Hidden tokens and
        the padding that fills the last chunk are in a bucket of their own, the last.
    chunk
        Tokens in a chunk.
    scale
        Factor on the dot products.
    mask
        True = visible, broadcastable to "batch head query key"; None when nothing else is masked.
    causal
        Whether later tokens are hidden.
    """

    shared: Tensor
    buckets: Tensor
    chunk: int
    scale: float
    mask: Tensor | None = None
    causal: bool = False

    def visible(self) -> Bool[Tensor, "batch head query key"]:
        """Where a query may see a key: met in some round, not masked, and itself only if it is alone."""
        places = _places(self)
        return _dense(self, places, places.seen.to(self.shared.dtype)) > 0

    def weights(self) -> Float[Tensor, "batch head query key"]:
        """Attention weights over all rounds; zero where the two never meet, a fully masked row is all zeros."""
        places = _places(self)
        with torch.autocast(self.shared.device.type, enabled=False):
            return _dense(self, places, _weights(self, places))


class _Places(NamedTuple):
    """The sorted rounds, cut into chunks; C = hashes · padded / chunk chunks, S keys each."""

    order: Tensor  # token at each place of each round (B, H, R, P)
    query: Tensor  # token that asks (B, H, C, c)
    key: Tensor  # tokens that it meets (B, H, C, S)
    seen: Tensor  # whether it may look (B, H, C, c, S)


def lsh(
    query: Float[Tensor, "batch head token dim"],
    key: Float[Tensor, "batch key_head key_token dim"],
    value: Float[Tensor, "batch kv_head key_token value_dim"],
    *,
    hashes: int = 4,
    buckets: int | tuple[int, ...] | None = None,
    chunk: int = 16,
    hash_seed: int = 0,
    mask: Bool[Tensor, "#batch #head #token #key_token"] | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    record: bool = False,
) -> tuple[Float[Tensor, "batch head token value_dim"], LshRecord | None]:
    """Attend to the tokens that hashing brings together; queries and keys are shared.

    The key of a token is its query, normalised to root mean square 1, so that with the default
    `scale` it is a unit vector. A token attends to itself only if it meets no other that it may
    see. Up to `chunk` tokens nothing is hashed: all meet. Who meets whom depends on all tokens,
    later ones and padding too (hidden, they still fill chunks): there is no decoding from a cache.

    Parameters
    ----------
    query
        Shared vectors.
    key
        The query once more: the same tensor, or an equal one.
    value
        Values; `kv_head` divides `head`.
    hashes
        Rounds of hashing.
    buckets
        Buckets in each round, even; several numbers are multiplied (each has its own rotation).
        None: the power of two up to 2 · length / `chunk`, in two factors when large.
    chunk
        Tokens in a chunk; a length that it does not divide is padded.
    hash_seed
        Seed of the random rotations; the same on every device.
    mask
        True = visible. A query that sees no key gets a context of zeros.
    causal
        Hide later tokens.
    window
        Must be None: chunks take its place.
    scale
        Factor on the dot products; ``dim ** -0.5`` when None.
    dropout
        Probability with which a weight is dropped, in each round; pass 0 when not training. A record never shows it.
    record
        Whether to return what is needed to compute the weights again.

    Returns
    -------
    context
        Weighted values, computed in float32 for half precision, in the dtype of `value`.
    record
        Shared vectors and buckets; None without `record`.

    Raises
    ------
    ConfigError
        If queries and keys are not the same, or `hashes`, `buckets`, `chunk` or `window` cannot work.
    """
    _check(query, key, value, hashes, chunk, window)
    with torch.autocast(query.device.type, enabled=False):
        shared = query.float() if query.dtype in (torch.float16, torch.bfloat16) else query
        length = shared.shape[2]
        if length <= chunk:
            chunk = max(length, 1)
            number = torch.zeros(*shared.shape[:2], 1, length, dtype=torch.long, device=shared.device)
        else:
            factors = _factors(buckets, length + -length % chunk, chunk)
            hidden = None if mask is None else ~mask.any(-2)
            number = _hash(shared.detach(), hashes, factors, hash_seed, hidden, -length % chunk)
        scale = shared.shape[-1] ** -0.5 if scale is None else scale
        terms = LshRecord(shared, number, chunk, scale, mask, causal)
        return _attend(terms, value, dropout), terms if record else None


def _check(query: Tensor, key: Tensor, value: Tensor, hashes: int, chunk: int, window: int | None) -> None:
    if query.shape[2] != key.shape[2]:
        raise ConfigError(
            f"--attention lsh is self-attention; given {query.shape[2]} queries and {key.shape[2]} keys; "
            "for cross-attention or cached decoding try --attention scaled_dot"
        )
    if key is not query and not (key.shape == query.shape and torch.equal(key, query)):
        raise ConfigError("--attention lsh shares queries and keys; given different ones; pass the query as key too")
    if query.shape[1] % value.shape[1]:
        raise ConfigError(f"{value.shape[1]} value heads do not divide {query.shape[1]} query heads")
    if hashes < 1 or chunk < 1:
        raise ConfigError(f"--hashes {hashes} and --chunk {chunk} must be at least 1")
    if window is not None:
        raise ConfigError(f"--window {window} does not go with --attention lsh; --chunk is its width")


def _factors(buckets: int | tuple[int, ...] | None, length: int, chunk: int) -> tuple[int, ...]:
    """Check the numbers of buckets, or choose them as transformers does for `length`, a multiple of `chunk`."""
    if buckets is None:
        power = (2 * (length // chunk)).bit_length() - 1
        many = 2**power > 2 * max(math.isqrt(length // chunk), chunk)
        return (2 ** (power // 2), 2 ** (power - power // 2)) if many else (2**power,)
    factors = (buckets,) if isinstance(buckets, int) else buckets
    wrong = next((factor for factor in factors if factor < 2 or factor % 2), None)
    if not factors or wrong is not None:
        near = max(2, (wrong or 0) - 1)
        raise ConfigError(f"--buckets {buckets}: must be even and at least 2; try {near} or {near + 2}")
    return factors


def _hash(
    shared: Tensor, hashes: int, factors: tuple[int, ...], seed: int, hidden: Tensor | None, padding: int
) -> Tensor:
    """Bucket of each token: the nearest of random directions and their opposites (section 2, "LSH")."""
    _, heads, length, dim = shared.shape
    generator = torch.Generator().manual_seed(seed)
    shape = heads, dim, hashes, sum(factors) // 2
    rotations = torch.randn(shape, generator=generator, dtype=shared.dtype).to(shared.device)
    turned = torch.einsum("bhtd,hdrn->bhrtn", shared, rotations).split_with_sizes([f // 2 for f in factors], -1)
    number = torch.zeros(turned[0].shape[:-1], dtype=torch.long, device=shared.device)  # (B, H, R, T)
    several = 1
    for factor, part in zip(factors, turned, strict=True):
        number += several * torch.cat([part, -part], -1).argmax(-1)
        several *= factor
    if hidden is not None:
        number = number.masked_fill(hidden.expand(-1, -1, length)[:, :, None], several)
    return F.pad(number, (0, padding), value=several)


def _places(terms: LshRecord) -> _Places:
    """Sort each round by bucket, cut it into chunks, and find who may look at whom."""
    length, padded = terms.shared.shape[2], terms.buckets.shape[3]
    order = terms.buckets.argsort(dim=-1, stable=True)
    query = torch.unflatten(order.flatten(2), 2, (-1, terms.chunk))
    key = _look_back(query)
    asks, asked = query[..., None], key[..., None, :]
    others, own = asked < asks if terms.causal else asked != asks, asked == asks
    if terms.mask is not None:
        allowed = _look_up(terms.mask, asks, asked, length)
        others, own = others & allowed, own & allowed
    if padded > length:
        others = others & (asked < length)
    places = order.flatten(2)
    met = torch.zeros(*places.shape[:2], padded, dtype=torch.long, device=places.device)
    met = met.scatter_add(2, places, others.any(-1).flatten(2).long())  # rounds in which a token meets another
    alone = (met == 0).gather(2, places).view_as(query)
    return _Places(order, query, key, others | (own & alone[..., None]))


def _look_back(x: Tensor) -> Tensor:
    """Put the chunk before in front of each chunk; before the first comes the last, as in transformers."""
    return torch.cat([x.roll(1, 2), x], 3) if x.shape[2] > 1 else x


def _look_up(mask: Tensor, asks: Tensor, asked: Tensor, length: int) -> Tensor:
    """Entries of a mask that broadcasts, at (asks, asked)."""
    batch, heads, rows, _ = mask.shape
    each_text = torch.arange(batch, device=mask.device).view(-1, 1, 1, 1, 1)
    each_head = torch.arange(heads, device=mask.device).view(1, -1, 1, 1, 1)
    asks = torch.zeros_like(asks) if rows == 1 else asks.clamp(max=length - 1)
    found: Tensor = mask.expand(-1, -1, -1, length)[each_text, each_head, asks, asked.clamp(max=length - 1)]
    return found


def _weights(terms: LshRecord, places: _Places) -> Tensor:
    """Weights of each meeting; over all rounds a token's sum to one (B, H, C, c, S)."""
    shared = terms.shared
    keys = shared * torch.rsqrt(shared.square().mean(-1, keepdim=True) + 1e-6) * terms.scale
    scores = _take(shared, places.query) @ _look_back(_take(keys, places.query)).transpose(-1, -2)
    scores = scores.masked_fill(~places.seen, -torch.inf)
    # A row that sees nothing is summed as it stands, so that no NaN enters the gradient.
    some = places.seen.any(-1)
    sums = scores.masked_fill(~some[..., None], 0.0).logsumexp(-1).masked_fill(~some, -torch.inf)
    by_round = _back_to_tokens(sums.flatten(2)[..., None], places.order)[..., 0]  # (B, H, R, P)
    nothing = (by_round == -torch.inf).all(2)
    total = by_round.masked_fill(nothing[:, :, None], 0.0).logsumexp(2)  # (B, H, P)
    at_place = total.gather(2, places.order.flatten(2)).view_as(places.query)
    return (scores - at_place[..., None]).exp()


def _attend(terms: LshRecord, value: Tensor, dropout: float) -> Tensor:
    shared, places = terms.shared, _places(terms)
    weights = _weights(terms, places)
    if dropout:
        weights = F.dropout(weights, dropout)
    if value.shape[1] != shared.shape[1]:
        value = value.repeat_interleave(shared.shape[1] // value.shape[1], dim=1)
    context = weights @ _look_back(_take(value.to(shared.dtype), places.query))  # (B, H, C, c, dv)
    rounds = _back_to_tokens(context.flatten(2, 3), places.order)  # (B, H, R, P, dv)
    return rounds.sum(2)[:, :, : shared.shape[2]].to(value.dtype)


def _take(x: Tensor, tokens: Int[Tensor, "batch head chunks size"]) -> Float[Tensor, "batch head chunks size d"]:
    """Vectors of the given tokens; the padding behind the last token has none and takes its."""
    index = tokens.flatten(2).clamp(max=x.shape[2] - 1)[..., None].expand(-1, -1, -1, x.shape[3])
    return torch.unflatten(x.gather(2, index), 2, tokens.shape[2:])


def _back_to_tokens(x: Tensor, order: Tensor) -> Tensor:
    """Undo the sorting of each round: (B, H, R·P, d) → (B, H, R, P, d)."""
    by_round = torch.unflatten(x, 2, order.shape[2:])
    return by_round.gather(3, order.argsort(-1)[..., None].expand(-1, -1, -1, -1, x.shape[-1]))


def _dense(terms: LshRecord, places: _Places, entries: Tensor) -> Float[Tensor, "batch head query key"]:
    """Sum what each meeting has onto a matrix of tokens by tokens."""
    length, padded = terms.shared.shape[2], terms.buckets.shape[3]
    cells = places.query[..., None] * padded + places.key[..., None, :]
    matrix = entries.new_zeros(*entries.shape[:2], padded * padded)
    matrix = matrix.scatter_add(2, cells.flatten(2), entries.flatten(2))
    return torch.unflatten(matrix, 2, (padded, padded))[:, :, :length, :length]
