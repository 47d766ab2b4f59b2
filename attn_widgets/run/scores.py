"""How well a run's model does what its corpus asks for: skills of the sentences, answers of a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attn_widgets.generation.skills import SkillTable, score_skills
from attn_widgets.generation.tasks import TaskScore, score_task
from attn_widgets.run.files import Description
from attn_widgets.text.class_files import encode_classes
from attn_widgets.text.corpus import open_task
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.sentences import skill_items
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.training.checkpoint import pointers
from attn_widgets.training.storage import write_file


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


def task_score(model: Any, described: Description) -> TaskScore:
    """Score the test items of the task that a run was trained on; long ones are read as in training, or cut."""
    corpus, config, tokenizer = described.corpus, described.model, described.tokenizer
    assert corpus.task_from is not None
    task, lengths = open_task(corpus.task_from), config.lengths if config.widens else "truncate"
    if config.model == "encoder":
        return score_task(model, encode_classes(task, corpus.labels, tokenizer, limit=1, lengths=lengths), task)
    files = encode_pairs(task, tokenizer, joined=not config.reads_pairs, limit=1, lengths=lengths)
    return score_task(model, files, task)
