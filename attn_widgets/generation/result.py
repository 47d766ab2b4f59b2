"""`Generation`: what a model wrote, how sure it was of each token, and what it looked at."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from attn_widgets.capture import generation_trace
from attn_widgets.errors import RunError
from attn_widgets.generation.decode import Decoded
from attn_widgets.generation.stopping import StopReason, split_text
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.trace import AttentionTrace, Predictions
from attn_widgets.trace.blocks import Meta


@dataclass(frozen=True, eq=False, repr=False)
class Generation:
    """A generated text.

    Attributes
    ----------
    prompt, text
        What was given, and what was added to it, cut before a stop string; ``prompt + text`` reads as one.
    ids, tokens
        Every token that was chosen, the end token and those of a stop string included.
    probabilities
        float32, of each token in `ids`, by the model's own distribution: before temperature and filters.
    entropies
        float32, nats, of the distribution that each token was chosen from, before temperature and filters.
    stop_reason
        ``length``, ``stop`` (a stop string), ``end`` (the end token), ``time``, ``interrupted``, or ``done`` where
        all that was asked is told: hidden tokens, a class.
    notes
        Lines for the person: unknown words of the prompt, tokens that did not fit.
    seconds
        Wall time, reading the prompt included.
    """

    prompt: str
    text: str
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    probabilities: np.ndarray
    entropies: np.ndarray
    stop_reason: StopReason
    notes: tuple[str, ...]
    seconds: float
    _decoded: Decoded = field(compare=False)
    _tokenizer: Tokenizer = field(compare=False)
    _meta: Callable[[], Meta] = field(compare=False)
    _retrace: Callable[[], AttentionTrace] | None = field(default=None, compare=False)
    _between: str = ""
    _spans: tuple[tuple[str, int | None], ...] | None = None
    """Pieces of `text`, each with the number of its token or None; None where the text is that of `ids` in order."""

    @property
    def tokens_per_second(self) -> float:
        """Tokens generated in a second, reading the prompt included."""
        return len(self.ids) / self.seconds

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        """Tokens that the model was given, the start token included."""
        return tuple(self._decoded.prompt_ids)

    @cached_property
    def trace(self) -> AttentionTrace:
        """What every head looked at in every step; made when first asked for.

        Rows are the tokens of the prompt (the last ones, where positions end and not all fit) and of the text, the
        last one included. Beside each stands the likeliest next token, which a sampled one need not be.
        """
        recording, choices = self._decoded.recording, self._decoded.choices
        if recording is None and self._retrace is not None:
            return self._retrace()
        if recording is None:
            raise RunError("this generation was made with trace=False; generate again without it")
        ids = [*self._decoded.prompt_ids, *self.ids]
        tokens = self._tokenizer.tokens(ids)[len(ids) - recording.rows :]
        tops = tuple(self._tokenizer.token(i) for i in choices.top_ids)
        predictions = Predictions(tops, np.array(choices.top_probabilities, np.float32))
        return generation_trace(recording.segments, tokens, predictions, self._meta())

    def __str__(self) -> str:
        return self.prompt + self._between + self.text

    def __repr__(self) -> str:
        shown = str(self) if len(str(self)) <= 72 else str(self)[:71] + "…"
        return f"Generation({shown!r}, tokens={len(self.ids)}, stop_reason={self.stop_reason!r})"

    def _repr_html_(self) -> str:
        pieces = self._spans
        if pieces is None:
            added = split_text(self._tokenizer.decode, self._context, self.ids)
            pieces = tuple((piece, at) for at, piece in enumerate(added))
        spans, left = [], len(self.text)
        for piece, at in pieces:
            shown, left = piece[:left], left - len(piece[:left])
            spans.append(self._span(html.escape(shown), at) if shown else "")
        notes = "".join(f'<div style="opacity:.7">{html.escape(note)}</div>' for note in self.notes)
        text = f'<span style="opacity:.7">{html.escape(self.prompt + self._between)}</span>{"".join(spans)}'
        return f'<div style="white-space:pre-wrap">{text}</div>{notes}'

    def _span(self, shown: str, at: int | None) -> str:
        """Underline a piece of the text as its token was likely."""
        if at is None:
            return f"<span>{shown}</span>"
        probability = self.probabilities[at]
        told = f"{self.tokens[at]}  p = {probability:.2f}, entropy {self.entropies[at]:.2f} nats"
        style = f"border-bottom:2px solid rgba(64,132,214,{probability:.2f})"
        return f'<span title="{html.escape(told)}" style="{style}">{shown}</span>'

    @property
    def _context(self) -> tuple[int, ...]:
        """What the text is joined to; see `generate_tokens`."""
        return self.prompt_ids if joins(self._tokenizer, self.prompt) else ()


class GenerationInterrupted(KeyboardInterrupt):
    """Generating was interrupted between two tokens; what is there is kept.

    A ``KeyboardInterrupt`` so that Run All stops, shown as one line.

    Attributes
    ----------
    generation
        The text so far, with its trace.
    """

    def __init__(self, generation: Generation) -> None:
        super().__init__(f"interrupted after {len(generation.ids)} tokens")
        self.generation = generation

    def _render_traceback_(self) -> list[str]:
        """Show one line in IPython instead of a traceback."""
        return [f"\x1b[33m{self}\x1b[0m"]


def joins(tokenizer: Tokenizer, prompt: str) -> bool:
    """Whether text has to bring the space between itself and the prompt: words do, unless the prompt ends in one."""
    return not (tokenizer.kind == "word" and prompt[-1:].isspace())
