"""Flags, keywords and help, all read off the dataclasses."""

from __future__ import annotations

import shlex
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from attn_widgets.config import ModelConfig, StoreConfig, TrainConfig
from attn_widgets.errors import ConfigError
from attn_widgets.flags import (
    VERBS,
    Variable,
    Verb,
    build,
    help_text,
    keywords,
    options,
    parse,
)

TRAIN, GENERATE, VIEW = VERBS["train"], VERBS["generate"], VERBS["view"]


def given(line: str, verb: str = "train") -> dict[str, object]:
    return parse(VERBS[verb], shlex.split(line)).given


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--kv-heads 2", {"kv_heads": 2}),
        ("--kv-heads=2", {"kv_heads": 2}),
        ("--tied", {"tied": True}),
        ("--learning-rate -1e-3", {"learning_rate": -0.001}),
        ("--learning-rate 1", {"learning_rate": 1.0}),
        ("--probe=--seed", {"probe": "--seed"}),
        ("--probe 'I love to eat'", {"probe": "I love to eat"}),
        ("--steps 3 --steps 4", {"steps": 4}),
        ("--optimizer adamw", {"optimizer": "adamw"}),
        ("-- --steps 3", {}),
    ],
)
def test_values_of_flags(line: str, expected: dict[str, object]) -> None:
    assert given(line) == expected


def test_a_float_option_is_a_float() -> None:
    assert isinstance(given("--learning-rate 1")["learning_rate"], float)


def test_repeated_flags_add_up() -> None:
    assert given("--stop . --ablate L0H1 --stop '! '", "generate") == {"stop": (".", "! "), "ablate": ("L0H1",)}


def test_words_and_flags_mix_freely() -> None:
    parsed = parse(GENERATE, ["I", "love", "--seed", "3", "to", "-5", "eat", "-", "--", "--top-k"])
    assert parsed.words == ["I", "love", "to", "-5", "eat", "-", "--top-k"]
    assert parsed.given == {"seed": 3}


def test_a_text_with_spaces_is_never_a_flag() -> None:
    assert parse(GENERATE, ["--seed is a flag"]).words == ["--seed is a flag"]


