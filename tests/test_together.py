"""Options that nothing would read are refused before anything starts; a search reads what one of its choices does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attn_widgets import api
from attn_widgets.errors import ConfigError
from tests.tiny import TEXT, TINY, quick, refused

pytestmark = pytest.mark.usefixtures("somewhere")

NEITHER = ", and is not read without; add that or leave this out"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 8}, "--window 8 needs --attention sliding_window"),
        ({"window": 8, "attention": "lsh"}, "--window 8 needs --attention sliding_window"),
        ({"global_tokens": 1}, "--global-tokens 1 needs --attention sliding_window"),
        ({"segment": 8}, "--segment 8 needs --attention segment_memory"),
        ({"hashes": 2}, "--hashes 2 needs --attention lsh"),
        ({"chunk": 4, "search": {"attention": ["dot", "additive"]}}, "--chunk 4 needs --attention lsh"),
        ({"search": {"window": [4, 8]}}, "--window 4 needs --attention sliding_window"),
        ({"distill_weight": 0.3}, "--distill-weight 0.3 needs --teacher RUN"),
        ({"distill_temperature": 3.0}, "--distill-temperature 3.0 needs --teacher RUN"),
    ],
)
def test_what_nothing_reads(options: dict[str, Any], message: str) -> None:
    assert refused(ConfigError, **options) == message + NEITHER
    assert not Path("attn_runs").exists()


def test_what_something_reads() -> None:
    run = quick(window=4, search={"attention": ["dot", "sliding_window"]}, folds=2)
    assert run.model_config.window == 4
    quick(name="wise")
    assert quick(teacher="wise", distill_weight=0.3, name="student").train_config.distill_weight == 0.3
    resumed = api.train(text=TEXT, name="student", resume=True, show=False, distill_weight=0.3, steps=4)
    assert len(resumed.history.train) == 4


@pytest.mark.parametrize("options", [{}, {"model": "seq2seq"}, {"search": {"heads": [1, 2]}}])
def test_a_task_holds_out_what_it_holds_out(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        api.train("reverse", show=False, **{**TINY, "context": 32, "validation": 0.2, **options})
    assert str(caught.value) == (
        "--validation 0.2 cannot be chosen for reverse, whose questions and answers hold their own validation items; "
        "leave it out"
    )
    assert not Path("attn_runs").exists()
