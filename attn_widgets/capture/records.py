"""From what attention left in torch to a record of a trace: one layer, one text of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int, Shaped
from torch import Tensor

from attn_widgets.attention import PROMISE, AdditiveRecord, DotRecord, MatrixRecord, WindowRecord
from attn_widgets.errors import AttnError
from attn_widgets.trace import AdditiveRecord as AdditiveTrace
from attn_widgets.trace import DotProductRecord, Record, WeightsRecord, causal_range

Range = tuple[Int[np.ndarray, " query"], Int[np.ndarray, " query"]]
"""First visible key of each row, and the one after its last."""


def copied(tensor: Shaped[Tensor, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Copy a tensor into NumPy, as float32 in memory of its own: a view would hold the whole cache."""
    return np.array(tensor.detach().float().cpu().numpy(), order="C")


def join_pieces(pieces: Sequence[Any]) -> Any:
    """Make one record of one layer's records of the pieces of a text, read one behind the other.

    Parameters
    ----------
    pieces
        Each has the keys of the text so far, of which its queries are the last rows.

    Returns
    -------
    Any
        A record of all queries. Where a piece left only weights, they are 0 for the keys that came after it.
    """
    last = pieces[-1]
    if len(pieces) == 1:
        return last
    if isinstance(last, (DotRecord, AdditiveRecord, WindowRecord)):
        return last._replace(query=torch.cat([piece.query for piece in pieces], dim=2))
    weights = [piece.weights() for piece in pieces]
    seen = [_visible(piece) for piece in pieces]
    if all(mask is None for mask in seen):
        return MatrixRecord(_joined_rows(weights))
    masks = [
        torch.ones_like(rows, dtype=torch.bool) if mask is None else mask.expand_as(rows)
        for rows, mask in zip(weights, seen, strict=True)
    ]
    return MatrixRecord(_joined_rows(weights), _joined_rows(masks))


def _joined_rows(pieces: Sequence[Tensor]) -> Tensor:
    """Rows (B, H, Q, K) of all pieces, as wide as the last one's."""
    keys = pieces[-1].shape[3]
    return torch.cat([F.pad(rows, (0, keys - rows.shape[3])) for rows in pieces], dim=2)


def _visible(record: Any) -> Tensor | None:
    seen: Tensor | None = record.visible() if hasattr(record, "visible") else None
    return seen


def trace_record(record: Any, row: int = 0) -> Record:
    """Copy one layer's attention of one text of a batch into NumPy.

    Parameters
    ----------
    record
        What a mechanism returned beside the context: a ``DotRecord`` or an additive one (their vectors
        are kept, float32), weights, Tensor "batch head query key", or anything with a method
        ``weights()`` that gives such (they are kept), and perhaps ``visible()``.
    row
        Which text.

    Returns
    -------
    Record
        A mask that is one range of keys a row (causal, a window, padding) becomes start and stop. Where
        the heads of a layer see different keys, its weights are kept.

    Raises
    ------
    AttnError
        If `record` is none of these, or the batch has no such text.
    """
    if isinstance(record, WindowRecord):
        record = _as_dots(record)
    if isinstance(record, (DotRecord, AdditiveRecord)):
        one = _one_text(record, row)
        if one.mask is None or one.mask.shape[1] == 1:
            return _vectors(one)
        return _weights(one.weights(), one.visible(), 0)
    if isinstance(record, Tensor):
        return _weights(record, None, row)
    if not hasattr(record, "weights"):
        raise AttnError(f"{type(record).__name__} is no record of attention; {PROMISE}")
    return _weights(record.weights(), _visible(record), row)


def _as_dots(record: WindowRecord) -> DotRecord:
    """Tell a window by what it hides; where nothing else is hidden and nothing global, as the range it is."""
    if record.causal and record.mask is None and not record.global_positions:
        return DotRecord(record.query, record.key, record.scale, None, True, record.window)
    return DotRecord(record.query, record.key, record.scale, record.visible())


def _one_text(record: DotRecord | AdditiveRecord, row: int) -> DotRecord | AdditiveRecord:
    """Cut the batch down to one text, before anything is computed."""
    one = _place(row, record.query.shape[0])
    mask = record.mask
    if mask is not None and mask.shape[0] > 1:
        mask = mask[one]
    return record._replace(query=record.query[one], key=record.key[one], mask=mask)


def _place(row: int, texts: int) -> slice:
    if not 0 <= row < texts:
        raise AttnError(f"row {row} does not exist; the batch has {texts}: 0 to {texts - 1}")
    return slice(row, row + 1)


def _vectors(record: DotRecord | AdditiveRecord) -> Record:
    query, key = copied(record.query[0]), copied(record.key[0])
    queries, keys = query.shape[1], key.shape[1]
    start, stop = causal_range(queries, keys, record.window) if record.causal else _everything(queries, keys)
    mask = None
    if record.mask is not None:
        seen = record.mask[0, 0].cpu().numpy()
        seen = np.broadcast_to(seen, (len(seen), keys))
        ranges = _ranges(seen)
        if ranges is None:
            mask = np.array(np.broadcast_to(seen, (queries, keys)))
        else:
            stop = np.minimum(stop, ranges[1])
            start = np.minimum(np.maximum(start, ranges[0]), stop)
    if isinstance(record, DotRecord):
        return DotProductRecord(query, key, record.scale, start, stop, mask)
    return AdditiveTrace(query, key, copied(record.v), copied(record.b), start, stop, mask)


def _everything(queries: int, keys: int) -> Range:
    return np.zeros(queries, np.int64), np.full(queries, keys)


def _ranges(seen: Bool[np.ndarray, "query key"]) -> Range | None:
    """Ranges of keys that say what a mask says; None where a row sees keys on both sides of a hidden one."""
    after = np.arange(1, seen.shape[1] + 1)
    stop = (seen * after).max(axis=1, initial=0)
    start = stop - seen.sum(axis=1)
    told = (after > start[:, None]) & (after <= stop[:, None])
    return (start, stop) if np.array_equal(told, seen) else None


def _weights(weights: Tensor, visible: Tensor | None, row: int) -> WeightsRecord:
    if weights.ndim != 4:
        raise AttnError(f"weights of a layer are (batch, head, query, key); given the shape {tuple(weights.shape)}")
    matrix = copied(weights[_place(row, weights.shape[0])][0])
    if visible is None:
        return WeightsRecord(matrix)
    mask = visible[row if visible.shape[0] > 1 else 0].cpu().numpy()
    return WeightsRecord(matrix, np.array(np.broadcast_to(mask, (len(mask), *matrix.shape[1:]))))
