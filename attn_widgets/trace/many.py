"""Traces of many texts by one model: a sequence of them, and their mean with its spread.

A mean is a trace like any other, whose records also say how many texts each cell is the mean
of, and how far they lie apart: averages hide.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32

from attn_widgets.errors import AttnError
from attn_widgets.trace.blocks import Block
from attn_widgets.trace.means import MeanRecord
from attn_widgets.trace.records import NOT_CAPTURED, VALUE, Record
from attn_widgets.trace.trace import AttentionTrace

Align = Literal["position"] | Sequence[Sequence[str | None]] | Any
"""How texts are laid upon each other: by position, or by labels, a list for each text."""

_FILE = "{:05d}.safetensors"


class Traces(Sequence[AttentionTrace]):
    """Traces of several texts, all of the same layers and heads.

    Parameters
    ----------
    traces
        At least one.

    Raises
    ------
    AttnError
        If there is none, or their layers, heads or kinds of attention differ.
    """

    def __init__(self, traces: Sequence[AttentionTrace | Any]) -> None:
        self._traces = tuple(traces)
        if not self._traces:
            raise AttnError("there are no traces; give at least one")
        for number, trace in enumerate(self._traces):
            if not isinstance(trace, AttentionTrace):
                raise AttnError(f"trace {number} is {reprlib.repr(trace)}; give AttentionTraces")
            if _shape(trace) != _shape(self._traces[0]):
                raise AttnError(f"trace {number} has other layers or heads than trace 0; give traces of one model")

    @overload
    def __getitem__(self, at: int) -> AttentionTrace: ...
    @overload
    def __getitem__(self, at: slice) -> Traces: ...
    def __getitem__(self, at: int | slice) -> AttentionTrace | Traces:
        """One trace, or several as `Traces`."""
        if isinstance(at, slice):
            return Traces(self._traces[at])
        try:
            return self._traces[at]
        except IndexError:
            raise IndexError(f"trace {at} does not exist; there are {len(self)}: 0 to {len(self) - 1}") from None

    def __len__(self) -> int:
        return len(self._traces)

    def __iter__(self) -> Iterator[AttentionTrace]:
        return iter(self._traces)

    def __repr__(self) -> str:
        first = self._traces[0]
        return f"Traces({len(self)} texts, layers={first.layers}, heads={first.heads})"

    def mean(self, align: Align = "position") -> AttentionTrace:
        """Mean weight of each head over the texts.

        Parameters
        ----------
        align
            ``"position"``: the first token of each text is one row, the second another. Or labels, a list
            for each text with a label for each token: tokens of the same label are averaged, those labelled
            None left out. Tokens that share a label within a text are averaged there first.

        Returns
        -------
        AttentionTrace
            Its rows and columns are positions, or labels in the order in which they are first seen; its ``meta``
            holds ``n``, the number of texts; `AttentionTrace.spread` and `AttentionTrace.counts` tell for each cell
            the standard deviation and how many texts have it. What is not in a text does not count there; a
            masked cell counts as 0, as in `AttentionTrace.mean`. All means are held, O(layer · head · query · key).

        Raises
        ------
        AttnError
            If labels do not fit the tokens.
        """
        blocks = []
        for number, block in enumerate(self._traces[0].blocks):
            of_texts = [trace.blocks[number] for trace in self._traces]
            rows, columns = _axes(of_texts, align)
            record = _mean_record([one.record for one in of_texts], rows, columns)
            blocks.append(Block(block.kind, block.layer, rows.tokens, columns.tokens, record))
        how = "position" if isinstance(align, str) else "labels"
        return AttentionTrace(blocks, None, {**self._shared_meta(), "n": len(self), "align": how})

    def _shared_meta(self) -> dict[str, str | int | float]:
        """Keep what is true of every text: the model, the run."""
        first, *others = (trace.meta for trace in self._traces)
        return {name: value for name, value in first.items() if all(meta.get(name) == value for meta in others)}

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write each trace as a ``.safetensors`` file of a new folder.

        Raises
        ------
        AttnError
            If the folder exists and is not empty, or cannot be made.
        """
        place = Path(folder)
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise AttnError(f"{place} is there already; give a new folder")
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AttnError(f"cannot make {place} ({error.strerror})") from None
        for number, trace in enumerate(self._traces):
            trace.save(place / _FILE.format(number))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Traces:
        """Read a folder that `save` wrote.

        Raises
        ------
        AttnError
            If it holds no traces, or one of them is missing or damaged.
        """
        files = sorted(Path(folder).glob("[0-9]*.safetensors"))
        if not files:
            raise AttnError(f"{folder} holds no traces; give a folder that traces.save wrote")
        for number, file in enumerate(files):
            if file.name != _FILE.format(number):
                raise AttnError(f"{folder} lacks {_FILE.format(number)}; save the traces again")
        return cls([AttentionTrace.load(file) for file in files])


