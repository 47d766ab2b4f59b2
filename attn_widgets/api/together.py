"""Which options can be given together: none that excludes another, and none that nothing would read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from attn_widgets.config import MECHANISMS_OF, ROTATES, ModelConfig, TrainConfig, flag_name
from attn_widgets.errors import ConfigError

READ_BY = {
    "window": ("attention", "sliding_window"),
    "global_tokens": ("attention", "sliding_window"),
    "hashes": ("attention", "lsh"),
    "chunk": ("attention", "lsh"),
    "segment": ("attention", "segment_memory"),
    "rope_theta": ("positions", "rotary"),
    "embedding_rate": ("optimizer", "muon"),
    "distill_weight": ("teacher", None),
    "distill_temperature": ("teacher", None),
}
"""Option → another one, and the value that it must have (None: any) for the first to be read."""

CELLS = ("recurrent", "seq2seq")
TRAINED = tuple(model for model in MECHANISMS_OF if model != "ngram")
COUNTED = ("tokenizer", "vocab_size", "validation", "validation_tokens", "seed", "teacher", *READ_BY)
"""Options of training that counting reads too, or that have a refusal of their own."""

READ_IN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("norm", "norm_eps", "qk_norm", "mlp", "hidden", "rope_theta"), ROTATES),
    "positions": (*ROTATES, "convseq2seq"),
    "bias": (*ROTATES, *CELLS),
    "cell": CELLS,
    "kernel": ("convseq2seq",),
    "order": ("ngram",),
    **dict.fromkeys(("layers", "heads", "kv_heads", "dim", "attention", "tied", "dropout", "embedding_rate"), TRAINED),
    **dict.fromkeys((f.name for f in fields(TrainConfig) if f.name not in COUNTED), TRAINED),
}
"""Option → the models that read it, where not all do."""

DEFAULTS = {f.name: f.default for config in (ModelConfig, TrainConfig) for f in fields(config)}


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse options that exclude each other."""
    if given.get("minutes") is not None and "steps" in given:
        raise ConfigError(f"--steps {given['steps']} and --minutes {given['minutes']:g} exclude each other; give one")


def check_read(choices: Sequence[Mapping[str, Any]]) -> None:
    """Refuse an option that is given and read in none of some configurations.

    Parameters
    ----------
    choices
        The options of each, as they were given.

    Raises
    ------
    ConfigError
        One line that names what it goes with.
    """
    for name in _unread_by_models(choices):
        models = dict.fromkeys(_value(choice, "model") for choice in choices)
        raise ConfigError(
            f"{_told(name, choices)} does not work with --model {' or '.join(models)}; it does with "
            f"{', '.join(READ_IN[name])}"
        )
    for name in _unread_by_others(choices):
        other, wanted = READ_BY[name]
        raise ConfigError(
            f"{_told(name, choices)} needs {flag_name(other)} {wanted or 'RUN'}, and is not read without; "
            "add that or leave this out"
        )


def unread(options: Mapping[str, Any]) -> set[str]:
    """Options of one configuration that nothing reads."""
    return {*_unread_by_models([options]), *_unread_by_others([options])}


def _unread_by_models(choices: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for name, models in READ_IN.items():
        asking = [choice for choice in choices if _asks(choice.get(name))]
        if asking and not any(_value(choice, "model") in models for choice in asking):
            yield name


def _unread_by_others(choices: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for name, (other, wanted) in READ_BY.items():
        values = [_value(choice, other) for choice in choices]
        read = any(value is not None and wanted in (None, value) for value in values)
        if not read and any(choice.get(name) is not None for choice in choices):
            yield name


def _asks(value: Any) -> bool:
    """Whether a value asks for something: no dropout, and no attention, is what a model has that does not read it."""
    return bool(value) and value not in ("no", "none")


def _value(choice: Mapping[str, Any], name: str) -> Any:
    return choice.get(name, DEFAULTS[name])


def _told(name: str, choices: Sequence[Mapping[str, Any]]) -> str:
    """Flag and value as they were given first; a switch has no value."""
    value = next(choice[name] for choice in choices if choice.get(name) is not None)
    return flag_name(name) if value is True else f"{flag_name(name)} {value}"
