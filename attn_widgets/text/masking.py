"""What a masked language model is asked: tokens are hidden, and it has to tell which they were."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from attn_widgets.errors import ConfigError
from attn_widgets.text.batches import IGNORED

SHARE = 0.15
"""Of the tokens that are asked for."""


def mask_tokens(
    ids: Int[np.ndarray, "row position"],
    mask_id: int,
    vocab_size: int,
    random: np.random.Generator,
    share: float = SHARE,
    maskable: Bool[np.ndarray, "row position"] | None = None,
) -> tuple[Int[np.ndarray, "row position"], Int[np.ndarray, "row position"]]:
    """Choose tokens to be predicted and hide most of them (Devlin et al. 2018, arXiv:1810.04805, section 3.1).

    Of the chosen tokens 80 % become the mask token, 10 % a random one and 10 % stay, so that a model
    cannot rely on seeing a mask where it is asked. They are drawn anew for every batch, as RoBERTa
    does (arXiv:1907.11692, section 4.1). In every row with a token to choose at least one is chosen:
    a text of five tokens would else often ask nothing.

    Parameters
    ----------
    ids
        Token ids; not changed.
    mask_id
        Id of the mask token.
    vocab_size
        A random token is one of the ids below it.
    random
        Nothing else decides what is hidden.
    share
        Probability with which a token is chosen.
    maskable
        True = may be chosen: a token and no padding. None: all.

    Returns
    -------
    inputs, targets
        int64; targets are the tokens that were chosen, `IGNORED` elsewhere.

    Raises
    ------
    ConfigError
        For a share that is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"share={share} of masked tokens must be above 0 and at most 1; try {SHARE}")
    draw, fate, other = random.random(ids.shape), random.random(ids.shape), random.integers(vocab_size, size=ids.shape)
    if maskable is not None:
        draw = np.where(maskable, draw, np.inf)
    least = draw.min(axis=1, keepdims=True, initial=np.inf)
    chosen = (draw < share) | ((draw == least) & np.isfinite(draw))
    ids = ids.astype(np.int64)  # files hold unsigned ids, which know no IGNORED
    inputs = np.where(chosen & (fate < 0.8), mask_id, ids)
    return np.where(chosen & (fate >= 0.9), other, inputs), np.where(chosen, ids, IGNORED)