@pytest.mark.parametrize(("token", "wanted"), [("--help", "short"), ("-h", "short"), ("--help-all", "all")])
def test_help_is_asked_for(token: str, wanted: str) -> None:
    assert parse(TRAIN, ["--steps", "3", token]).help == wanted


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--hed 3", "--hed: no such flag; did you mean --heads?"),
        ("--lr 3", "--lr: no such flag; did you mean --learning-rate?"),
        ("--rate 3", "--rate: no such flag; did you mean --learning-rate?"),
        ("--batch-size 3", "--batch-size: no such flag; did you mean --batch?"),
        ("--layer 3", "--layer: no such flag; did you mean --layers?"),
        ("-steps 3", "-steps: no such flag; did you mean --steps?"),
        ("--zzzz 3", "--zzzz: no such flag; --help-all lists every flag"),
        ("--steps 1e3", "--steps must be a whole number; given '1e3'; try 1000"),
        ("--steps 1.5", "--steps must be a whole number; given '1.5'"),
        ("--steps nan", "--steps must be a whole number; given 'nan'"),
        ("--steps many", "--steps must be a whole number; given 'many'"),
        ("--dropout half", "--dropout must be a number; given 'half'"),
        ("--steps", "--steps needs a value: a whole number"),
        ("--probe --seed", "--probe needs a value: text"),
        ("--steps --heads 3", "--steps needs a value: a whole number"),
        ("--optimizer", "--optimizer needs a value: muon or adamw"),
        ("--optimizer adam", "--optimizer must be muon or adamw; given 'adam'; did you mean adamw?"),
        ("--tokenizer none", "--tokenizer must be auto, char, word or bpe; given 'none'"),
        ("--tied=yes", "--tied takes no value; given 'yes': write --tied alone"),
    ],
)
def test_wrong_lines(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        given(line)
    assert str(caught.value) == message


@pytest.mark.parametrize("flag", ["--head", "--opt", "--step", "--learning"])
def test_flags_are_never_abbreviated(flag: str) -> None:
    with pytest.raises(ConfigError, match=f"^{flag}: no such flag; did you mean"):
        given(f"{flag} 3")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--learning-rate nan", "--learning-rate must be a finite number; given nan"),
        ("--learning-rate -1", "--learning-rate must be above 0; given -1.0"),
        ("--steps -5", "--steps must be at least 1; given -5"),
        ("--dropout 1", "--dropout must be at most 0.999; given 1.0"),
        ("--minutes inf", "--minutes must be a finite number; given inf"),
        ("--heads 5", "--heads 5 does not divide --dim 64; try --heads 2 or 4"),
        ("--heads 4 --kv-heads 3", "--kv-heads 3 does not divide --heads 4; try one of 1, 2, 4"),
        ("--resume --overwrite", "--resume and --overwrite exclude each other; give one of them"),
        ("--seed 4294967296", "--seed must be at most 4294967295; given 4294967296"),
        ("--minutes 0", "--minutes must be above 0; given 0.0"),
    ],
)
def test_values_that_cannot_work(line: str, message: str) -> None:
    values = given(line)
    with pytest.raises(ConfigError) as caught:
        [build(config, values) for config in TRAIN.configs]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"positions": "nowhere"}, "--positions must be rotary or learned or sinusoidal; given 'nowhere'"),
        ({"tokenizer": None}, "--tokenizer must be auto or char or word or bpe; given None"),
        ({"clip": 10**400}, "--clip must be a finite number; given 100000000000000000...0000000000000000000"),
    ],
)
def test_a_config_checks_what_it_is_made_with(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        [build(config, values) for config in TRAIN.configs]
    assert str(caught.value) == message
    assert ModelConfig(attention="my_own").attention == "my_own"  # type: ignore[arg-type]


def test_variables_are_values_and_never_flags() -> None:
    parsed = parse(TRAIN, [Variable("texts", ["--steps", "3"]), "--steps", Variable("n", 7)])
    assert parsed.words == [Variable("texts", ["--steps", "3"])]
    assert parsed.given == {"steps": 7}
    with pytest.raises(ConfigError, match=r"^--steps must be a whole number; given '7'$"):
        parse(TRAIN, ["--steps", Variable("n", "7")])


def test_build_keeps_the_other_defaults() -> None:
    values = given("--heads 2 --seed 5 --name mine")
    assert build(ModelConfig, values) == ModelConfig(heads=2)
    assert build(TrainConfig, values) == TrainConfig(seed=5)
    assert build(StoreConfig, values) == StoreConfig(name="mine")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("steps", np.int64(3), 3),
        ("learning_rate", 1, 1.0),
        ("learning_rate", np.float32(0.5), 0.5),
        ("learning_rate", Fraction(1, 4), 0.25),
        ("learning_rate", None, None),
        ("tied", True, True),
        ("name", "mine", "mine"),
        ("runs", Path("a") / "b", str(Path("a", "b"))),
    ],
)
def test_keywords(name: str, value: object, expected: object) -> None:
    read = keywords(TRAIN, {name: value})[name]
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize("value", [".", (".",), ["."]])
def test_a_list_of_texts_may_be_one_text(value: object) -> None:
    assert keywords(GENERATE, {"stop": value}) == {"stop": (".",)}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hed", 3, "train() has no option hed; did you mean heads?"),
        ("n_heads", 3, "train() has no option n_heads; did you mean heads?"),
        ("zzzz", 3, "train() has no option zzzz; help(attn_widgets.train) lists every option"),
        ("steps", np.array([1, 2]), "steps must be a whole number; given array([1, 2])"),
        ("learning_rate", 10**400, "learning_rate must be a number; given 100000000000000000...0000000000000000000"),
        ("name", b"mine", "name must be text; given b'mine'"),
        ("steps", "3", "steps must be a whole number; given '3'"),
        ("steps", 3.0, "steps must be a whole number; given 3.0"),
        ("steps", True, "steps must be a whole number; given True"),
        ("steps", None, "steps must be a whole number; given None"),
        ("tied", 1, "tied must be True or False; given 1"),
        ("learning_rate", "0.1", "learning_rate must be a number; given '0.1'"),
        ("optimizer", "adam", "optimizer must be muon or adamw; given 'adam'; did you mean adamw?"),
        ("name", ["a"] * 100, "name must be text; given ['a', 'a', 'a', 'a', 'a', 'a', ...]"),
    ],
)
def test_wrong_keywords(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        keywords(TRAIN, {name: value})
    assert str(caught.value) == message


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_every_field_is_one_option_with_help(verb: Verb) -> None:
    names = [f.name for config in verb.configs for f in fields(config)]
    assert sorted(names) == sorted(options(verb.configs)), "two dataclasses of a verb share a name"
    assert all(o.help and not o.help.endswith(".") for o in options(verb.configs).values())


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_help_shows_the_common_flags_and_on_request_all(verb: Verb) -> None:
    short, every = (help_text(verb, "x", everything=e).split() for e in (False, True))
    found = options(verb.configs).values()
    assert {o.flag for o in found if o.common} == {w for w in short if w.startswith("--")} & {o.flag for o in found}
    assert {o.flag for o in found} <= set(every)
    assert sum(o.common for o in found) <= 17
    assert max(map(len, help_text(verb, "x", everything=True).splitlines())) <= 100


def test_options_of_one_name_take_the_same_values_in_every_verb() -> None:
    seen: dict[str, tuple[object, ...]] = {}
    for verb in VERBS.values():
        for o in options(verb.configs).values():
            assert seen.setdefault(o.name, (o.kind, o.choices, o.optional, o.default)) == (
                o.kind, o.choices, o.optional, o.default,
            )  # fmt: skip


def choices(config: type, name: str) -> set[str]:
    return set(get_args(get_type_hints(config)[name]))


def test_attention_choices_are_the_mechanisms() -> None:
    from attn_widgets.attention import MECHANISMS

    assert choices(ModelConfig, "attention") == {*MECHANISMS, "none"}


def test_tokenizers_and_number_formats_are_those_there_are() -> None:
    from attn_widgets.text.tokenizers import Kind
    from attn_widgets.training.precision import Precision

    assert choices(TrainConfig, "tokenizer") == {"auto", *get_args(Kind)}
    assert choices(TrainConfig, "mixed_precision") == {"auto", *get_args(Precision)}
