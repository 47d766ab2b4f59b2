"""How well a model masters the skills of the ``sentences`` corpus, and which head does it.

An answer counts when every expected word is the likeliest one behind the right words before it, which is exactly when
greedy generation gives the whole answer; so one pass over prompt and answer decides. A head's weight is the mean, over
all rows where the skill needs it, of its weight on the words that tell the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from attn_widgets.capture.reading import device_of, evaluating
from attn_widgets.models import LanguageModel
from attn_widgets.text.sentences import SkillItem
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.trace.names import head_name

BATCH = 256
"""Items in one pass."""


@dataclass(frozen=True)
class SkillScore:
    """One row of the skill table.

    Attributes
    ----------
    skill
        Its name.
    accuracy
        Share of items whose whole answer is right.
    best_head
        The head that looks at the right words most, such as ``L0H1``; '' without attention.
    weight
        Mean weight of that head on them; 0 without attention.
    count
        Number of items.
    """

    skill: str
    accuracy: float
    best_head: str
    weight: float
    count: int


class SkillTable(tuple[SkillScore, ...]):
    """The skill table; prints as one."""

    def __repr__(self) -> str:
        return format_skills(self)

    def to_dicts(self) -> list[dict[str, Any]]:
        """As JSON-ready data."""
        return [asdict(score) for score in self]

    @classmethod
    def from_dicts(cls, rows: Sequence[dict[str, Any]]) -> SkillTable:
        """Undo `to_dicts`."""
        return cls(SkillScore(**row) for row in rows)


def format_skills(scores: Sequence[SkillScore]) -> str:
    """Align the scores in columns of plain text."""
    rows = [("skill", "accuracy", "head", "weight")]
    rows += [(score.skill, f"{score.accuracy:.3f}", score.best_head, f"{score.weight:.2f}") for score in scores]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        f"{skill:<{widths[0]}}  {accuracy:>{widths[1]}}  {head:<{widths[2]}}  {weight:>{widths[3]}}"
        for skill, accuracy, head, weight in rows
    )
    return "\n".join(lines)


def score_skills(
    model: LanguageModel, tokenizer: Tokenizer, items: Sequence[SkillItem], ablate: Collection[tuple[int, int]] = ()
) -> SkillTable:
    """Score every skill that `items` has.

    Parameters
    ----------
    model
        In any mode; it is put back into it.
    tokenizer
        A word tokenizer with a start token, so that words and tokens correspond.
    items
        Questions, of any order.
    ablate
        Heads (layer, head) that are switched off.

    Returns
    -------
    SkillTable
        One row a skill, in the order in which the skills appear.
    """
    skills = {item.skill: [other for other in items if other.skill == item.skill] for item in items}
    with evaluating(model), torch.inference_mode():
        return SkillTable(_score(model, tokenizer, skill, asked, ablate) for skill, asked in skills.items())


def _score(
    model: LanguageModel, tokenizer: Tokenizer, skill: str, items: list[SkillItem], ablate: Collection[tuple[int, int]]
) -> SkillScore:
    right, rows = 0, 0
    mass = torch.zeros(len(model.kinds()), model.config.heads, dtype=torch.float64)
    ordered = sorted(items, key=lambda item: len(item.prompt) + len(item.expected))  # similar lengths side by side
    for start in range(0, len(ordered), BATCH):
        batch = ordered[start : start + BATCH]
        ids, answer, keys = _lay_out(tokenizer, batch)
        output = model(ids.to(device_of(model)), record=True, ablate=ablate)
        hits = output.logits[:, :-1].argmax(-1).cpu() == ids[:, 1:]
        right += int((hits | ~answer[:, 1:]).all(1).sum())
        for layer, record in enumerate(output.records or ()):
            mass[layer] += torch.einsum("bhqk,bqk->h", record.weights().float().cpu(), keys.float())
        rows += int(keys.any(-1).sum())
    if not mass.numel():  # no attention
        return SkillScore(skill, right / len(items), "", 0.0, len(items))
    best = int(mass.argmax())
    head = divmod(best, model.config.heads)
    return SkillScore(skill, right / len(items), head_name(*head), float(mass[head]) / rows, len(items))


def _lay_out(tokenizer: Tokenizer, batch: list[SkillItem]) -> tuple[Tensor, Tensor, Tensor]:
    """Pad to the right, which causal attention never sees.

    Returns
    -------
    ids
        (B, T), each beginning with the start token.
    answer
        (B, T), True at the expected words.
    keys
        (B, T, T), True where a row should look.
    """
    texts = [tokenizer.encode_prompt(f"{item.prompt} {item.expected}") for item in batch]
    size = max(map(len, texts))
    ids = torch.zeros(len(batch), size, dtype=torch.long)
    answer, keys = torch.zeros(ids.shape, dtype=torch.bool), torch.zeros(*ids.shape, size, dtype=torch.bool)
    for row, (item, text) in enumerate(zip(batch, texts, strict=True)):
        start = len(text) - len(tokenizer.encode(item.expected))
        ids[row, : len(text)] = torch.from_numpy(text)
        answer[row, start : len(text)] = True
        shift = len(tokenizer.encode_prompt(""))
        for query, words in zip(item.queries, item.keys, strict=True):
            keys[row, query + shift, [word + shift for word in words]] = True
    return ids, answer, keys
