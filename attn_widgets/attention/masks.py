"""Masks as Boolean tensors: True where a query may see a key."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def causal_mask(
    queries: int, keys: int, window: int | None = None, *, device: torch.device | str | None = None
) -> Bool[Tensor, "query key"]:
    """Which keys each query may see when no query looks ahead.

    The queries are the *last* rows of the square of keys (bottom-right aligned), as they are when
    the earlier keys come from a cache.

    Parameters
    ----------
    queries, keys
        Numbers of rows and columns.
    window
        See at most this many keys, the query's own among them (Longformer, arXiv:2004.05150,
        section 3.1). None: all earlier keys.
    device
        Where the mask is made.

    Returns
    -------
    Bool[Tensor, "query key"]
        True = visible. With more queries than keys the first rows see nothing.
    """
    mask = torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
    if window is not None:
        mask = mask.triu(keys - queries - window + 1)
    return mask


def padding_mask(lengths: Int[Tensor, " batch"], keys: int) -> Bool[Tensor, "batch 1 1 {keys}"]:
    """Hide the padding behind each text of a batch.

    Parameters
    ----------
    lengths
        Tokens in each text.
    keys
        Length to which the texts were padded.

    Returns
    -------
    Bool[Tensor, "batch 1 1 key"]
        True = a real token; broadcasts over heads and queries.
    """
    return (torch.arange(keys, device=lengths.device) < lengths[:, None])[:, None, None, :]
