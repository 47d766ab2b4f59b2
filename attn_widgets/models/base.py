"""What all trained models have in common, and all that read a source and write a target."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from attn_widgets.config import ModelConfig
from attn_widgets.models.roles import group_parameters, rows_of_stacks


class ModelOutput(NamedTuple):
    """What one pass gives.

    Attributes
    ----------
    logits
        Float[Tensor, "batch query vocab"]: unnormalised log-probabilities of the next token.
    records
        What attention left in each layer; None unless asked for.
    """

    logits: Tensor
    records: tuple[Any, ...] | None = None


class Model(nn.Module):
    """What an optimizer asks of every model here.

    Parameters
    ----------
    config
        Shape and options.
    vocab_size
        Number of token ids.
    """

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size

    def num_parameters(self) -> int:
        """Trained numbers; a tied head counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by their role (see ``group_parameters``)."""
        return group_parameters(self)

    def stacked_rows(self) -> dict[nn.Parameter, tuple[int, ...]]:
        """Rows of each map in the matrices that stack several (see ``rows_of_stacks``)."""
        return rows_of_stacks(self)


class SourceToTarget(Model):
    """Reads a source and writes a target, all at once in training and one token after the other in a search.

    A model of this kind brings ``encode``, which makes a memory, ``begin``, which makes the decoder's first state, and
    ``_read``, which reads target tokens on behind a state. Memory and state are tuples of tensors, the batch first.
    Source and target share one vocabulary and one embedding.
    """

    def forward(
        self,
        source: Int[Tensor, "batch source"],
        lengths: Int[Tensor, " batch"],
        target: Int[Tensor, "batch target"],
        *,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
    ) -> ModelOutput:
        """Logits of the token after every one of `target`: ``decode(encode(source, lengths), target)``."""
        memory = self.encode(source, lengths, record=record, ablate=ablate)
        return self.decode(memory, target, record=record, ablate=ablate)

    def encode(
        self,
        source: Int[Tensor, "batch source"],
        lengths: Int[Tensor, " batch"],
        *,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
    ) -> Any:
        """Read the source.

        Parameters
        ----------
        source
            Token ids.
        lengths
            Tokens of each source; what is behind does not matter.
        record
            Whether the memory brings the records of the encoder's attention; () where nothing attends there.
        ablate
            Heads (index of the record, head) whose context is set to zero; the encoder's matter here.

        Raises
        ------
        ConfigError
            For a head that is not there, or a source that the model cannot read.
        """
        raise NotImplementedError

    def decode(
        self,
        memory: Any,
        target: Int[Tensor, "batch target"],
        *,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
    ) -> ModelOutput:
        """Logits of the token after every one of `target`, which starts with the start token.

        Parameters
        ----------
        memory
            From ``encode``.
        target
            Token ids (teacher forcing).
        record
            Whether each attention leaves its record; those of `memory` come first, in the order of ``kinds``.
        ablate
            Heads (index of the record, head) whose context is set to zero; the encoder's were ``encode``'s.

        Raises
        ------
        ConfigError
            For a head that is not there, or a target longer than the context where positions end.
        """
        logits, records, _ = self._read(memory, self.begin(memory), target, record, ablate)
        return ModelOutput(logits, ((memory.records or ()) + tuple(records)) if record else None)

    def begin(self, memory: Any) -> Any:
        """State of the decoder before its first token."""
        raise NotImplementedError

    def decode_one(
        self, memory: Any, state: Any, ids: Int[Tensor, " batch"], *, ablate: Collection[tuple[int, int]] = ()
    ) -> tuple[Float[Tensor, "batch vocab"], Any]:
        """Read one more token of every target; logits of the next, and the state after it."""
        logits, _, state = self._read(memory, state, ids[:, None], False, ablate)
        return logits[:, 0], state

    def _read(
        self, memory: Any, state: Any, target: Tensor, record: bool, ablate: Collection[tuple[int, int]]
    ) -> tuple[Tensor, list[Any], Any]:
        """Logits (B, T, V), the records in the order of ``kinds``, and the state after `target`."""
        raise NotImplementedError
