"""Mechanisms that are functions of a person's own: what they have to do, tried on small tensors, and their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_widgets.attention.masks import padding_mask
from attn_widgets.errors import AttnError, ConfigError

PROMISE = (
    "a mechanism returns (context, record), its record weights (batch, head, query, key) or an object with a method "
    "weights()"
)
TRIED = (2, 3, 5, 4)
"""Batch, head, query and key, dim of the tensors that a function is tried on: no two are the same."""


class MatrixRecord(NamedTuple):
    """The weights themselves, O(T²): all that is known of a mechanism that returned them and nothing else.

    Attributes
    ----------
    matrix
        Float[Tensor, "batch head query key"].
    mask
        True = visible, broadcastable to the weights; None when no key is told to be hidden.
    """

    matrix: Tensor
    mask: Tensor | None = None

    def visible(self) -> Bool[Tensor, "#batch #head #query #key"] | None:
        """Where a query may see a key; None where every query sees every key."""
        return self.mask

    def weights(self) -> Float[Tensor, "batch head query key"]:
        """Attention weights of every head."""
        return self.matrix


def as_record(left: Any, name: str) -> Any:
    """Take what the mechanism `name` left beside the context for a record, weights as a ``MatrixRecord``.

    Raises
    ------
    AttnError
        If it is none: most likely a mechanism that always returns None.
    """
    if isinstance(left, Tensor):
        return MatrixRecord(left)
    if not hasattr(left, "weights"):
        raise AttnError(f"--attention {name} left {_told(left)} as its record, given record=True; {PROMISE}")
    return left


def try_mechanism(function: Callable[..., Any], name: str) -> None:
    """Call a function as a model will, causally and with a mask, and look at what it returns.

    No random number is drawn from torch's generator.

    Raises
    ------
    ConfigError
        When it takes other arguments, fails, or returns anything but a context and, where asked for, a record.
    """
    draw = torch.Generator().manual_seed(0)
    tensors = [torch.randn(TRIED, generator=draw) for _ in range(3)]
    padding = padding_mask(torch.tensor([TRIED[2], TRIED[2] - 2]), TRIED[2])
    for mask, causal in ((None, True), (padding, False)):
        for record in (False, True):
            asked = f"mask={None if mask is None else 'padding'}, causal={causal}, record={record}"
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                try:
                    returned = function(*tensors, mask=mask, causal=causal, window=None, dropout=0.0, record=record)
                    fault = _fault(returned, record)
                except Exception as error:
                    lines = str(error).splitlines()
                    raise ConfigError(
                        f"{name} cannot be a mechanism: given {asked}, it raised {type(error).__name__}"
                        f"{f': {lines[0]}' if lines else ''}; a mechanism takes query, key and value and, by keyword, "
                        "mask, causal, window, dropout and record"
                    ) from error
            if fault:
                raise ConfigError(f"{name} cannot be a mechanism: given {asked}, {fault}; {PROMISE}")


def _fault(returned: Any, record: bool) -> str:
    """Say what is wrong with what a function returned of the tensors it was tried on; nothing if all is well."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        return f"it returned {_told(returned)}"
    context, left = returned
    if not isinstance(context, Tensor) or context.shape != TRIED:
        return f"its context was {_told(context)}, not of the shape {TRIED} of the values"
    if not record:
        return ""
    if not isinstance(left, Tensor) and not hasattr(left, "weights"):
        return f"its record was {_told(left)}"
    weights = left if isinstance(left, Tensor) else left.weights()
    square = (*TRIED[:3], TRIED[2])
    if not isinstance(weights, Tensor) or weights.shape != square:
        return f"its weights were {_told(weights)}, not of the shape {square}"
    seen = left.visible() if hasattr(left, "visible") else None
    if seen is None or (isinstance(seen, Tensor) and seen.dtype == torch.bool and _spreads(seen.shape, square)):
        return ""
    return f"its record's visible() was {_told(seen)}, not a bool one that can be broadcast to {square}"


def _spreads(shape: Sequence[int], whole: Sequence[int]) -> bool:
    return len(shape) == len(whole) and all(size in (1, full) for size, full in zip(shape, whole, strict=True))


def _told(thing: Any) -> str:
    """Name a thing by what it is, a tensor by its shape."""
    if isinstance(thing, Tensor):
        return f"a {str(thing.dtype).removeprefix('torch.')} tensor of the shape {tuple(thing.shape)}"
    if isinstance(thing, tuple):
        return f"a tuple of {len(thing)}"
    return "None" if thing is None else f"a {type(thing).__name__}"
