"""Prompt to tokens: one pass over the prompt, then one token at a time over cached keys and values.

Past the model's context: with rotary positions a token attends to the last `context` cached keys, which equals a pass
over the whole text under that band mask (not a new pass over the last tokens: deeper layers saw more). Other positions
end with the context: the older half of the text is let go and the rest is read again from position 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_widgets.config import GenerateConfig
from attn_widgets.errors import ConfigError, RunError
from attn_widgets.generation.plain import PlainReader
from attn_widgets.generation.recording import Choices, Recording
from attn_widgets.generation.sampling import choose_token, make_generator
from attn_widgets.generation.step import OneRow
from attn_widgets.generation.stopping import Deadline, Interrupt, StopReason, TextStream
from attn_widgets.models import KeyValueCache, LanguageModel, Transformer
from attn_widgets.trace.names import parse_head

PREFILL = 256
"""A longer prompt is read in pieces, so that no mask grows with its square."""


class Reader:
    """A model that reads a text on, token by token.

    Parameters
    ----------
    model
        In evaluation mode.
    ablate
        Heads (layer, head) that are switched off.
    record
        Whether queries and keys are kept for a trace.
    length
        Tokens to make room for at once.
    """

    def __init__(
        self, model: Transformer, *, ablate: Collection[tuple[int, int]] = (), record: bool = False, length: int = 0
    ) -> None:
        config = model.config
        self.model, self.ablate, self.context = model, ablate, config.context
        self.slides = config.positions == "rotary"
        self.device = model.embedding.weight.device
        self.piece = max(PREFILL, self.context)
        self.limit = self.piece + self.context if self.slides else self.context
        """Tokens in the cache at which older ones are let go."""
        self.cache = KeyValueCache(config, 1, min(max(length, 1), self.limit))
        self.recording = Recording(self.context, config.head_dim**-0.5) if record else None
        self.step = OneRow(model, ablate)
        self.choices = Choices()
        self.first = 0
        """Tokens at the start of the prompt that did not fit."""
        self.refills = 0
        self._kept: list[Tensor] = []  # what the cache holds, where positions end and it has to be read again

    def prefill(self, ids: Sequence[int]) -> Tensor:
        """Read the prompt; logits (V,) of the token after it."""
        if not self.slides and len(ids) > self.context:
            self.first = len(ids) - self.context
        rows = torch.tensor(ids[self.first :], device=self.device)
        logits = rows.new_empty(0)
        for piece in torch.split(rows, self.piece):
            self._trim()
            if len(logits):
                self._rows(logits)
            logits = self._read(piece, len(piece))
        self._rows(logits[:-1])
        return logits[-1]

    def decode_one_token(self, token: Tensor) -> Tensor:
        """Read one more token (1,); logits (V,) of the next."""
        if self.cache.length >= self.limit:
            self._trim()
            if not self.slides:
                kept = torch.cat([*self._kept, token])[-max(1, self.context // 2) :]
                self._kept = []
                return self._read(kept, 1)[-1]
        logits, queries = self.step(token, self.cache)
        if self.recording is not None:
            self.recording.add(queries)
        if not self.slides:
            self._kept.append(token)
        return logits

    def _read(self, ids: Tensor, new: int) -> Tensor:
        """Read `ids`, of which the last `new` are new to the recording; logits (Q, V)."""
        recording = self.recording
        output = self.model(ids[None], cache=self.cache, record=recording is not None, ablate=self.ablate)
        if recording is not None and output.records is not None:
            recording.add([record.query[:, :, -new:] for record in output.records])
        if not self.slides:
            self._kept.append(ids)
        logits: Tensor = output.logits[0]
        return logits

    def _rows(self, logits: Tensor) -> None:
        if self.recording is not None:
            self.choices.add_rows(logits)

    def _trim(self) -> None:
        """Make room in a full cache; the keys let go live on in the recording."""
        if self.cache.length < self.limit:
            return
        if self.recording is not None:
            self.recording.close(self.cache)
        if self.slides:
            self.cache.keep(self.context)
        else:
            self.cache = KeyValueCache(self.model.config, 1, self.context)
            self.refills += 1


@dataclass(frozen=True)
class Decoded:
    """Tokens that a model added to a prompt.

    Attributes
    ----------
    prompt_ids, ids
        Tokens given, and every token chosen, an end token and those of a stop string included.
    text
        The new text, cut before a stop string.
    choices
        Probabilities and entropies of `ids`, and the likeliest token after every recorded row.
    stop_reason
        ``length``, ``stop`` (a stop string), ``end`` (the end token), ``time`` or ``interrupted``.
    notes
        Lines for the person.
    recording
        What the trace is made of; its rows are the prompt (less what did not fit) and `ids`. None without a trace.
    seconds
        Wall time, the prompt included.
    """

    prompt_ids: list[int]
    ids: list[int]
    text: str
    choices: Choices
    stop_reason: StopReason
    notes: tuple[str, ...]
    recording: Recording | None
    seconds: float


def make_reader(
    model: LanguageModel, ablate: Collection[tuple[int, int]], *, record: bool, length: int
) -> Reader | PlainReader:
    """Choose the fast reader where the model is what it was made for."""
    if isinstance(model, Transformer) and model.config.attention == "scaled_dot":
        return Reader(model, ablate=ablate, record=record, length=length)
    return PlainReader(model, ablate=ablate)


def generate_tokens(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    config: GenerateConfig,
    *,
    end_id: int | None,
    decode: Callable[[Sequence[int]], str],
    joins: bool = True,
    on_text: Callable[[str], None] | None = None,
    trace: bool = True,
) -> Decoded:
    """Continue a prompt.

    Parameters
    ----------
    model
        In evaluation mode.
    prompt_ids
        At least one token.
    config
        How tokens are chosen, and when to stop.
    end_id
        The token that ends a text, unless ``config.ignore_end``.
    decode
        Ids to text.
    joins
        Whether the text continues the last word of the prompt; if not, it starts as `decode` starts a text.
    on_text
        Called with each increment of the text; together they are ``Decoded.text``.
    trace
        Whether to record the attention of every step.

    Raises
    ------
    ConfigError
        For a head that is not there, or an empty prompt.
    RunError
        When the logits are not finite.
    """
    prompt = [int(i) for i in prompt_ids]
    if not prompt:
        raise ConfigError("the prompt is empty and this tokenizer has no start token; give at least one character")
    started, context = time.perf_counter(), model.config.context
    length = len(prompt) + config.max_new_tokens + 1
    reader = make_reader(model, ablated_heads(config.ablate), record=trace, length=length)
    stream = TextStream(decode, prompt if joins else (), config.stop, on_text)
    with torch.inference_mode(), Interrupt() as interrupt:
        ids, reason = _loop(reader, prompt, config, None if config.ignore_end else end_id, stream, interrupt)
        notes = _notes(reader, len(prompt), context)
        if isinstance(reader, Reader) and reader.recording is not None:
            reader.choices.add_rows(reader.decode_one_token(torch.tensor(ids[-1:], device=reader.device))[None])
            reader.recording.close(reader.cache)
        reader.choices.flush()
    text = stream.close() if stream.listens else stream.text_of(ids)
    seconds = time.perf_counter() - started
    return Decoded(prompt, ids, text, reader.choices, reason, notes, reader.recording, seconds)


def _loop(
    reader: Reader | PlainReader,
    prompt: list[int],
    config: GenerateConfig,
    end: int | None,
    stream: TextStream,
    interrupt: Interrupt,
) -> tuple[list[int], StopReason]:
    deadline, generator = Deadline(config.minutes), make_generator(config.seed, reader.device)
    seen = torch.tensor(prompt, device=reader.device) if config.repetition_penalty != 1 else None
    ids: list[int] = []
    logits = reader.prefill(prompt)
    if not logits.isfinite().all():
        raise RunError("the model's logits are not finite, its weights are damaged or diverged; train it again")
    while True:
        token = choose_token(logits, config, generator, seen)
        reader.choices.add(logits, token)
        ids.append(int(token))
        if ids[-1] == end:
            return ids, "end"
        if stream.listens and stream.push(ids[-1]):
            return ids, "stop"
        if len(ids) >= config.max_new_tokens:
            return ids, "length"
        if interrupt.requested:
            return ids, "interrupted"
        if deadline.passed():
            return ids, "time"
        if seen is not None:
            seen = torch.cat((seen, token))
        logits = reader.decode_one_token(token)


def _notes(reader: Reader | PlainReader, prompt: int, context: int) -> tuple[str, ...]:
    """Say what did not fit."""
    notes: list[str] = []
    if prompt > context and reader.model.kinds():  # one that does not attend reads it as any other
        what = (
            f"each token sees the {context} before it at most"
            if reader.slides
            else f"only the last {context} were read"
        )
        notes.append(f"the prompt has {prompt} tokens, the model's context {context}: {what}")
    if reader.refills:
        positions = reader.model.config.positions
        times = "once" if reader.refills == 1 else f"{reader.refills} times"
        notes.append(
            f"{positions} positions end at the context of {context} tokens: the older half was dropped {times}; "
            "rotary positions go on"
        )
    return tuple(notes)


def ablated_heads(names: Sequence[str]) -> list[tuple[int, int]]:
    """Read names of heads such as ``L0H1``; the model checks that it has them."""
    return [parse_head(name) for name in names]
