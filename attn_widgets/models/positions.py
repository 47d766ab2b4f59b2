"""How positions enter: rotary tables for queries and keys, learned or sinusoidal vectors for embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError


def rotary_tables(
    length: int, dim: int, theta: float, *, device: torch.device | None = None
) -> tuple[Float[Tensor, "{length} 1 {dim}"], Float[Tensor, "{length} 1 {dim}"]]:
    """Make cosines and signed sines of the rotary angles (Su et al., arXiv:2104.09864, equation 34).

    Angle of position p and pair i is p · theta^(-2i/dim). Pairs are (i, i + dim/2), as in Llama, not
    neighbours. The sines of the first half are negative, so that rotating is
    ``x * cos + roll(x) * sin``. Computed in float32, as transformers does.

    Returns
    -------
    cos, sin
        With an axis of 1 for the heads.
    """
    rates = 1.0 / theta ** (torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim)
    angles = torch.arange(length, dtype=torch.float32, device=device)[:, None] * rates  # (T, dim / 2)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), -1)[:, None], torch.cat((-sin, sin), -1)[:, None]


def rotate(
    x: Float[Tensor, "batch query head dim"], cos: Float[Tensor, "query 1 dim"], sin: Float[Tensor, "query 1 dim"]
) -> Float[Tensor, "batch query head dim"]:
    """Rotate every pair (i, i + dim/2) by the angle of its position."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


class Rotary(nn.Module):
    """Rotary tables that grow as positions need them.

    They are non-persistent buffers: they follow the model to its device and dtype (made again there,
    so that a grown table equals one made at once) and are not saved.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, dim: int, length: int, theta: float) -> None:
        super().__init__()
        self.dim, self.theta = dim, theta
        cos, sin = rotary_tables(length, dim, theta)
        self.register_buffer("cos", cos.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("sin", sin.to(torch.get_default_dtype()), persistent=False)

    def forward(
        self, start: int, stop: int, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "query 1 dim"], Float[Tensor, "query 1 dim"]]:
        """Tables of the positions `start` to `stop` (exclusive)."""
        if stop > self.cos.shape[0]:
            self._make(max(stop, 2 * self.cos.shape[0]))
        cos, sin = self.cos[start:stop], self.sin[start:stop]
        return (cos, sin) if cos.dtype == dtype else (cos.to(dtype), sin.to(dtype))

    def _make(self, length: int) -> None:
        device, dtype = self.cos.device, self.cos.dtype
        # Not inference tensors, even when a table first grows while text is generated: training may need them.
        with torch.inference_mode(False):
            cos, sin = rotary_tables(length, self.dim, self.theta, device=device)
            self.cos, self.sin = cos.to(dtype), sin.to(dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        before = self.cos
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if (before.device, before.dtype) != (self.cos.device, self.cos.dtype):
            self._make(before.shape[0])
        return self


def sinusoidal_table(length: int, dim: int) -> Float[Tensor, "{length} {dim}"]:
    """Make fixed position vectors (Vaswani et al. 2017, section 3.5): even columns sin, odd columns cos."""
    rates = 10_000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * rates
    table = torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :dim]
    return table.to(torch.get_default_dtype())


def make_tables(
    config: ModelConfig, kind: str
) -> tuple[nn.Embedding | None, Float[Tensor, "{config.context} {config.dim}"] | None]:
    """Make the vectors of every position: an embedding where they are learned, a table where they are sinusoidal."""
    learned = nn.Embedding(config.context, config.dim) if kind == "learned" else None
    return learned, sinusoidal_table(config.context, config.dim) if kind == "sinusoidal" else None


def add_positions(
    x: Float[Tensor, "batch query dim"],
    learned: nn.Embedding | None,
    sinusoids: Float[Tensor, "context dim"] | None,
    start: int,
    kind: str,
) -> Float[Tensor, "batch query dim"]:
    """Add the vectors of the positions from `start` on; nothing where there are none (rotary ones come later).

    Raises
    ------
    ConfigError
        For a position beyond the context.
    """
    table = sinusoids if learned is None else learned.weight
    if table is None:
        return x
    stop, context = start + x.shape[1], len(table)
    if stop > context:
        raise ConfigError(
            f"{kind} positions end at --context {context}; given {stop} tokens; try --context {stop} or fewer tokens"
        )
    return x + table[start:stop]


class Positions(nn.Module):
    """Vectors added to embeddings to tell positions apart: learned, sinusoidal, or none for rotary ones.

    Parameters
    ----------
    config
        ``context`` is how many there are.
    kind
        ``config.positions`` when None.
    """

    sinusoids: Tensor | None

    def __init__(self, config: ModelConfig, kind: str | None = None) -> None:
        super().__init__()
        self.kind = kind or config.positions
        self.learned, sinusoids = make_tables(config, self.kind)
        self.register_buffer("sinusoids", sinusoids, persistent=False)

    def forward(self, x: Float[Tensor, "batch query dim"], start: int = 0) -> Float[Tensor, "batch query dim"]:
        """Add the vectors of the positions from `start` on (see ``add_positions``)."""
        return add_positions(x, self.learned, self.sinusoids, start, self.kind)
