"""When things happen in a run: learning rate, validation, moments. Plain functions, no torch.

A run is measured by its share done, from 0 to 1: of its steps, or of its minutes. On resume the
share is of the new total, so that more ``--steps`` stretch the schedule from there on.
"""

from __future__ import annotations

from attn_widgets.config import TrainConfig

PARTS = 10  # validations in a run, unless the person says otherwise


def share_done(config: TrainConfig, step: int, seconds: float) -> float:
    """Share of the run that is done after `step` steps and `seconds`, at most 1."""
    if config.minutes is not None:
        return min(1.0, seconds / (60 * config.minutes))
    return min(1.0, step / config.steps)


def rate_factor(step: int, share: float, *, warmup: int, decay: float) -> float:
    """Learning rate of a step relative to its peak: linear up, flat, linear down to zero.

    Parameters
    ----------
    step
        Steps done before this one.
    share
        Share of the run done before this step.
    warmup
        Steps of the rise; the last of them has the full rate.
    decay
        Share of the run over which the rate falls.
    """
    up = (step + 1) / warmup if warmup else 1.0
    down = (1.0 - share) / decay if decay else 1.0
    return max(0.0, min(1.0, up, down))


def is_due(step: int, every: int | None, before: float, after: float) -> bool:
    """Whether something periodic happens after `step` steps.

    Parameters
    ----------
    every
        Steps between two times; None for every tenth of the run.
    before, after
        Share of the run done before and after the last step.
    """
    if every is not None:
        return step % every == 0
    # Shares are fractions of a whole number of steps: the nudge undoes their rounding.
    return int(before * PARTS + 1e-9) < int(after * PARTS + 1e-9)


def moment_steps(total: int, count: int) -> list[int]:
    """Choose at most `count` steps from 0 to `total`, logarithmically spaced, both ends among them.

    Examples
    --------
    >>> moment_steps(500, 8)
    [0, 1, 3, 8, 22, 63, 177, 500]
    """
    if count < 1:
        return []
    if count == 1:
        return [total]
    inner = (round(total ** (i / (count - 2))) for i in range(count - 1)) if count > 2 else (total,)
    return sorted({0, *inner})
