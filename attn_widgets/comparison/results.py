"""What a cell of a comparison left on disk, read and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attn_widgets.comparison.grid import Cell
from attn_widgets.errors import RunError

Row = dict[str, Any]
MEASURED = ("parameters", "seconds", "train_tokens_per_second", "generate_tokens_per_second")
SOMETIMES = ("rare", "misled", "on_keys", "on_distractor")
"""Parts of a score that are None where a task does not ask for them."""


def read_result(folder: Path, cell: Cell) -> Row | None:
    """Read the result of a cell; None where it was not run yet.

    Raises
    ------
    RunError
        When its file is damaged, or of another cell.
    """
    path = folder / f"{cell.name}.json"
    try:
        found = checked(json.loads(path.read_bytes()))
        if Cell(*(found[name] for name in Cell._fields)) != cell:
            raise ValueError("it is of another cell")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}); delete it, and the same command runs its cell again") from error
    return found


def checked(found: Any) -> Row:
    """Check that something is the result of a cell, with all that the tables show.

    Raises
    ------
    ValueError
        That says what is missing.
    """
    if not isinstance(found, dict) or not {*Cell._fields} <= {*found}:
        raise ValueError("it names no cell")
    if isinstance(found.get("failed"), str):
        return found
    score = found.get("score")
    if not isinstance(score, dict):
        raise ValueError("it has no score")
    numbers = {name: found.get(name) for name in MEASURED} | {"accuracy": score.get("accuracy")}
    numbers |= {name: score.get(name, "") for name in SOMETIMES if score.get(name, "") is not None}
    for kind in ("groups", "tokens"):
        shares = score.get(kind)
        if not isinstance(shares, dict):
            raise ValueError(f"its score has no {kind}")
        numbers |= shares
    for name, value in numbers.items():
        if not isinstance(value, (int, float)):
            raise ValueError(f"its {name} is no number")
    return found
