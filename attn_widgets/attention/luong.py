"""Attention by plain and by bilinear products of queries and keys (Luong et al. 2015)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_widgets.attention.record import DotRecord, check_arguments, full_precision
from attn_widgets.attention.scaled_dot import scaled_dot


def dot(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    *,
    mask: Bool[Tensor, "#batch #head #query #key"] | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    record: bool = False,
) -> tuple[Float[Tensor, "batch head query value_dim"], DotRecord | None]:
    """softmax(Q Kᵀ) V of every head (Luong et al. 2015, arXiv:1508.04025, equation 8, "dot").

    ``scaled_dot`` with its `scale` 1 when None, as in the paper; everything else, errors too, is as there.
    """
    return scaled_dot(
        query, key, value, mask=mask, causal=causal, window=window,
        scale=1.0 if scale is None else scale, dropout=dropout, record=record,
    )  # fmt: skip


def general(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    *,
    weight: Float[Tensor, "head dim dim"],
    mask: Bool[Tensor, "#batch #head #query #key"] | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    record: bool = False,
) -> tuple[Float[Tensor, "batch head query value_dim"], DotRecord | None]:
    """softmax(Q W Kᵀ) V of every head (Luong et al. 2015, arXiv:1508.04025, equation 8, "general").

    Parameters
    ----------
    query, key, value
        Projected inputs; `kv_head` divides `head`.
    weight
        W of each query head (``general_weights``).
    mask, causal, window, dropout
        As in ``scaled_dot``.
    scale
        Factor on the scores; 1 when None, as in the paper.
    record
        Whether to return what is needed to compute the weights again.

    Returns
    -------
    context
        Weighted values, in the dtype of `value`.
    record
        Its queries are Q W, so that it is a record of plain products; None without `record`.

    Raises
    ------
    ConfigError
        As ``scaled_dot`` does.
    """
    check_arguments(query, key, causal, window)
    # Half precision is widened before the first product: rounded queries would move scores that nothing scales down.
    context, left = dot(
        full_precision(query) @ full_precision(weight), full_precision(key), full_precision(value),
        mask=mask, causal=causal, window=window, scale=scale, dropout=dropout, record=record,
    )  # fmt: skip
    return context.to(value.dtype), left


def general_weights(heads: int, dim: int) -> dict[str, Float[Tensor, "{heads} {dim} {dim}"]]:
    """Draw W of every head, uniform in ±√(3 / dim): scores begin with the variance that ``dot`` gives.

    The paper draws all parameters from ±0.1 (section 4.1), whatever the width.
    """
    return {"weight": torch.empty(heads, dim, dim).uniform_(-1, 1) * (3 / dim) ** 0.5}
