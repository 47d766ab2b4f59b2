"""Traces of raw weight arrays: NumPy, torch (by its methods, never imported) or nested lists."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from attn_widgets.errors import AttnError
from attn_widgets.trace.blocks import Block, Kind
from attn_widgets.trace.records import WeightsRecord

AXES = {
    2: "query, key",
    3: "head, query, key",
    4: "layer, head, query, key",
    5: "layer, batch, head, query, key",
}


def blocks_from_arrays(
    weights: Any,
    tokens: Sequence[str] | None,
    key_tokens: Sequence[str] | None,
    batch: int | None,
    mask: Any,
    kind: Kind,
) -> list[Block]:
    """Make the blocks of `AttentionTrace.from_arrays`, which documents the parameters."""
    if kind not in ("decoder", "encoder", "cross"):
        raise AttnError(f"kind={kind!r} is none of 'decoder', 'encoder', 'cross'")
    if batch is not None and (isinstance(batch, bool) or not hasattr(batch, "__index__")):
        raise AttnError(f"batch must be a whole number, which member of the batch; given {reprlib.repr(batch)}")
    queries, keys = _texts(tokens, "tokens"), _texts(key_tokens, "key_tokens")
    blocks: list[Block] = []
    for layer, (matrix, seen) in enumerate(_layers(weights, mask, batch)):
        rows, columns = matrix.shape[1:]
        square = rows == columns
        row_tokens = queries or (keys if square else None) or _numbers(rows)
        column_tokens = keys or (queries if square else None) or _numbers(columns)
        _check_length(row_tokens, rows, "tokens", "query rows", square)
        _check_length(column_tokens, columns, "key_tokens", "keys", square)
        blocks.append(Block(kind, layer, row_tokens, column_tokens, WeightsRecord(matrix, seen)))
    return blocks


def _layers(
    weights: Any, mask: Any, batch: int | None
) -> list[tuple[Float[np.ndarray, "head query key"], Bool[np.ndarray, "mask_head query key"] | None]]:
    """Each layer's weights and mask as (head, query, key)."""
    if not _is_list_of_arrays(weights):
        whole = _array(weights, "weights")
        if not 2 <= whole.ndim <= 5:
            raise AttnError(f"weights have {whole.ndim} dimensions, {whole.shape}; 2 to 5 work: {AXES[5]}")
        seen = _mask(mask, whole.shape)
        whole = whole[(None,) * max(0, 4 - whole.ndim)]
        seen = None if seen is None else seen[(None,) * max(0, 4 - seen.ndim)]
        return [_layer(w, None if seen is None else seen[i], batch, "weights") for i, w in enumerate(whole)]
    masks = mask if _is_list_of_arrays(mask) else [mask] * len(weights)
    if len(masks) != len(weights):
        raise AttnError(f"mask is a list of {len(masks)}, weights of {len(weights)} layers; give as many")
    layers: list[tuple[np.ndarray, np.ndarray | None]] = []
    for i, (given, seen) in enumerate(zip(weights, masks, strict=True)):
        matrix = _array(given, f"weights[{i}]")
        if not 2 <= matrix.ndim <= 4:
            raise AttnError(f"weights[{i}] has the shape {matrix.shape}; a layer is (batch, head, query, key) or fewer")
        seen = _mask(seen, matrix.shape)
        lead = (None,) * max(0, 3 - matrix.ndim)
        layers.append(_layer(matrix[lead], None if seen is None else seen[lead], batch, f"weights[{i}]"))
    return layers


def _layer(
    matrix: np.ndarray, seen: np.ndarray | None, batch: int | None, name: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Pick the member of the batch; copies, so that a trace does not change with its source."""
    if matrix.ndim == 4:
        size = len(matrix)
        if batch is None and size > 1:
            raise AttnError(f"{name} holds a batch of {size}; give batch=0 to batch={size - 1}")
        if batch is not None and not -size <= batch < size:
            raise AttnError(f"batch={batch} does not exist; {name} holds a batch of {size}: 0 to {size - 1}")
        matrix, seen = matrix[batch or 0], None if seen is None else seen[batch or 0]
    elif batch:
        raise AttnError(f"batch={batch} was given, but {name} has no batch axis; leave it out")
    with np.errstate(all="ignore"):  # float64 beyond float32 becomes inf, as a cast does
        matrix = np.array(matrix, np.float16 if matrix.dtype == np.float16 else np.float32, order="C")
    if seen is not None and seen.strides[0] == 0:
        seen = seen[:1]  # one mask broadcast over the heads is kept once
    return matrix, None if seen is None else np.array(seen, order="C")


def _is_list_of_arrays(given: Any) -> bool:
    """Whether a list has an array (or None, as fused attention leaves) a layer, and not plain numbers."""
    if not isinstance(given, (list, tuple)):
        return False
    if not given:
        raise AttnError("weights are empty; transformers returns none unless attn_implementation='eager'")
    return any(item is None or hasattr(item, "shape") for item in given)


def _array(given: Any, name: str) -> np.ndarray:
    """As a NumPy array of numbers, whatever library it comes from."""
    if given is None:
        raise AttnError(f"{name} is None; load the model with attn_implementation='eager' to get attention weights")
    if hasattr(given, "detach"):
        given = given.detach().cpu()
        if str(given.dtype) in ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2"):
            given = given.float()  # NumPy has no such type
        given = given.numpy()
    try:
        array = np.asarray(given)
    except (ValueError, TypeError):
        raise AttnError(f"{name} has rows of unequal length; give an array, or a list of arrays, one a layer") from None
    if array.dtype.kind not in "biuf":
        raise AttnError(f"{name} holds {array.dtype} values; numbers work")
    if 0 in array.shape:
        raise AttnError(f"{name} holds nothing: its shape is {array.shape}")
    return array


def _mask(given: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Read a boolean mask, broadcast to the weights."""
    if given is None:
        return None
    mask = _array(given, "mask")
    if mask.dtype != bool:
        raise AttnError(f"mask holds {mask.dtype} values; give booleans, True where a row may see a key")
    try:
        return np.broadcast_to(mask, shape)
    except ValueError:
        raise AttnError(f"mask of the shape {mask.shape} does not broadcast to the weights' {shape}") from None


def _texts(given: Sequence[str] | None, name: str) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str):
        raise AttnError(f"{name} is one text; give a list with the text of each token")
    if not isinstance(given, Iterable):
        raise AttnError(f"{name} must be a list with the text of each token; given {reprlib.repr(given)}")
    for i, token in enumerate(given):
        if not isinstance(token, str):
            raise AttnError(f"{name}[{i}] is {token!r}; give texts")
    return tuple(map(str, given))


def _check_length(tokens: tuple[str, ...], size: int, name: str, what: str, square: bool) -> None:
    if len(tokens) != size:
        also = "" if square else "; rows and keys differ, so tokens= are the rows' and key_tokens= the keys'"
        raise AttnError(f"{len(tokens)} {name} given, but the weights have {size} {what}{also}")


def _numbers(size: int) -> tuple[str, ...]:
    return tuple(map(str, range(size)))
