"""The summary of a training asks for skills only where the model reads their longest item."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn_widgets import api
from attn_widgets.api.show import has_skills, summary
from attn_widgets.errors import RunError
from tests.tiny import TINY


@pytest.mark.parametrize(
    ("positions", "context", "told"),
    [
        ("learned", 8, False),
        ("learned", 28, False),
        ("sinusoidal", 28, False),
        ("learned", 29, True),
        ("rotary", 8, True),
    ],
)
def test_skills_are_told_where_their_longest_item_can_be_read(
    positions: str, context: int, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**TINY, "positions": positions, "context": context, "steps": 1, "moments": 0}
    run = api.train(runs=str(tmp_path / "attn_runs"), **options)
    assert has_skills(run) == told
    assert ("taste: accuracy" in capsys.readouterr().out) == told
    assert ("taste" in summary(run)) == told
    if not told:
        with pytest.raises(RunError, match=f"^the longest item .* has 29 tokens, and --positions {positions}"):
            run.skills()
