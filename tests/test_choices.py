"""Every choice of every option trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_widgets import api
from attn_widgets.config import READS_PAIRS, WIDER, ModelConfig, TrainConfig
from attn_widgets.flags import options
from tests.tiny import TINY, quick

pytestmark = pytest.mark.usefixtures("somewhere")

CHOICES = [
    (option.name, choice)
    for option in options((ModelConfig, TrainConfig)).values()
    for choice in option.choices
    if option.name not in ("mixed_precision", "attention")
]


@pytest.mark.parametrize(("name", "choice"), CHOICES)
def test_every_choice_trains(name: str, choice: str) -> None:
    chosen = {"model": "seq2seq"} if choice in WIDER else {}
    wanted: dict[str, Any] = {**TINY, **chosen, name: choice, "steps": 1}
    if wanted.get("model") in READS_PAIRS:
        run = api.train("reverse", show=False, **{**wanted, "context": 32})
    else:
        run = quick(**wanted)
    assert np.isfinite([*run.history.train, *run.history.validation][0].loss)
    assert choice in (getattr(run.model_config, name, None), getattr(run.train_config, name, None))
