"""How well a model masters a task: the share of right answers, by group, and what it looked at for them.

Every token of an answer is asked for behind the right tokens before it; an answer is right when all are, which is
exactly when greedy decoding gives it. So one pass over a test item decides. Where a question has several right answers,
as in parallel texts, the greedy one is written and compared with all of them. A token that the vocabulary lacks is
never right: ‹unknown› is no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attn_widgets.capture.reading import device_of, evaluating
from attn_widgets.generation.answers import AT_ONCE, greedy_answers
from attn_widgets.models import EncoderModel, LanguageModel, PairModel
from attn_widgets.text.batches import IGNORED, Batch
from attn_widgets.text.class_files import ClassFiles
from attn_widgets.text.lengths import halvings
from attn_widgets.text.metrics import by_group, exact_match
from attn_widgets.text.pair_files import PairFiles
from attn_widgets.text.rare import rare_spans
from attn_widgets.text.tasks import Item, Task
from attn_widgets.trace.names import head_name


@dataclass(frozen=True)
class TaskScore:
    """What came out of a task's test items.

    Attributes
    ----------
    task, metric
        Its name, and what `accuracy` is the share of: ``exact_match`` of whole answers (with any of the references,
        where a question has several), or ``token_accuracy`` of predicted tokens.
    accuracy, count
        Over all items, and how many there are.
    groups
        Accuracy of each group, in the order of the items.
    tokens
        Share of the predicted tokens that are right in each group, each behind the right tokens before it (those of
        the first reference).
    rare
        Share of the words that are right in all their tokens, of those that the training answers hold at most five
        times; None where there are none, as in a task of characters.
    misled
        Accuracy on the items with a misleading distractor; None where there are none.
    best_head
        The head that looks at the telling tokens most when the answer begins, such as ``L0H1``; '' without attention.
    on_keys, on_distractor
        Its mean weight on them, and on the misleading ones; None where there are none.
    """

    task: str
    metric: str
    accuracy: float
    count: int
    groups: dict[str, float]
    tokens: dict[str, float]
    rare: float | None = None
    misled: float | None = None
    best_head: str = ""
    on_keys: float | None = None
    on_distractor: float | None = None

    def __repr__(self) -> str:
        return format_score(self)


def format_score(score: TaskScore) -> str:
    """Lay a score out in lines of plain text."""
    what = "answers" if score.metric == "exact_match" else "predicted tokens"
    lines = [f"{score.task}: {score.accuracy:.3f} of the {what} right, {score.count} test items"]
    width = max(map(len, score.groups), default=0)
    if len(score.groups) > 1:
        lines += [f"  {group:<{width}}  {accuracy:.3f}" for group, accuracy in score.groups.items()]
    named = (("rare words", score.rare), ("misleading distractor", score.misled))
    lines += [f"  {name}: {value:.3f} right" for name, value in named if value is not None]
    if score.on_keys is not None:
        beside = "" if score.on_distractor is None else f", {score.on_distractor:.2f} on the distractor"
        lines.append(f"  {score.best_head} puts {score.on_keys:.2f} on what tells the answer{beside}")
    return "\n".join(lines)


@dataclass
class _Tally:
    """Counts over the items: right and asked tokens of each, and the weights of every head."""

    items: Sequence[Item]
    words: Mapping[int, Sequence[tuple[int, int]]]
    """Where the rare words of an item's target stand, see `rare_spans`."""
    shift: int
    joins: int | None
    """Tokens that a longer source is joined into (``--lengths convolve``); None where each has a column of its own."""
    right: np.ndarray = field(init=False)
    asked: np.ndarray = field(init=False)
    rare: list[int] = field(default_factory=lambda: [0, 0])
    on_keys: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    on_distractor: dict[tuple[int, int], list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.right, self.asked = np.zeros(len(self.items), int), np.zeros(len(self.items), int)

    def add(self, rows: np.ndarray, batch: Batch, hits: np.ndarray) -> None:
        asked = batch.targets != IGNORED
        self.right[rows], self.asked[rows] = (hits & asked).sum(1), asked.sum(1)

    def add_rare(self, rows: np.ndarray, starts: np.ndarray, batch: Batch, hits: np.ndarray) -> None:
        """Add the rare words of targets that begin at `starts`, but for what is given or did not fit."""
        for at, (row, start) in enumerate(zip(rows.tolist(), starts.tolist(), strict=True)):
            for first, stop in self.words.get(row, ()):
                places = slice(start + first, start + stop)
                if start + stop <= hits.shape[1] and (batch.targets[at, places] != IGNORED).all():
                    self.rare[0] += bool(hits[at, places].all())
                    self.rare[1] += 1

    def look(self, rows: np.ndarray, batch: Batch, layer: int, weights: Tensor) -> None:
        """Add the weights (B, H, Q, K) of one layer, in the row that predicts the first asked token."""
        first = (batch.targets != IGNORED).argmax(1)
        for at, row in enumerate(rows):
            item = self.items[row]
            size = 1 if self.joins is None else 1 << halvings(int(batch.inputs[1][at]), self.joins)
            for places, sums in ((item.keys, self.on_keys), (item.mislead, self.on_distractor)):
                if not places:
                    continue
                columns = sorted({(place + self.shift) // size for place in places})
                if max(columns) >= weights.shape[-1]:
                    continue
                for head, mass in enumerate(weights[at, :, first[at], columns].sum(-1).tolist()):
                    sums.setdefault((layer, head), []).append(mass)


def score_task(model: LanguageModel | PairModel | EncoderModel, files: PairFiles | ClassFiles, task: Task) -> TaskScore:
    """Score the test items of a task.

    Parameters
    ----------
    model
        In any mode; it is put back into it.
    files
        The task's ids, joined for a language model; texts and classes for a classifier.
    task
        Its items.
    """
    pairs = files if isinstance(files, PairFiles) else None
    words = {} if pairs is None else rare_spans(task, files.tokenizer, joined=files.joined)  # a class has no words
    joins = model.config.context if model.config.lengths == "convolve" else None
    tally = _Tally(task.test, words, 1 if files.joined else 0, joins)
    with evaluating(model), torch.inference_mode():
        for rows, batch in files.test_batches(model.config.context, AT_ONCE):
            _read(model, files, tally, rows, batch)
        written = None
        if pairs is not None and task.metric == "exact_match" and any(item.references for item in task.test):
            written = exact_match(greedy_answers(model, pairs, task), task.test)
    return _score(task, tally, written)


def _read(model: Any, files: PairFiles | ClassFiles, tally: _Tally, rows: np.ndarray, batch: Batch) -> None:
    """Add what one pass over some test items shows."""
    looks = any(item.keys for item in tally.items)
    inputs = (torch.from_numpy(array).to(device_of(model)) for array in batch.inputs)
    output = model(*inputs, record=looks)
    hits = output.logits.argmax(-1).cpu().numpy() == batch.targets
    if isinstance(files, PairFiles):
        hits &= batch.targets != files.tokenizer.unknown_id
        tally.add_rare(rows, files.starts(rows, model.config.context), batch, hits)
    tally.add(rows, batch, hits)
    for layer, (kind, record) in enumerate(zip(model.kinds(), output.records or (), strict=looks)):
        if kind != "encoder" and not (kind == "decoder" and not files.joined):
            tally.look(rows, batch, layer, _weights(record))


def _weights(record: Any) -> Tensor:
    weights: Tensor = record if isinstance(record, Tensor) else record.weights()
    return weights


def _score(task: Task, tally: _Tally, written: np.ndarray | None) -> TaskScore:
    """Put the score together; `written` tells (item,) which answers are right where writing them decides."""
    whole = task.metric == "exact_match"
    right = (tally.right == tally.asked).astype(int) if whole else tally.right
    right = right if written is None else written
    asked = np.ones_like(tally.asked) if whole else tally.asked
    groups = [item.group for item in task.test]
    misleading = np.array([bool(item.mislead) for item in task.test])
    found, on_keys, on_distractor = "", None, None
    if tally.on_keys:
        best = max(tally.on_keys, key=lambda head: float(np.mean(tally.on_keys[head])))
        found, on_keys = head_name(*best), float(np.mean(tally.on_keys[best]))
        if best in tally.on_distractor:
            on_distractor = float(np.mean(tally.on_distractor[best]))
    return TaskScore(
        task.name, task.metric, float(right.sum() / asked.sum()), len(groups), by_group(right, asked, groups),
        by_group(tally.right, tally.asked, groups), tally.rare[0] / tally.rare[1] if tally.rare[1] else None,
        float(right[misleading].sum() / asked[misleading].sum()) if misleading.any() else None,
        found, on_keys, on_distractor,
    )  # fmt: skip
