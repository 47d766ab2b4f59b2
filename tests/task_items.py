"""What the tests of tasks share."""

from __future__ import annotations

import itertools

import pytest

from attn_widgets.errors import AttnError
from attn_widgets.text.tasks import Item, Task

PARTS = ("train", "validation", "test")


def all_items(task: Task) -> list[Item]:
    return [*task.train, *task.validation, *task.test]


def assert_disjoint(*parts: set[str]) -> None:
    for one, other in itertools.combinations(parts, 2):
        assert not one & other


def one_line(error: pytest.ExceptionInfo[AttnError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message
