"""How well a run's model does what its corpus asks for: skills of the sentences, answers of a task."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from attn_widgets.config import ModelConfig
from attn_widgets.errors import RunError
from attn_widgets.generation.skills import SkillTable, score_skills
from attn_widgets.generation.tasks import TaskScore, score_task
from attn_widgets.run.files import CorpusNote, Description, checksum
from attn_widgets.text.class_files import encode_classes
from attn_widgets.text.corpus import open_task
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.sentences import skill_items
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.training.checkpoint import pointers
from attn_widgets.training.storage import write_file


def missing_skills(corpus: CorpusNote, model: ModelConfig, tokenizer: Tokenizer) -> str:
    """Say in one line why a run cannot be asked for the skills of the sentences; '' when it can."""
    if model.model == "encoder":
        return "skills are told by what a model writes next, and --model encoder writes nothing; try another model"
    if corpus.grammar != "sentences":
        return f"skills are scored on the corpus 'sentences'; this run was trained on {corpus.name!r}"
    if tokenizer.kind != "word":
        return f"skills are scored in words, and this run reads --tokenizer {tokenizer.kind}; train with word tokens"
    if model.ends_at_context and model.context < longest_skill():
        return (
            f"the longest item of the skills has {longest_skill()} tokens, and --positions {model.positions} end at "
            f"--context {model.context}; train with --context {longest_skill()} or --positions rotary"
        )
    return ""


@cache
def longest_skill() -> int:
    """Tokens of the longest item, the start token among them."""
    return 1 + max(len(f"{item.prompt} {item.expected}".split()) for item in skill_items())


def kept_skills(folder: Path, model: Any, tokenizer: Tokenizer) -> SkillTable:
    """Read the skill table of a run's best checkpoint; scored and written where it is not there yet."""
    path, checkpoint = folder / "skills.json", pointers(folder)["best"]
    try:
        found = json.loads(path.read_bytes())
        if found["checkpoint"] == checkpoint:
            return SkillTable.from_dicts(found["scores"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # scored again below
    scores = score_skills(model, tokenizer, skill_items())
    write_file(path, json.dumps({"checkpoint": checkpoint, "scores": scores.to_dicts()}, indent=1).encode())
    return scores


def missing_score(corpus: CorpusNote, skills_missing: str) -> str:
    """Say in one line why a run cannot be scored on the test items of a task; '' when it can."""
    if corpus.task_from is not None:
        return ""
    works = "run.perplexity tells how well it predicts" if skills_missing else "try run.skills()"
    return f"this run was trained on {corpus.name!r}, which is no task; {works}"


def task_score(model: Any, described: Description) -> TaskScore:
    """Score the test items of the task that a run was trained on; long ones are read as in training, or cut.

    Raises
    ------
    RunError
        When the file of pairs is not what it was: what was trained on could stand among its test items.
    """
    corpus, config, tokenizer = described.corpus, described.model, described.tokenizer
    assert corpus.task_from is not None
    task, lengths = open_task(corpus.task_from), config.lengths if config.widens else "truncate"
    if corpus.task_sum not in (None, checksum(task)):
        raise RunError(
            f"{corpus.task_from} does not hold the pairs any more that this run was trained on; "
            "put them back, or train again with --overwrite"
        )
    if config.model == "encoder":
        return score_task(model, encode_classes(task, corpus.labels, tokenizer, limit=1, lengths=lengths), task)
    files = encode_pairs(task, tokenizer, joined=not config.reads_pairs, limit=1, lengths=lengths)
    return score_task(model, files, task)
