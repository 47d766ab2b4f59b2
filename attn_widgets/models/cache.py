"""Keys and values of the tokens read so far, so that each is projected once."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from attn_widgets.config import ModelConfig


class KeyValueCache:
    """Rotated keys and values of every layer.

    Buffers are made at the first write, on the device and in the dtype of what is written, and
    doubled when full. No gradient flows through a cache. What was written is never overwritten, so that
    views taken by a record stay valid, also after ``keep`` or growth.

    Parameters
    ----------
    config
        The model's shape.
    batch
        Texts side by side, all of one length.
    capacity
        Tokens to make room for; the model's context when None.
    """

    def __init__(self, config: ModelConfig, batch: int = 1, capacity: int | None = None) -> None:
        self.position = 0
        """Position of the next token, counted from the start of the text."""
        self.length = 0
        """Tokens held; less than `position` once older ones were let go."""
        self._shape = (batch, config.key_value_heads, max(1, capacity or config.context), config.head_dim)
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []

    @property
    def capacity(self) -> int:
        """Tokens that fit before the buffers grow."""
        return self._keys[-1].shape[2] if self._keys else self._shape[2]

    def append(
        self, layer: int, key: Float[Tensor, "batch kv_head query dim"], value: Float[Tensor, "batch kv_head query dim"]
    ) -> tuple[Float[Tensor, "batch kv_head key dim"], Float[Tensor, "batch kv_head key dim"]]:
        """Write the new keys and values of one layer; return all of that layer, as views.

        ``advance`` ends the step once every layer has written, so that a step that was interrupted
        leaves the cache as it was.
        """
        stop = self.length + key.shape[2]
        if layer == len(self._keys):
            self._begin(key, value)
        if stop > self._keys[layer].shape[2]:
            self._grow(layer, stop)
        keys, values = self._keys[layer], self._values[layer]
        if torch.is_grad_enabled():
            key, value = key.detach(), value.detach()
        # narrow and copy_: assigning to a slice takes twice as long, in every layer of every token.
        keys.narrow(2, self.length, stop - self.length).copy_(key)
        values.narrow(2, self.length, stop - self.length).copy_(value)
        return keys.narrow(2, 0, stop), values.narrow(2, 0, stop)

    def advance(self, tokens: int) -> None:
        """Count the tokens that every layer has written."""
        self.position += tokens
        self.length += tokens

    def keep(self, last: int) -> None:
        """Let go of all but the last tokens; positions go on counting from the start of the text."""
        first = max(0, self.length - max(0, last))
        self._keys = [_moved(keys, first, self.length) for keys in self._keys]
        self._values = [_moved(values, first, self.length) for values in self._values]
        self.length -= first

    def keys(self, layer: int) -> Float[Tensor, "batch kv_head key dim"]:
        """Keys held of one layer, a view."""
        return self._keys[layer][:, :, : self.length]

    def _begin(self, key: Tensor, value: Tensor) -> None:
        with torch.inference_mode(False):  # so that one cache serves with and without inference mode
            self._keys.append(key.new_empty(self._shape))
            self._values.append(value.new_empty(self._shape))

    def _grow(self, layer: int, stop: int) -> None:
        capacity = max(stop, 2 * self._keys[layer].shape[2])
        self._keys[layer] = _moved(self._keys[layer], 0, self.length, capacity)
        self._values[layer] = _moved(self._values[layer], 0, self.length, capacity)


class SegmentMemory:
    """Keys and values of the segments before, which later segments read and no gradient enters.

    Dai et al. 2019, arXiv:1901.02860, section 3.2; those of the segment itself keep their gradient.
    """

    def __init__(self) -> None:
        self.position = 0
        """Position of the next token, counted from the start of the text."""
        self._held: dict[int, tuple[Tensor, Tensor]] = {}

    def append(
        self, layer: int, key: Float[Tensor, "batch kv_head query dim"], value: Float[Tensor, "batch kv_head query dim"]
    ) -> tuple[Float[Tensor, "batch kv_head key dim"], Float[Tensor, "batch kv_head key dim"]]:
        """Keys and values of one layer: the memory's, and behind them the new ones."""
        if layer in self._held:
            key, value = (torch.cat(both, 2) for both in zip(self._held[layer], (key, value), strict=True))
        self._held[layer] = key.detach(), value.detach()
        return key, value

    def advance(self, tokens: int) -> None:
        """Count the tokens that every layer has read."""
        self.position += tokens


def _moved(buffer: Tensor, start: int, stop: int, capacity: int | None = None) -> Tensor:
    """Copy to a new buffer that begins with the columns `start` to `stop` of the old one."""
    batch, heads, old, dim = buffer.shape
    with torch.inference_mode(False):
        new = buffer.new_empty(batch, heads, capacity or old, dim)
    new[:, :, : stop - start] = buffer[:, :, start:stop]
    return new
