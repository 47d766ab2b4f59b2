"""Options that only some models read: which do is seen by watching them, and the others refuse them in one line."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest
import torch

from attn_widgets import api
from attn_widgets.api.together import COUNTED, DEFAULTS, READ_BY, READ_IN
from attn_widgets.config import READS_PAIRS, GenerateConfig, ModelConfig, TrainConfig
from attn_widgets.errors import ConfigError
from attn_widgets.magics import generate, train
from attn_widgets.magics.line import Call
from attn_widgets.models import make_model
from attn_widgets.run import Run
from attn_widgets.run.given import LACKS
from tests.tiny import TEXT, quick

pytestmark = pytest.mark.usefixtures("somewhere")

MODELS = get_args(get_type_hints(ModelConfig)["model"])
VALUES: dict[str, Any] = {
    "kv_heads": 1, "hidden": 8, "minutes": 0.5, "learning_rate": 0.1, "weight_decay": 0.1, "label_smoothing": 0.1,
    "dropout": 0.1, "validate_every": 3, "patience": 2, "checkpoint_every": 3, "probe": "the cat", "qk_norm": True,
    "bias": True, "tied": True, "lengths": "truncate", "max_new_tokens": 5, "temperature": 0.5, "top_k": 3,
    "top_p": 0.5, "min_p": 0.1, "repetition_penalty": 1.5, "beams": 4, "length_penalty": 0.6, "stop": ("cat",),
    "ignore_end": True,
}  # fmt: skip


class Watched(ModelConfig):
    """Remembers what is read once it is made."""

    def __getattribute__(self, name: str) -> Any:
        if (seen := vars(type(self)).get("seen")) is not None:
            seen.add(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("name", MODELS)
def test_the_table_says_what_a_model_reads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Watched(model=name, layers=1, heads=2, dim=8, context=8)
    seen: set[str] = set()
    monkeypatch.setattr(Watched, "seen", seen, raising=False)
    model, ids = make_model(config, 11), torch.zeros(1, 4, dtype=torch.long)
    if name == "ngram":
        model.count(ids[0].numpy())
    model(*((ids, torch.tensor([4]), ids) if name in READS_PAIRS else (ids,)))
    told_otherwise = {"model", "context", "lengths", *READ_BY}
    told_otherwise |= {"kv_heads"} if name == "convseq2seq" else set()  # refused by name, with the reason
    for field in {f.name for f in fields(ModelConfig)} - told_otherwise:
        assert (field in seen) == (name in READ_IN.get(field, MODELS)), field


def shown(name: str, value: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    return flag if value is True else f"{flag} {value}"


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_does_not_read_is_refused_with_those_that_do(model: str) -> None:
    for name in [name for name, models in READ_IN.items() if model not in models]:
        value = VALUES.get(name, DEFAULTS[name])
        with pytest.raises(ConfigError) as caught:
            api.train(text=TEXT, model=model, show=False, **{name: value})
        models = ", ".join(READ_IN[name])
        assert str(caught.value) == f"{shown(name, value)} does not work with --model {model}; it does with {models}"


def test_a_default_given_is_given_and_nothing_asked_for_is_nothing() -> None:
    with pytest.raises(ConfigError, match=r"^--cell gru does not work with --model transformer; it does with recur"):
        quick(cell="gru")
    with pytest.raises(ConfigError, match=r"^--rope-theta 50.0 needs --positions rotary, and is not read without"):
        quick(rope_theta=50.0, positions="learned")
    with pytest.raises(ConfigError, match=r"^--embedding-rate 0.1 needs --optimizer muon, and is not read without"):
        quick(embedding_rate=0.1, optimizer="adamw")
    run = api.train(
        text=TEXT, model="ngram", attention="none", dropout=0, moments=0, label_smoothing=0, mixed_precision="no",
        show=False, name="counts",
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"^--steps 50 does not work with --model ngram; it does with transformer, "):
        api.train(text=TEXT, name="counts", resume=True, steps=50, show=False)
    assert repr(run) == "Run('counts', model='ngram', order=5)"


def test_a_search_reads_what_one_of_its_models_does() -> None:
    run = quick(search={"model": ["recurrent", "ngram"]}, folds=2, cell="lstm", order=2)
    assert run.search is not None
    with pytest.raises(ConfigError, match=r"^--kernel 2 does not work with --model recurrent or ngram; it does with c"):
        quick(search={"model": ["recurrent", "ngram"]}, folds=2, kernel=2)


def test_every_option_of_training_is_told_of() -> None:
    """What counting reads too is listed; a new option is refused until it is."""
    assert {f.name for f in fields(TrainConfig)} <= {*READ_IN, *COUNTED}
    assert set(LACKS) == set(MODELS)
    assert {name for lack in LACKS.values() for name in lack.options} <= {f.name for f in fields(GenerateConfig)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A run of every kind."""
    folder, tiny = str(tmp_path_factory.mktemp("runs")), {"layers": 1, "heads": 2, "dim": 16, "steps": 2, "batch": 4}
    found = {}
    for model in MODELS:
        shape: dict[str, Any] = {} if model == "ngram" else {**tiny, "moments": 0, "mixed_precision": "no"}
        shape |= {"model": model, "context": 32, "show": False, "runs": folder, "name": model}
        found[model] = api.train("dates", **shape) if model in READS_PAIRS else api.train(text=TEXT, **shape)
    return found


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_does_not_generate_with_is_refused_with_those_that_do(model: str, runs: dict[str, Run]) -> None:
    for name in LACKS[model].options:
        value = VALUES.get(name, getattr(GenerateConfig(), name))
        with pytest.raises(ConfigError) as caught:
            runs[model].generate("the cat", **{name: value})
        takers = [other for other in MODELS if name not in LACKS[other].options]
        line = str(caught.value)
        assert line.startswith(
            shown(name, "'cat'" if name == "stop" else value) + f" does not work with --model {model}"
        )
        assert {*line.split("(it does with ")[1].split(")")[0].split(", ")} == set(takers)
        assert "\n" not in line


