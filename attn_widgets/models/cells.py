"""Layers of GRU or LSTM whose state is one tensor, the batch first."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attn_widgets.config import ModelConfig


class Recurrence(nn.Module):
    """GRU (Cho et al. 2014, arXiv:1406.1078) or LSTM (Hochreiter and Schmidhuber 1997) layers: torch's.

    The state is Float[Tensor, "batch layer state"]: a GRU's hidden state, or an LSTM's hidden and cell state side by
    side. Read in both directions there are two states a layer, forward and backward. The gates always have biases.

    Parameters
    ----------
    config
        ``cell``, ``layers``, ``dim``, ``dropout`` (between layers).
    inputs
        Width of the input.
    both_ways
        Whether every layer also reads backwards (Schuster and Paliwal 1997); outputs are then twice as wide.
    """

    def __init__(self, config: ModelConfig, inputs: int, *, both_ways: bool = False) -> None:
        super().__init__()
        self.dim, self.lstm = config.dim, config.cell == "lstm"
        self.gates = 4 if self.lstm else 3
        self.state_dim = 2 * config.dim if self.lstm else config.dim
        between = config.dropout if config.layers > 1 else 0.0  # torch warns where there is no between
        kind = nn.LSTM if self.lstm else nn.GRU
        self.cells = kind(
            inputs, config.dim, config.layers, batch_first=True, dropout=between, bidirectional=both_ways
        )  # fmt: skip
        self._initialise()

    def forward(
        self,
        x: Float[Tensor, "batch query inputs"],
        state: Float[Tensor, "batch layer state"] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch query outputs"], Float[Tensor, "batch layer state"]]:
        """Read a sequence.

        Parameters
        ----------
        x
            Inputs.
        state
            Where to start; zeros when None.
        lengths
            Where each sequence ends, at least 1; what is behind neither matters nor has an output other than zero.

        Returns
        -------
        outputs
            Hidden states of the last layer.
        state
            After the last input of each sequence.
        """
        if not x.is_cpu or not torch.is_autocast_enabled("cpu"):
            return self._read(x, state, lengths)
        # Under autocast the CPU's LSTM fails in training and its GRU is six times slower.
        with torch.autocast("cpu", enabled=False):
            return self._read(x.float(), None if state is None else state.float(), lengths)

    def _read(self, x: Tensor, state: Tensor | None, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        start = None if state is None else self._apart(state)
        if lengths is None:
            outputs, stop = self.cells(x, start)
            return outputs, self._together(stop)
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, stop = self.cells(packed, start)
        padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
        return padded, self._together(stop)

    def _together(self, states: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Turn torch's (layer, B, D), for an LSTM two of them, into one (B, layer, state)."""
        joined = states if isinstance(states, Tensor) else torch.cat(states, -1)
        return joined.transpose(0, 1)

    def _apart(self, state: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        states = state.transpose(0, 1)
        if not self.lstm:
            return states.contiguous()
        hidden, cell = states.chunk(2, -1)
        return hidden.contiguous(), cell.contiguous()

    def _initialise(self) -> None:
        """Glorot's input maps, orthogonal recurrent ones (Saxe et al. 2014), gate by gate; an LSTM's forget gate at 1.

        With that bias a cell remembers from the start (Jozefowicz et al. 2015); it stands second of the four gates.
        """
        for name, parameter in self.cells.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
                if self.lstm and "bias_ih" in name:
                    nn.init.ones_(parameter[self.dim : 2 * self.dim])
            else:
                for gate in parameter.chunk(self.gates):
                    (nn.init.orthogonal_ if "weight_hh" in name else nn.init.xavier_uniform_)(gate)
