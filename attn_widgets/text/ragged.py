"""Rows of different lengths in one flat array, and padded batches of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Ragged:
    """Rows of integers, end to end.

    Parameters
    ----------
    rows
        Integer arrays (token,).

    Attributes
    ----------
    lengths
        int64 (row,).
    """

    def __init__(self, rows: Sequence[np.ndarray]) -> None:
        self.lengths = np.array([len(row) for row in rows], np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._values = np.concatenate([*rows, np.zeros(1)]).astype(np.int32)

    @property
    def values(self) -> np.ndarray:
        """All rows, end to end, int32."""
        return self._values[:-1]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> np.ndarray:
        return self._values[self._starts[row] : self._starts[row] + self.lengths[row]]

    def padded(
        self, rows: np.ndarray, kept: np.ndarray, fill: int, gap: tuple[np.ndarray, np.ndarray] | None = None
    ) -> np.ndarray:
        """Rows of one length.

        Parameters
        ----------
        rows
            Which ones (r,).
        kept
            Number of tokens to take of each (r,).
        fill
            What stands behind them, up to the longest.
        gap
            Where in each row tokens are left out, and how many: (r,), (r,).

        Returns
        -------
        ndarray
            int64 (r, longest).
        """
        columns = np.arange(kept.max(initial=0))
        places = self._starts[rows][:, None] + columns  # (r, longest)
        if gap is not None:
            places += gap[1][:, None] * (columns >= gap[0][:, None])
        real = columns < kept[:, None]
        return np.where(real, self._values[np.where(real, places, 0)], fill).astype(np.int64)
