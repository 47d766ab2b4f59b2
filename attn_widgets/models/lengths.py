"""Two ways to read a text that is longer than the context: in windows that slide over it, or shortened by convolution.

A window gives every token its own state, from the window in which it is most central; nothing is lost, but no state
knows of what is further away than the window reaches. A convolution joins neighbours until the text fits; every state
can know of everything, but single tokens are no longer told apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from attn_widgets.text.lengths import central_windows, halvings, window_starts


class Windows(NamedTuple):
    """Overlapping windows over a batch of texts, and which one speaks for each position.

    Attributes
    ----------
    places
        Int[Tensor, "window context"]: positions in the batch's texts laid end to end, 0 behind a text's end.
    lengths
        Int[Tensor, " window"]: tokens in each.
    source
        Int[Tensor, "batch position"]: where a position's state is among the states of all windows laid end to end.
    start
        Int[Tensor, "batch position"]: first position of the window that speaks for it.
    first, last
        Int[Tensor, " batch"]: each text's first and last window.
    """

    places: Tensor
    lengths: Tensor
    source: Tensor
    start: Tensor
    first: Tensor
    last: Tensor

    def cut(self, x: Shaped[Tensor, "batch position *rest"]) -> Shaped[Tensor, "window context *rest"]:
        """Cut texts (B, S, …) into the windows (W, context, …)."""
        return x.flatten(0, 1)[self.places]

    def join(self, states: Float[Tensor, "window context dim"]) -> Float[Tensor, "batch position dim"]:
        """Join the windows' states: of each position the one from the window in which it is most central."""
        return states.flatten(0, 1)[self.source]


def make_windows(lengths: Int[Tensor, " batch"], longest: int, context: int) -> Windows:
    """Lay windows over texts that were padded to `longest` tokens.

    Parameters
    ----------
    lengths
        Tokens of each text.
    longest
        To which they were padded.
    context
        Tokens of a window.
    """
    places: list[np.ndarray] = []
    sizes, first, last = [], [], []
    source, start = np.zeros((2, len(lengths), longest), np.int64)
    wide = np.arange(context)
    for row, length in enumerate(lengths.tolist()):
        starts = window_starts(length, context)
        first.append(len(places))
        of = central_windows(starts, length, context)
        source[row, :length] = (len(places) + of) * context + np.arange(length) - starts[of]
        start[row, :length] = starts[of]
        for at in starts:
            places.append(np.where(at + wide < length, row * longest + at + wide, 0))
            sizes.append(min(context, length - at))
        last.append(len(places) - 1)
    arrays = (np.stack(places), np.array(sizes), source, start, np.array(first), np.array(last))
    return Windows(*(torch.from_numpy(array.astype(np.int64)).to(lengths.device) for array in arrays))


class SlidRecord(NamedTuple):
    """Attention within windows, as of the whole text: each row is that of the window that speaks for its position.

    Attributes
    ----------
    inner
        What the mechanism left for all windows side by side.
    windows
        Which they are.
    lengths
        Int[Tensor, " batch"]: tokens of each text.
    """

    inner: Any
    windows: Windows
    lengths: Tensor

    def weights(self) -> Float[Tensor, "batch head query key"]:
        """Weights; 0 outside a row's window."""
        inner: Tensor = self.inner.weights()  # (W, H, context, context)
        rows = inner.transpose(1, 2).flatten(0, 1)[self.windows.source].transpose(1, 2)  # (B, H, S, context)
        batch, heads, longest, context = rows.shape
        wide = rows.new_zeros(batch, heads, longest, longest + context)
        columns = self.windows.start[:, None, :, None] + torch.arange(context, device=rows.device)
        wide.scatter_(3, columns.expand(batch, heads, -1, -1), rows)
        return wide[..., :longest] * self.visible()

    def visible(self) -> Bool[Tensor, "batch 1 query key"]:
        """Tell what a row's window holds, and no padding."""
        longest, context = self.windows.source.shape[1], self.windows.places.shape[1]
        key, start = torch.arange(longest, device=self.lengths.device), self.windows.start[:, :, None]
        rows = (key < self.lengths[:, None])[:, :, None]
        seen: Tensor = (key >= start) & (key < start + context) & (key < self.lengths[:, None, None]) & rows
        return seen[:, None]


class Halving(nn.Module):
    """A convolution of width and stride 2, applied as often as it takes for a text to fit into the context.

    It begins as the sum of both neighbours over √2, which keeps the variance, plus a little noise that tells left from
    right. A text that fits is left as it is, whatever else is in the batch.

    Parameters
    ----------
    dim
        Width of the embeddings.
    context
        What a text has to fit into.
    """

    def __init__(self, dim: int, context: int) -> None:
        super().__init__()
        self.context = context
        self.join = nn.Linear(2 * dim, dim, bias=False)
        self.reset()

    def reset(self) -> None:
        """Initialise the kernel."""
        dim = self.join.out_features
        nn.init.normal_(self.join.weight, std=0.1 * dim**-0.5)
        with torch.no_grad():
            self.join.weight.add_(torch.eye(dim).repeat(1, 2) * 0.5**0.5)

    def forward(
        self, x: Float[Tensor, "batch position dim"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch joined dim"], Int[Tensor, " batch"]]:
        """Shorten embedded texts; what stands behind their ends does not matter.

        Returns
        -------
        x, lengths
            The shortened texts, at most `context` wide, and how long they are.
        """
        times = torch.tensor([halvings(length, self.context) for length in lengths.tolist()], device=lengths.device)
        for step in range(int(times.max())):
            inside = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
            padded = F.pad(x.masked_fill(~inside[..., None], 0.0), (0, 0, 0, x.shape[1] % 2))
            joined = self.join(padded.reshape(len(x), -1, 2 * x.shape[2]))  # (B, ⌈S / 2⌉, D)
            long = times > step
            kept = F.pad(joined, (0, 0, 0, x.shape[1] - joined.shape[1]))
            x = torch.where(long[:, None, None], kept, x)
            lengths = torch.where(long, (lengths + 1) // 2, lengths)
        return x[:, : int(lengths.max())], lengths
