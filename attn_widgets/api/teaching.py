"""The run that teaches another one (``--teacher``): opened, and refused where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attn_widgets.api.plan import Plan
from attn_widgets.api.store import existing
from attn_widgets.capture import model_hash
from attn_widgets.errors import ConfigError, RunError
from attn_widgets.run import Run
from attn_widgets.training import is_main_process
from attn_widgets.training.storage import write_file

FILE = "teacher.txt"


def open_teacher(plans: Sequence[Plan], runs: str | Path) -> Any:
    """Return the model that a run is to imitate; None where there is none.

    Parameters
    ----------
    plans
        Of every configuration that is to be taught; one, unless several are searched.
    runs
        Where a name is looked for.

    Raises
    ------
    ConfigError, RunError
        One line, when there is no such run, or it reads or tells something else than a student.
    """
    name = plans[0].config.teacher
    if name is None:
        return None
    folder = Path(name) if (Path(name) / "run.json").is_file() else existing(runs, name, "--teacher")
    if folder.absolute() == plans[0].folder.absolute():
        raise ConfigError(f"--teacher {name} would be replaced by its own student; take another --name")
    teacher = Run.load(folder)
    for plan in plans:
        _check_teacher(teacher, name, plan)
    return teacher.model


def _check_teacher(teacher: Run, name: str, plan: Plan) -> None:
    """Refuse a teacher that reads or tells something else than one student."""
    student = plan.model_config
    if student.model == "ngram":
        raise ConfigError(f"--teacher {name} cannot teach --model ngram, which counts; leave one out")
    kind = teacher.model_config.model
    masked = "encoder" in (student.model, kind) and student.model != kind
    if masked or student.reads_pairs != teacher.model_config.reads_pairs:
        raise ConfigError(
            f"--teacher {name} is of --model {kind}, which reads other inputs than --model {student.model}; "
            f"try --model {kind}"
        )
    if student.model == "encoder" and tuple(teacher.corpus.labels) != plan.corpus.labels:
        raise ConfigError(
            f"--teacher {name} tells {'classes' if teacher.corpus.labels else 'hidden tokens'}, and this run does not; "
            "train both on the same corpus"
        )
    if teacher.tokenizer.to_json() != plan.tokenizer.to_json():
        raise ConfigError(
            f"--teacher {name} has other tokens than this run; "
            "train both on the same text with the same --tokenizer and --vocab-size"
        )
    learnt = teacher.model_config.context
    if student.context > learnt and kind != "ngram":
        raise ConfigError(
            f"--context {student.context} is more than --teacher {name} has learnt; try --context {learnt}"
        )


def remember_teacher(teacher: Any, plan: Plan, folder: Path) -> None:
    """Remember in the run's folder who teaches it, so that resuming with another one is refused.

    Raises
    ------
    RunError
        When the teacher has changed since the run began.
    """
    if teacher is None or not is_main_process():
        return
    now, path = model_hash(teacher), folder / FILE
    if not path.exists():
        write_file(path, now.encode())
    elif path.read_text() != now:
        raise RunError(
            f"--teacher {plan.config.teacher} is not what it was when run {folder.name!r} began; "
            "train anew with --overwrite"
        )
