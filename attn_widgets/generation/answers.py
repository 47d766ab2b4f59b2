"""Greedy answers to the test items of a task, many at a time.

Where a question has several right answers no single pass over one of them decides: the answer has to be written.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from attn_widgets.capture.reading import device_of
from attn_widgets.generation.beam import translate
from attn_widgets.models import LanguageModel
from attn_widgets.text.pair_files import PairFiles
from attn_widgets.text.pairs import space_before
from attn_widgets.text.tasks import Task

AT_ONCE = 8192
"""Tokens and padding in one pass."""
Answers = dict[int, tuple[int, ...]]
"""Number of a test item → the tokens of its answer."""


def greedy_answers(model: Any, files: PairFiles, task: Task) -> list[str]:
    """Answer every test item, token by token, each time with the likeliest one.

    Parameters
    ----------
    model
        A language model, or one that reads a source and writes a target; in evaluation mode.
    files
        The task's ids, joined for a language model.
    task
        Its items; nothing of their answers is given.

    Returns
    -------
    list of str
        In the order of the items. One that does not end is cut when it is longer than every right answer.
    """
    tokenizer = files.tokenizer
    assert tokenizer.end_id is not None, "a task's tokenizer has an end token"
    space = space_before(task, files.joined)
    right = [space + text for item in task.test for text in item.references or (item.target,)]
    limit = 1 + max(map(len, tokenizer.encode_batch(right)))
    write = _continue_all if files.joined else _translate_all
    written = write(model, files, tokenizer.end_id, limit)
    return [tokenizer.decode(written[at]).removeprefix(space) for at in range(len(task.test))]


def _translate_all(model: Any, files: PairFiles, end: int, limit: int) -> Answers:
    device, found = device_of(model), Answers()
    for rows, batch in files.test_batches(model.config.context, AT_ONCE):
        source, lengths = (torch.from_numpy(array).to(device) for array in batch.inputs[:2])
        most = min(limit, model.config.context)
        written = translate(model, source, lengths, end_id=end, max_new_tokens=most)
        found |= {int(row): one.ids for row, one in zip(rows, written, strict=True)}
    return found


def _continue_all(model: Any, files: PairFiles, end: int, limit: int) -> Answers:
    """Continue prompts of one length side by side, so that nothing is padded."""
    device, context, found = device_of(model), model.config.context, Answers()
    alike: dict[int, list[int]] = defaultdict(list)
    prompts = files.prompts(context)
    for at, prompt in enumerate(prompts):
        alike[len(prompt)].append(at)
    for length, rows in alike.items():
        most = min(limit, context - length + 1)  # the last token is written and not read
        for some in np.array_split(rows, min(len(rows), -(-len(rows) * (length + most) // AT_ONCE))):
            ids = torch.from_numpy(np.stack([prompts[at] for at in some])).to(device)
            written = _continue(model, ids, end, most).tolist()
            found |= {int(at): _up_to(end, row) for at, row in zip(some, written, strict=True)}
    return found


def _continue(
    model: LanguageModel, prompts: Int[Tensor, "batch prompt"], end: int, most: int
) -> Int[Tensor, "batch new"]:
    """Write `most` tokens behind every prompt, or fewer when all have ended."""
    cache = model.new_cache(len(prompts)) if model.caches else None
    read, new, ended = prompts, prompts, prompts.new_zeros(len(prompts), dtype=torch.bool)
    for _ in range(most):
        output = model(read) if cache is None else model(new, cache=cache)
        new = output.logits[:, -1].argmax(-1, keepdim=True)  # (B, 1)
        read, ended = torch.cat((read, new), 1), ended | (new[:, 0] == end)
        if ended.all():
            break
    return read[:, prompts.shape[1] :]


def _up_to(end: int, ids: list[int]) -> tuple[int, ...]:
    return tuple(ids[: ids.index(end)] if end in ids else ids)
