"""A transformer that sees a text from both sides and tells the tokens that were hidden (BERT, RoBERTa).

Devlin et al. 2018 (arXiv:1810.04805) and Liu et al. 2019 (arXiv:1907.11692), with the norm before each
sublayer and behind the last layer, as in all models here. What is hidden and asked for is decided by
``text.masking``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_widgets.attention import padding_mask
from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models.base import Model, ModelOutput
from attn_widgets.models.heads import heads_of_records
from attn_widgets.models.lengths import Halving, SlidRecord, make_windows
from attn_widgets.models.norms import make_norm
from attn_widgets.models.parts import drop, initialise
from attn_widgets.models.positions import Positions, Rotary
from attn_widgets.models.stack import EncoderLayer, Sight
from attn_widgets.trace.blocks import Kind


class Bidirectional(Model):
    """Layers in which every token sees every other, without a head: what an encoder with any head builds on.

    Parameters
    ----------
    config
        Shape and options.
    vocab_size
        Number of token ids; the mask token is one more.
    """

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        self.mask_id = vocab_size
        """Id of the mask token."""
        self.embedding = nn.Embedding(vocab_size + 1, config.dim)
        self.positions = Positions(config)
        self.rotary = (
            Rotary(config.head_dim, config.context, config.rope_theta) if config.positions == "rotary" else None
        )
        self.layers = nn.ModuleList(EncoderLayer(config, i) for i in range(config.layers))
        self.norm = make_norm(config)
        self.shorten = Halving(config.dim, config.context) if config.lengths == "convolve" else None
        initialise(self, 2 * config.layers)
        if self.shorten is not None:
            self.shorten.reset()
        if not config.tied:
            nn.init.normal_(self.embedding.weight, std=0.3)

    def states(
        self,
        ids: Int[Tensor, "batch query"],
        lengths: Int[Tensor, " batch"] | None,
        record: bool,
        ablated: Mapping[int, Int[Tensor, " head"]],
    ) -> tuple[Float[Tensor, "batch state dim"], list[Any], Bool[Tensor, "batch 1 1 state"] | None]:
        """Normed states of the last layer, the records (one a layer, none unless asked for), and which are of tokens.

        Under ``--lengths convolve`` a long text has fewer states than tokens; under ``slide`` it is read in windows.

        Parameters
        ----------
        ids, lengths, record
            As ``Encoder.forward`` takes them.
        ablated
            From ``heads_of_records``.
        """
        if not self.config.widens or ids.shape[1] <= self.config.context:
            return self._layers(self.embedding(ids), lengths, record, ablated)
        whole = lengths if lengths is not None else ids.new_full((len(ids),), ids.shape[1])
        if self.shorten is not None:
            shorter, fewer = self.shorten(self.embedding(ids), whole)
            return self._layers(shorter, fewer, record, ablated)
        windows = make_windows(whole, ids.shape[1], self.config.context)
        x, records, _ = self._layers(windows.cut(self.embedding(ids)), windows.lengths, record, ablated)
        slid = [SlidRecord(left, windows, whole) for left in records]
        return windows.join(x), slid, padding_mask(whole, ids.shape[1])

    def _layers(
        self, x: Tensor, lengths: Tensor | None, record: bool, ablated: Mapping[int, Tensor]
    ) -> tuple[Tensor, list[Any], Tensor | None]:
        """From embedded texts to normed states, the records, and the mask."""
        mask = None if lengths is None else padding_mask(lengths, x.shape[1])
        x = drop(self.positions(x), self.config.dropout, self.training)  # (B, Q, D)
        sight = Sight(None if self.rotary is None else self.rotary(0, x.shape[1], x.dtype), mask, record, ablated)
        records: list[Any] = []
        for layer in self.layers:
            x, left = layer(x, sight)
            records += left
        return self.norm(x), records, mask

    @property
    def ends_at_context(self) -> bool:
        """Whether a longer text cannot be read."""
        return not self.config.widens

    def kinds(self) -> tuple[Kind, ...]:
        """Name what each record is, in their order."""
        kind: Kind = "encoder"
        return (kind,) * self.config.layers


class Encoder(Bidirectional):
    """A masked language model: BERT's head is a map, GELU, a norm, and the tokens.

    Parameters
    ----------
    config
        Shape and options.
    vocab_size
        Number of token ids; the mask token, `mask_id`, is one more, which is read and never predicted.

    Raises
    ------
    ConfigError
        For ``--lengths convolve``, which leaves no state for a single token.
    """

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        if config.lengths == "convolve":
            raise ConfigError(
                "--lengths convolve joins tokens, and --model encoder has to tell each hidden one; try --lengths slide"
            )
        super().__init__(config, vocab_size)
        self.transform = nn.Linear(config.dim, config.dim, config.bias)
        self.transform_norm = make_norm(config)
        self.head = None if config.tied else nn.Linear(config.dim, vocab_size, bias=False)
        for linear in (self.transform, self.head):
            if linear is not None:
                initialise(linear, 1)

    def forward(
        self,
        ids: Int[Tensor, "batch query"],
        lengths: Int[Tensor, " batch"] | None = None,
        *,
        record: bool = False,
        ablate: Collection[tuple[int, int]] = (),
    ) -> ModelOutput:
        """Logits of the token *at* every position.

        Parameters
        ----------
        ids
            Token ids, `mask_id` where one is hidden.
        lengths
            Tokens of each text; what is behind does not matter. None: as long as `ids`.
        record
            Whether each layer leaves its record.
        ablate
            Heads (layer, head) whose context is set to zero.

        Raises
        ------
        ConfigError
            For a head that is not there, or a text longer than the context where positions end.
        """
        ablated = heads_of_records(ablate, self.config.layers, self.config.heads, ids.device)
        x, records, _ = self.states(ids, lengths, record, ablated)
        x = self.transform_norm(F.gelu(self.transform(x)))
        logits = F.linear(x, self.embedding.weight[: self.vocab_size]) if self.head is None else self.head(x)
        return ModelOutput(logits, tuple(records) if record else None)
