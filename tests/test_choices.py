"""Every choice of every option trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_widgets import api
from attn_widgets.api.together import READ_IN, unread
from attn_widgets.config import READS_PAIRS, WIDER, ModelConfig, TrainConfig
from attn_widgets.flags import options
from tests.tiny import TEXT, TINY

pytestmark = pytest.mark.usefixtures("somewhere")

CHOICES = [
    (option.name, choice)
    for option in options((ModelConfig, TrainConfig)).values()
    for choice in option.choices
    if option.name not in ("mixed_precision", "attention")
]


@pytest.mark.parametrize(("name", "choice"), CHOICES)
def test_every_choice_trains(name: str, choice: str) -> None:
    model = "seq2seq" if choice in WIDER else READ_IN.get(name, ("transformer",))[0]
    wanted: dict[str, Any] = {**TINY, "model": model, name: choice, "steps": 1, "context": 32}
    left_out = unread(wanted)  # a model that counts has no layers, and no steps
    assert name not in left_out
    wanted = {option: value for option, value in wanted.items() if option not in left_out}
    if model in READS_PAIRS or choice in READS_PAIRS:
        run = api.train("reverse", show=False, **wanted)
    else:
        run = api.train(text=TEXT, show=False, **wanted)
    assert np.isfinite([*run.history.train, *run.history.validation][0].loss)
    assert choice in (getattr(run.model_config, name, None), getattr(run.train_config, name, None))
