"""A run of pairs is scored on the file that it was trained on, and on no other: what it learnt could be tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attn_widgets import api
from attn_widgets.errors import AttnError, RunError
from attn_widgets.run import Run
from attn_widgets.text.tasks import parallel_task
from tests.tiny import TINY

pytestmark = pytest.mark.usefixtures("somewhere")

LINES = [f"one {number} two\tun {number} deux" for number in range(40)]
PAIRS: dict[str, Any] = {**TINY, "show": False, "moments": 0}


@pytest.mark.parametrize("model", ["seq2seq", "encoder_decoder"])
def test_a_file_that_changed_is_refused_and_one_put_back_is_not(model: str) -> None:
    path = Path("pairs.tsv").absolute()
    path.write_text("\n".join(LINES))
    run = api.train(path, model=model, name="mine", **PAIRS)
    score = run.score()
    before = parallel_task(path)
    path.write_text("\n".join([*LINES, "one 40 two\tun 40 deux"]))
    assert {item.source for item in parallel_task(path).test} & {item.source for item in before.train}, "it leaks"
    with pytest.raises(RunError) as caught:
        Run.load("mine").score()
    assert str(caught.value) == (
        f"{path} does not hold the pairs any more that this run was trained on; put them back, or train again with "
        "--overwrite"
    )
    path.write_text("\n\n".join(LINES) + "\n")
    assert Run.load("mine").score() == score, "empty lines are no pairs"
    path.unlink()
    with pytest.raises(AttnError) as missing:
        Run.load("mine").score()
    assert str(path) in str(missing.value)
    assert "\n" not in str(missing.value)


def test_generated_tasks_cannot_change() -> None:
    run = api.train("reverse", model="seq2seq", **{**PAIRS, "context": 32})
    assert run.corpus.task_sum is None
    assert Run.load(run.folder).score().count == 1500
