"""Tasks: generated questions, each one with exactly one right answer, and parallel texts.

Seeded and split so that no question of the test or validation part is trained on.
"""

from __future__ import annotations

from attn_widgets.errors import ConfigError
from attn_widgets.text.tasks import agreement, classify, dates, recall, strings
from attn_widgets.text.tasks.items import SEPARATOR, Item, Recipe, Task, make, pieces, rare_words
from attn_widgets.text.tasks.parallel import parallel_task, readable

RECIPES: dict[str, Recipe] = {
    "dates": dates.RECIPE,
    "reverse": strings.REVERSE,
    "copy": strings.COPY,
    "recall": recall.RECALL,
    "induction": recall.INDUCTION,
    "agreement": agreement.RECIPE,
    "classify": classify.RECIPE,
}
TASKS = tuple(RECIPES)

__all__ = ["SEPARATOR", "TASKS", "Item", "Task", "make_task", "parallel_task", "pieces", "rare_words", "readable"]


def make_task(name: str, seed: int = 0, size: int | None = None) -> Task:
    """Generate one of `TASKS`.

    Parameters
    ----------
    name
        Which one.
    seed
        Decides all items.
    size
        Number of training items (default: 20,000). The test and validation items do not depend on it.

    Raises
    ------
    ConfigError
        When there is no such task, or `size` is not positive.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no task {name!r}; try one of {', '.join(TASKS)}")
    recipe = RECIPES[name]
    if size is not None and size < 1:
        raise ConfigError(f"a task needs at least 1 training item; given size={size}; try size={recipe.size}")
    return make(name, recipe, seed, recipe.size if size is None else size)