def test_the_limit_that_holds_by_default_is_refused_when_it_is_given(runs: dict[str, Run]) -> None:
    with pytest.raises(ConfigError, match=r"^--max-new-tokens 64 does not work with --model encoder, which tells"):
        runs["encoder"].generate("the ‹mask›", max_new_tokens=64)


@pytest.mark.parametrize("model", READS_PAIRS)
def test_a_length_penalty_needs_several_beams(model: str, runs: dict[str, Run]) -> None:
    for options in ({}, {"beams": 1}):
        with pytest.raises(ConfigError) as caught:
            runs[model].generate("4 July 1976", length_penalty=0.6, **options)
        assert str(caught.value) == (
            "--length-penalty 0.6 chooses among the answers of a beam search, and --beams 1 has one; try --beams 4"
        )
    assert runs[model].generate("4 July 1976", length_penalty=0.6, beams=4).ids


def test_defaults_of_the_session_give_way_where_a_model_does_not_read_them(runs: dict[str, Run]) -> None:
    def call(given: dict[str, Any], defaults: dict[str, Any]) -> Call:
        return Call([], given, None, defaults, None)  # type: ignore[arg-type]

    assert train._options(call({"model": "ngram"}, {"steps": 5, "order": 3})) == {"model": "ngram", "order": 3}
    assert train._options(call({}, {"steps": 5, "order": 3})) == {"steps": 5}
    assert train._options(call({"cell": "lstm"}, {"cell": "gru"})) == {"cell": "lstm"}
    asked = call({"run": "encoder", "runs": str(runs["encoder"].folder.parent)}, {"max_new_tokens": 5, "seed": 3})
    assert generate._options(asked) == {**asked.given, "seed": 3}


def test_facts_are_of_the_model(runs: dict[str, Run]) -> None:
    told = {model: run._repr_html_() for model, run in runs.items()}
    assert "n-grams of up to 5 tokens" in told["ngram"]
    assert "counted once; there are no steps" in told["ngram"]
    assert all(word not in told["ngram"] for word in ("1000 steps", "muon", "heads", "positions", "at step"))
    assert "2 steps of 4 × 32 tokens, muon" in told["transformer"]
    assert "2 steps of 4 pairs, muon" in told["seq2seq"]
    assert {model for model in MODELS if "positions" in told[model]} == {*READ_IN["positions"]}
    assert "learned positions" in told["convseq2seq"]
