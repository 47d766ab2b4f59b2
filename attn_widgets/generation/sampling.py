"""How the next token is drawn from the logits: pure functions, no model and no text.

The filters and their order are those of ``transformers``: repetition penalty, temperature, top-k, top-p, min-p. A
filtered token has logit ``-inf``. Every sampler owns its `torch.Generator`, so that generating inside a training run
never moves the global random state.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attn_widgets.config import GenerateConfig

_DROPPED = float("-inf")


def penalise_repetition(
    logits: Float[Tensor, "*batch vocab"], seen: Int[Tensor, "*batch token"], penalty: float
) -> Float[Tensor, "*batch vocab"]:
    """Make the tokens in `seen` less likely: positive logits divided by `penalty`, negative ones multiplied.

    A penalty below 1 makes them more likely. CTRL (Keskar et al. 2019), section 4.1.
    """
    there = logits.gather(-1, seen)
    return logits.scatter(-1, seen, torch.where(there < 0, there * penalty, there / penalty))


def apply_temperature(logits: Float[Tensor, "*batch vocab"], temperature: float) -> Float[Tensor, "*batch vocab"]:
    """Divide by `temperature`, above the largest logit, so that a temperature near zero stays finite."""
    return (logits - logits.amax(-1, keepdim=True)) / temperature


def keep_top_k(logits: Float[Tensor, "*batch vocab"], k: int) -> Float[Tensor, "*batch vocab"]:
    """Keep the `k` likeliest tokens (and ties with the last of them)."""
    smallest = logits.topk(min(k, logits.size(-1))).values[..., -1:]
    return logits.masked_fill(logits < smallest, _DROPPED)


def keep_top_p(logits: Float[Tensor, "*batch vocab"], p: float) -> Float[Tensor, "*batch vocab"]:
    """Keep the smallest set of likeliest tokens that holds probability `p`: nucleus sampling (Holtzman et al. 2019)."""
    ascending, order = logits.sort(-1)
    below = ascending.softmax(-1).cumsum(-1) <= 1 - p
    below[..., -1] = False  # the likeliest token always stays
    return logits.masked_fill(below.scatter(-1, order, below), _DROPPED)


def keep_min_p(logits: Float[Tensor, "*batch vocab"], p: float) -> Float[Tensor, "*batch vocab"]:
    """Keep tokens at least `p` times as likely as the likeliest one (Nguyen et al. 2024)."""
    probabilities = logits.softmax(-1)
    return logits.masked_fill(probabilities < p * probabilities.amax(-1, keepdim=True), _DROPPED)


def filter_logits(
    logits: Float[Tensor, "*batch vocab"], config: GenerateConfig, seen: Int[Tensor, "*batch token"] | None = None
) -> Float[Tensor, "*batch vocab"]:
    """Apply every filter of `config`, in the order of ``transformers``; what is left is sampled from.

    Parameters
    ----------
    logits
        The model's own logits.
    config
        Its `effective_temperature` of 0 (greedy) leaves all filters but the repetition penalty out.
    seen
        Ids of the prompt and of what was generated so far, for the repetition penalty.
    """
    if config.repetition_penalty != 1 and seen is not None:
        logits = penalise_repetition(logits, seen, config.repetition_penalty)
    if not config.effective_temperature:
        return logits
    logits = apply_temperature(logits, config.effective_temperature)
    if config.top_k is not None:
        logits = keep_top_k(logits, config.top_k)
    if config.top_p is not None and config.top_p < 1:
        logits = keep_top_p(logits, config.top_p)
    if config.min_p is not None:
        logits = keep_min_p(logits, config.min_p)
    return logits


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a random generator of its own."""
    return torch.Generator(device=device).manual_seed(seed)


def choose_token(
    logits: Float[Tensor, " vocab"],
    config: GenerateConfig,
    generator: torch.Generator,
    seen: Int[Tensor, " token"] | None = None,
) -> Int[Tensor, " one"]:
    """Take the likeliest token when greedy, else draw one from the filtered distribution; its id."""
    filtered = filter_logits(logits, config, seen)
    if not config.effective_temperature:
        return filtered.argmax(-1, keepdim=True)
    return torch.multinomial(filtered.softmax(-1), 1, generator=generator)
