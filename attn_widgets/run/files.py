"""What stands in a run's folder besides its checkpoints, read and written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from attn_widgets.config import ModelConfig, TrainConfig, flag_name
from attn_widgets.errors import AttnError, RunError
from attn_widgets.flags.options import checked, options
from attn_widgets.history import History
from attn_widgets.text.corpus import Corpus
from attn_widgets.text.tasks import TASKS, Task
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.training.checkpoint import FOLDER, pointers
from attn_widgets.training.storage import write_file

RUN, TOKENIZER = "run.json", "tokenizer.json"
VERSION = 1
Config = TypeVar("Config")


@dataclass(frozen=True)
class CorpusNote:
    """What a run remembers of its corpus; see `text.corpus.Corpus`.

    Attributes
    ----------
    task_sum
        SHA-256 over the items of a task that a file holds; None for generated ones, which nobody can change.
    """

    name: str
    source: str
    prompt: str
    floor: float | None
    grammar: str | None
    task_from: str | None = None
    pair: tuple[str, str] | None = None
    labels: tuple[str, ...] = ()
    between: str = ""
    task_sum: str | None = None

    @classmethod
    def of(cls, corpus: Corpus) -> CorpusNote:
        """Take from a corpus what is to be remembered."""
        in_file = corpus.task if corpus.task_from not in (None, *TASKS) else None
        return cls(
            corpus.name, corpus.source, corpus.prompt, corpus.floor, corpus.grammar, corpus.task_from, corpus.pair,
            corpus.labels, corpus.between,
            None if in_file is None else checksum(in_file),
        )  # fmt: skip


def checksum(task: Task) -> str:
    """SHA-256 over all items of a task, part by part."""
    parts = [[list(item) for item in part] for part in (task.train, task.validation, task.test)]
    return sha256(json.dumps(parts).encode()).hexdigest()


class Description(NamedTuple):
    """What a run is, its weights apart."""

    corpus: CorpusNote
    model: ModelConfig
    training: TrainConfig
    tokenizer: Tokenizer


def write_description(folder: Path, described: Description) -> None:
    """Write ``run.json``, and the tokenizer before it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = described.tokenizer.to_json().encode()
    write_file(folder / TOKENIZER, tokenizer)
    parts = {name: asdict(getattr(described, name)) for name in ("corpus", "model", "training")}
    rest = {"version": VERSION, "name": folder.name, **parts, "tokenizer_sha256": sha256(tokenizer).hexdigest()}
    data = json.dumps({**rest, "sha256": _digest(json.loads(json.dumps(rest)))}, indent=1, ensure_ascii=False)
    write_file(folder / RUN, data.encode("utf-8", "backslashreplace"))


def find_run(run: str | Path, runs: str | Path) -> Path:
    """Find the folder of a run, given itself or the run's name among `runs`."""
    for folder in (Path(run), Path(runs) / run):
        if (folder / RUN).is_file():
            return folder.absolute()
    names = sorted(path.parent.name for path in Path(runs).glob(f"[!.]*/{RUN}"))
    there = f"runs in {runs}: {', '.join(names)}" if names else f"there is no run in {runs} yet; train one"
    raise RunError(f"no run {str(run)!r}; {there}")


def read_description(folder: Path) -> Description:
    """Read and check what `write_description` wrote.

    Raises
    ------
    RunError
        When something is missing, damaged, or made by a newer version.
    """
    try:
        found = json.loads((folder / RUN).read_bytes())
        if found["version"] > VERSION:
            raise RunError(f"run {folder.name!r} is of a newer attn_widgets; update: pip install -U attn-widgets")
        model, training = _config(ModelConfig, found["model"]), _config(TrainConfig, found["training"])
        tokenizer = (folder / TOKENIZER).read_bytes()
        if sha256(tokenizer).hexdigest() != found["tokenizer_sha256"]:
            raise ValueError(f"{TOKENIZER} has changed")
        if found.pop("sha256") != _digest(found):
            raise ValueError(f"{RUN} has changed")
        return Description(CorpusNote(**found["corpus"]), model, training, Tokenizer.from_json(tokenizer.decode()))
    except RunError:
        raise
    except Exception as error:  # the tokenizers library raises bare Exception
        raise damaged(folder, error) from error


def _config(kind: type[Config], found: dict[str, Any]) -> Config:
    """Make a dataclass of options from JSON, whose types are checked as those of keywords are.

    The attention may be a function of the person's own, registered under its name.
    """
    known = options((kind,))
    values = {n: v if n == "attention" else checked(known[n], v, flag_name(n)) for n, v in found.items()}
    return kind(**values)


def _digest(found: dict[str, Any]) -> str:
    """SHA-256 over what a JSON file holds, however it is written down."""
    return sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def read_history(folder: Path) -> History:
    """Read the losses up to the last checkpoint."""
    try:
        state = json.loads((folder / FOLDER / pointers(folder)["last"] / "state.json").read_bytes())
        return History.from_dict(state["history"])
    except AttnError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, error) from error


def damaged(folder: Path, error: Exception) -> RunError:
    """One line on what is wrong in a run's folder, and what helps."""
    first = (str(error).splitlines() or [""])[0]
    return RunError(f"run {folder.name!r} is damaged ({type(error).__name__}: {first}); train again with --overwrite")