def _shape(trace: AttentionTrace) -> list[tuple[str, int]]:
    return [(block.kind, block.record.heads) for block in trace.blocks]


class _Axis(NamedTuple):
    """The rows or columns of a mean, and for each text the one to which each of its tokens goes (-1: none)."""

    tokens: tuple[str, ...]
    places: list[Int[np.ndarray, " token"]]


def _axes(blocks: Sequence[Block], align: Align) -> tuple[_Axis, _Axis]:
    if isinstance(align, str):
        if align != "position":
            raise AttnError(f"align is 'position' or a list of labels for each text; given {align!r}")
        return _by_position([b.query_tokens for b in blocks]), _by_position([b.key_tokens for b in blocks])
    if len(align) != len(blocks):
        raise AttnError(f"{len(align)} lists of labels for {len(blocks)} texts; give one for each")
    rows: list[Sequence[Any]] = []
    columns: list[Sequence[Any]] = []
    for number, (block, labels) in enumerate(zip(blocks, align, strict=True)):
        queries, keys = len(block.query_tokens), len(block.key_tokens)
        if isinstance(labels, str) or len(labels) != keys:
            raise AttnError(f"text {number} has {keys} tokens, given {reprlib.repr(labels)}; give a label for each")
        if queries > keys or block.query_tokens != block.key_tokens[keys - queries :]:
            raise AttnError(
                f"layer {block.layer} reads other tokens than its rows are; only positions fit: align='position'"
            )
        columns.append(labels)
        rows.append(labels[keys - queries :])
    return _by_label(rows), _by_label(columns)


def _by_position(texts: Sequence[tuple[str, ...]]) -> _Axis:
    """Name a position by its token where all texts agree, else by its number."""
    longest = max(map(len, texts))
    seen = [{tokens[at] for tokens in texts if at < len(tokens)} for at in range(longest)]
    names = tuple(next(iter(tokens)) if len(tokens) == 1 else f"‹{at}›" for at, tokens in enumerate(seen))
    return _Axis(names, [np.arange(len(tokens)) for tokens in texts])


def _by_label(texts: Sequence[Sequence[Any]]) -> _Axis:
    names = [label for labels in texts for label in labels if label is not None]
    if strange := [label for label in names if not isinstance(label, str)]:
        raise AttnError(f"a label is a text, or None to leave a token out; given {reprlib.repr(strange[0])}")
    number = {label: at for at, label in enumerate(dict.fromkeys(names))}
    if not number:
        raise AttnError("every label is None; label at least one token")
    places = [np.array([-1 if label is None else number[label] for label in labels], np.int64) for labels in texts]
    return _Axis(tuple(number), places)


def _mean_record(records: Sequence[Record], rows: _Axis, columns: _Axis) -> MeanRecord:
    """Mean, standard deviation and number of texts of each cell of each head."""
    heads = [_mean_head(records, head, rows, columns) for head in range(records[0].heads)]
    mean, spread, counts, seen = (np.stack(arrays) for arrays in zip(*heads, strict=True))
    counts, seen = (one[:1] if (one == one[:1]).all() else one for one in (counts, seen))
    mask, known = (None if flags.all() else flags for flags in (seen, counts > 0))
    return MeanRecord(mean, mask, known, spread, counts)


class _Head(NamedTuple):
    """Of one head; `seen` is False where every text that has the cell masks it."""

    mean: Float32[np.ndarray, "query key"]
    spread: Float32[np.ndarray, "query key"]
    counts: Int32[np.ndarray, "query key"]
    seen: Bool[np.ndarray, "query key"]


def _mean_head(records: Sequence[Record], head: int, rows: _Axis, columns: _Axis) -> _Head:
    """Go through the texts once (Welford 1962), each giving one value to every cell that it has."""
    shape = len(rows.tokens), len(columns.tokens)
    size = shape[0] * shape[1]
    count, mean, squares, seen = np.zeros(size, np.int32), np.zeros(size), np.zeros(size), np.zeros(size, bool)
    for record, row, column in zip(records, rows.places, columns.places, strict=True):
        states = record.states(head)
        has = (states != NOT_CAPTURED) & (row >= 0)[:, None] & (column >= 0)
        cell = (row[:, None] * shape[1] + column)[has]
        many = np.bincount(cell, minlength=size)
        here = many > 0
        with np.errstate(invalid="ignore"):  # infinities give NaN, which is what a mean of them is
            value = np.bincount(cell, record.weights(head)[has].astype(np.float64), size)[here] / many[here]
            count[here] += 1
            off = value - mean[here]
            mean[here] += off / count[here]
            squares[here] += off * (value - mean[here])
        seen[cell[states[has] == VALUE]] = True
    spread = np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
    arrays = mean.astype(np.float32), spread.astype(np.float32), count, seen | (count == 0)
    return _Head(*(array.reshape(shape) for array in arrays))
