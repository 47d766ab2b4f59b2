"""Attention by a network over query and key side by side (Luong et al. 2015)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_widgets.attention.additive import AdditiveRecord, additive
from attn_widgets.attention.record import check_arguments, full_precision, widen


def concat(
    query: Float[Tensor, "batch head query dim"],
    key: Float[Tensor, "batch kv_head key dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    *,
    weight: Float[Tensor, "head dim 2*dim"],
    v: Float[Tensor, "head dim"],
    mask: Bool[Tensor, "#batch #head #query #key"] | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    record: bool = False,
) -> tuple[Float[Tensor, "batch head query value_dim"], AdditiveRecord | None]:
    """softmax(e) V with e_ij = vᵀ tanh(W [q_i; k_j]) (Luong et al. 2015, arXiv:1508.04025, equation 8, "concat").

    W [q; k] is W's left half times q plus its right half times k: each input is projected once, not
    once a pair, and the rest is ``additive`` without a bias.

    Parameters
    ----------
    query, key, value
        Inputs of every head; `kv_head` divides `head`.
    weight, v
        W and v of each query head (``concat_weights``).
    mask, causal, window, dropout
        As in ``additive``.
    scale
        Factor on the scores; 1 when None, as in the paper.
    record
        Whether to return what is needed to compute the weights again.

    Returns
    -------
    context
        Weighted values, in the dtype of `value`.
    record
        Of the projected inputs, keys for every query head (each has a W of its own); None without `record`.

    Raises
    ------
    ConfigError
        As ``additive`` does.
    """
    check_arguments(query, key, causal, window)
    heads, dim = query.shape[1], query.shape[3]
    columns = full_precision(weight).transpose(1, 2)  # (H, 2 d, d)
    query = full_precision(query) @ columns[:, :dim]
    key = widen(full_precision(key), heads) @ columns[:, dim:]
    return additive(
        query, key, widen(value, heads), v=v, b=torch.zeros_like(v), mask=mask, causal=causal, window=window,
        scale=scale, dropout=dropout, record=record,
    )  # fmt: skip


def concat_weights(heads: int, dim: int) -> dict[str, Float[Tensor, "{heads} ..."]]:
    """Draw W and v of every head, uniform in ±1/√(their inputs), as ``nn.Linear`` begins."""
    return {
        "weight": torch.empty(heads, dim, 2 * dim).uniform_(-1, 1) * (2 * dim) ** -0.5,
        "v": torch.empty(heads, dim).uniform_(-1, 1) * dim**-0.5,
    }
