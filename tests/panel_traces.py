"""Traces for the panels' tests, and a stand-in for the other end of a widget's comm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from attn_widgets.panels.base import Panel
from attn_widgets.trace import AttentionTrace, Predictions

WORDS = ("‹start›", "I", "love", "to", "eat", "pizza", "and", "drink", "beer", ".")


def causal_trace(layers: int = 2, heads: int = 4, tokens: tuple[str, ...] = WORDS, seed: int = 0) -> AttentionTrace:
    """Softmaxed random scores under a causal mask, with predictions; L1H3's 'drink' looks at 'pizza'."""
    count = len(tokens)
    scores = np.random.default_rng(seed).normal(size=(layers, heads, count, count), scale=2)
    if {"drink", "pizza"} <= set(tokens) and layers > 1 and heads > 3:
        scores[1, 3, tokens.index("drink"), tokens.index("pizza")] += 20
    mask = np.tril(np.ones((count, count), bool))
    weights = np.where(mask, np.exp(scores), 0)
    weights /= weights.sum(-1, keepdims=True)
    trace = AttentionTrace.from_arrays(weights.astype(np.float32), tokens=tokens, mask=mask)
    predictions = Predictions((*tokens[1:], "‹end›"), np.linspace(0.1, 1, count, dtype=np.float32))
    return AttentionTrace(trace.blocks, predictions, {})


def both_kinds(layers: int = 2, heads: int = 4) -> AttentionTrace:
    """Encoder, decoder and cross attention of an encoder-decoder that translates six words into seven."""
    source = ("I", "love", "to", "eat", "pizza", "‹end›")
    target = ("‹start›", "j'", "aime", "manger", "de", "la", "pizza")
    rng = np.random.default_rng(3)
    blocks = []
    for kind, rows, columns in (("encoder", source, source), ("decoder", target, target), ("cross", target, source)):
        mask = np.tril(np.ones((len(rows), len(columns)), bool)) if kind == "decoder" else None
        weights = np.exp(rng.normal(size=(layers, heads, len(rows), len(columns)), scale=2))
        weights = weights if mask is None else np.where(mask, weights, 0)
        weights = (weights / weights.sum(-1, keepdims=True)).astype(np.float32)
        made = AttentionTrace.from_arrays(weights, tokens=rows, key_tokens=columns, mask=mask, kind=kind)  # type: ignore[arg-type]
        blocks += [replace(block, layer=len(blocks) + i) for i, block in enumerate(made.blocks)]
    return AttentionTrace(tuple(blocks))


class Wire:
    """What a panel sends to its page, and what the page sends to it."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.states: list[dict[str, Any]] = []
        panel.comm.on_msg(None)
        panel.comm.send = self._take  # type: ignore[method-assign]

    def _take(self, data: dict[str, Any], *_: Any, buffers: Any = None, **__: Any) -> None:
        if data["method"] == "custom":
            self.sent.append((data["content"], list(buffers or [])))
        elif data["method"] == "update":
            self.states.append(data["state"])

    def ask(self, content: Any) -> tuple[dict[str, Any], list[bytes]] | None:
        """Send a custom message as the page would; returns the reply to it, if one came."""
        before = len(self.sent)
        self.panel._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
        return self.sent[-1] if len(self.sent) > before else None

    def set(self, **state: Any) -> None:
        """Set traits as the page would."""
        self.panel._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})
