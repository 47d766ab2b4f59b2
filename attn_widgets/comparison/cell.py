"""One cell of a comparison: a model trained on a task from a seed, scored, and timed."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from attn_widgets.comparison.grid import CONTENDERS, COURSES, Cell
from attn_widgets.config import GenerateConfig, ModelConfig, TrainConfig
from attn_widgets.errors import AttnError, ConfigError
from attn_widgets.generation.beam import translate
from attn_widgets.generation.decode import generate_tokens
from attn_widgets.generation.tasks import TaskScore, score_task
from attn_widgets.models import MODELS, NGram
from attn_widgets.models.template import Templates
from attn_widgets.text.corpus import task_corpus
from attn_widgets.text.metrics import score
from attn_widgets.text.pair_files import PairFiles
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.tasks import Task, make_task, pieces
from attn_widgets.text.tokenizers import Tokenizer, train_tokenizer
from attn_widgets.training import fit
from attn_widgets.training.counting import score_counts
from attn_widgets.training.storage import write_file

VOCABULARY = 4096
TIMED = 32
"""Sources that are answered to time generation."""


def work_alone() -> None:
    """Prepare a worker: one thread, and interrupts are its parent's to handle."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_cell(cell: Cell, folder: Path) -> dict[str, Any]:
    """Train, score and time a cell, and write its result into `folder`, whole or not at all.

    Returns
    -------
    dict
        JSON-ready: the cell, its `TaskScore`, number of parameters, seconds of training, tokens per second of training
        (predicted ones) and of generation. Of a cell that failed, for example because its loss was not finite: the
        cell, and the reason as ``failed``.
    """
    try:
        found = _measured(cell)
    except Exception as error:  # whatever it is, the other cells go on
        found = {"failed": _reason(error)}
    result = {**cell._asdict(), **found}
    write_file(folder / f"{cell.name}.json", json.dumps(result, indent=1).encode())
    return result


def _measured(cell: Cell) -> dict[str, Any]:
    task, options = make_task(cell.task), _options(cell)
    return _trained(cell, task, options) if options else _template(task)


def _reason(error: Exception) -> str:
    told = str(error) if isinstance(error, AttnError) else f"{type(error).__name__}: {error}"
    return " ".join(told.split())


def _options(cell: Cell) -> dict[str, Any]:
    contender, course = CONTENDERS[cell.contender], COURSES[cell.task]
    options = dict(contender.pairs if course.apart else contender.text)
    if options.get("model") == "transformer":
        options |= course.options
    return options | {"context": course.context} if options else {}


def _trained(cell: Cell, task: Task, options: dict[str, Any]) -> dict[str, Any]:
    course, config = COURSES[cell.task], ModelConfig(**options)
    corpus = task_corpus(task)
    tokenizer = train_tokenizer(corpus.tokenizer, corpus, VOCABULARY)
    files = encode_pairs(task, tokenizer, joined=not config.reads_pairs, limit=4000)
    torch.manual_seed(cell.seed)
    model = MODELS[config.model](config, tokenizer.vocab_size)
    began = time.perf_counter()
    if isinstance(model, NGram):
        score_counts(model, files)
        predicted = int(files.train.counts.sum())
    else:
        _fit(model, files, cell, course.batch)
        predicted = cell.steps * course.batch * files.tokens_per_row(course.context)
    seconds = time.perf_counter() - began
    model.eval()
    told = score_task(model, files, task)
    return {
        "score": asdict(told), "parameters": model.num_parameters(), "seconds": seconds,
        "train_tokens_per_second": predicted / seconds,
        "generate_tokens_per_second": _generation_speed(model, config, tokenizer, task),
    }  # fmt: skip


def _fit(model: Any, files: PairFiles, cell: Cell, batch: int) -> None:
    config = TrainConfig(
        steps=cell.steps, batch=batch, seed=cell.seed, moments=0, mixed_precision="no", validate_every=cell.steps
    )
    with TemporaryDirectory() as scratch:
        fit(model, files, config, folder=Path(scratch) / "run", report=lambda progress: None)


def _generation_speed(model: Any, config: ModelConfig, tokenizer: Tokenizer, task: Task) -> float:
    """Tokens per second, answers written one after the other, as a person would ask for them."""
    end, count, began = tokenizer.end_id, 0, time.perf_counter()
    assert end is not None
    longest = max(len(tokenizer.encode(item.target)) for item in task.test[:TIMED]) + 1
    for item in task.test[:TIMED]:
        if config.reads_pairs:
            source = torch.from_numpy(tokenizer.encode(item.source)).long()[None]
            lengths = torch.tensor([source.shape[1]])
            count += len(translate(model, source, lengths, end_id=end, max_new_tokens=longest)[0].ids)
            continue
        prompt = tokenizer.encode_prompt(task.joined(item.source)).tolist()
        wanted = GenerateConfig(max_new_tokens=longest, greedy=True)
        count += len(generate_tokens(model, prompt, wanted, end_id=end, decode=tokenizer.decode, trace=False).ids)
    return count / (time.perf_counter() - began)


def _template(task: Task) -> dict[str, Any]:
    """Fill the slots of the frames that the training texts show."""
    began = time.perf_counter()
    texts = [task.joined(item.source, item.target) for item in task.train]
    templates = _frames(texts)
    learnt = time.perf_counter() - began
    count = len(templates.frames) if templates else 0
    written = write_templates(templates, task)
    seconds = time.perf_counter() - began - learnt
    accuracy, groups = score(task, written)
    told = TaskScore(task.name, task.metric, accuracy, len(task.test), groups, {})
    return {
        "score": asdict(told), "parameters": count, "seconds": learnt,
        "train_tokens_per_second": count_tokens(task, [item.target for item in task.train]) / learnt,
        "generate_tokens_per_second": count_tokens(task, written) / seconds,
    }  # fmt: skip


def write_templates(templates: Templates | None, task: Task) -> list[str]:
    """Answer the test items of a task with templates; '' where none fits."""
    return _as_written(task, [_completed(templates, task.joined(item.source)) for item in task.test])


def count_tokens(task: Task, answers: Sequence[str]) -> int:
    """Tokens of answers, as the task counts them: none of the questions'."""
    return sum(len(pieces(text, task.tokenizer)) for text in answers if text)


def _frames(texts: Sequence[str]) -> Templates | None:
    with contextlib.suppress(ConfigError, ValueError):
        return Templates(texts)
    return None


def _completed(templates: Templates | None, prompt: str) -> str:
    if templates is None:
        return ""
    with contextlib.suppress(ConfigError):
        return templates.complete(prompt, greedy=True)
    return ""


def _as_written(task: Task, completed: Sequence[str]) -> list[str]:
    """Take what stands behind the separator; characters without the spaces that templates put between words."""
    answers = [text.partition("→")[2].strip() for text in completed]
    return [text.replace(" ", "") for text in answers] if task.tokenizer == "char" else answers
