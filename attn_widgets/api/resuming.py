"""What may change when a run is resumed, and whether there is anything to do then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attn_widgets.config import TrainConfig
from attn_widgets.errors import ConfigError

if TYPE_CHECKING:
    from attn_widgets.run import Run


CHANGEABLE = ("steps", "minutes", "patience")
"""Options that a resumed run may be given anew."""


def changed(config: TrainConfig, given: Mapping[str, Any]) -> TrainConfig:
    """Options of a run with those that it is given anew."""
    if "steps" in given:
        config = replace(config, steps=given["steps"], minutes=None)
    if "minutes" in given:
        config = replace(config, minutes=given["minutes"])
    return replace(config, patience=given.get("patience", config.patience))


def check_goes_on(run: Run, config: TrainConfig) -> None:
    """Refuse to resume a run that would stop at once.

    Raises
    ------
    ConfigError
        When it has lost its patience, or has done as many steps already, which is fine only where nothing
        else was asked for.
    """
    from attn_widgets.training.checkpoint import pointers  # loads torch

    if not pointers(run.folder):
        return
    done, waited = len(run.history.train), run.history.since_best
    if config.minutes is None and config.steps <= done and config != run.train_config:
        raise ConfigError(
            f"--steps {config.steps}: run {run.name!r} has done {done} steps already; give --steps {2 * done}, say"
        )
    if 0 < config.patience <= waited and config.steps > done:
        raise ConfigError(
            f"--patience {config.patience}: run {run.name!r} has stopped, for its last {waited} validations were no "
            f"better; give --patience {2 * waited}, say, or 0 to go on to the end"
        )
