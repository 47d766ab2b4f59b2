"""The verbs as functions: what they make, print, refuse and leave behind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attn_widgets import api
from attn_widgets.api import state
from attn_widgets.config import READS_PAIRS, WIDER, ModelConfig, TrainConfig
from attn_widgets.errors import AttnError, ConfigError, RunError
from attn_widgets.flags import options
from attn_widgets.run import Run
from attn_widgets.training import load_weights
from tests.tiny import TEXT, TINY


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on the built-in corpus, trained for a moment."""
    return api.train(runs=str(tmp_path_factory.mktemp("tiny") / "attn_runs"), show=False, **TINY)


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, and no run before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_last", None)
    yield tmp_path
    assert not [*tmp_path.rglob(".attn-tokens-*"), *tmp_path.glob("attn_runs/.*.old")]


def quick(**options: Any) -> Run:
    """Train on a text in memory."""
    return api.train(text=TEXT, show=False, **{**TINY, **options})


def refused(error: type[AttnError], **options: Any) -> str:
    """The one line that a training is refused with."""
    with pytest.raises(error) as caught:
        quick(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_comes_back_and_is_on_disk(tiny: Run) -> None:
    assert [point.step for point in tiny.history.train] == [1, 2, 3]
    assert Run.load(tiny.folder).history == tiny.history
    assert tiny.name == "sentences"
    assert [step for step, _ in tiny.moments][-1] == 3


def test_plain_training_prints_facts_alone(capsys: pytest.CaptureFixture[str]) -> None:
    api.train(**TINY)
    assert capsys.readouterr() == (
        "trained on sentences: 3 steps\n"
        "taste: accuracy ≥ 0.95: False\n"
        "agreement: accuracy ≥ 0.95: False\n"
        "list: accuracy ≥ 0.95: False\n"
        "people: accuracy ≥ 0.95: False\n",
        "",
    )


def test_a_terminal_sees_corpus_time_bar_and_skill_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATTN_PROGRESS")
    run = api.train(**TINY)
    out, err = capsys.readouterr()
    first, second, *rest = out.splitlines()
    model = sum(p.numel() for p in run.model.parameters())
    assert re.fullmatch(
        r"sentences: 20,000 generated sentences .*; [\d,]+ tokens to train on, 200 held out, vocabulary of \d+ word "
        rf"tokens; {model:,} parameters, about \d+ s",
        first,
    )
    assert re.match(rf"{model:,} parameters; about \d+ s; (cpu|cuda); ", second)
    assert "the first 200 tokens (--validation-tokens)" in second
    assert rest[0].split() == ["skill", "accuracy", "head", "weight"]
    assert [line.split()[0] for line in rest[1:5]] == ["taste", "agreement", "list", "people"]
    best = run.history.best
    assert best is not None
    assert rest[5] == (
        f"perplexity {np.exp(best.loss):.3f}; {best.loss:.3f} nats per token, the grammar's floor "
        f"{run.corpus.floor:.3f}; {best.nats_per_character:.3f} nats per character"
    )
    assert rest[6] == f"kept in {run.folder}"
    assert "3/3" in err


def test_the_same_seed_is_the_same_run_and_torch_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = quick(), quick(), quick(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.history == again.history
    assert first.history != other.history
    weights = load_weights(again.folder)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in load_weights(first.folder).items())


def test_training_again_without_a_name_loses_nothing() -> None:
    assert [quick().name for _ in range(3)] == ["text", "text-2", "text-3"]
    assert [p.parent.name for p in sorted(Path("attn_runs").glob("*/run.json"))] == ["text", "text-2", "text-3"]


def test_a_taken_name_is_refused_and_stays() -> None:
    history = quick(name="mine").history
    assert refused(RunError, name="mine", steps=1) == (
        "--name mine: this run is there already; add --resume or --overwrite, or take another name"
    )
    assert Run.load("mine").history == history


def test_overwrite_replaces() -> None:
    quick(name="mine", seed=1)
    quick(name="mine", overwrite=True, steps=1)
    run = Run.load("mine")
    assert (run.train_config.seed, len(run.history.train)) == (0, 1)


def test_overwrite_without_a_name_replaces_the_newest() -> None:
    quick()
    quick()
    assert quick(overwrite=True, steps=1).name == "text-2"
    assert len(Run.load("text").history.train) == 3


def test_what_cannot_start_leaves_the_old_run() -> None:
    if torch.cuda.is_available():
        pytest.skip("fp16 works here")
    history = quick(name="mine").history
    refused(ConfigError, name="mine", overwrite=True, mixed_precision="fp16")
    assert Run.load("mine").history == history
    refused(ConfigError, name="other", mixed_precision="fp16")
    assert not Path("attn_runs/other").exists()


def test_a_folder_that_is_no_run_is_never_replaced() -> None:
    Path("attn_runs/mine").mkdir(parents=True)
    Path("attn_runs/mine/thesis.tex").touch()
    told = refused(RunError, name="mine", overwrite=True)
    assert told == "--name mine: attn_runs/mine is no run, and stays; take another name"
    assert Path("attn_runs/mine/thesis.tex").exists()


@pytest.mark.parametrize(
    "name", ["../mine", "a/b", "/tmp/mine", "..", ".", ".hidden", "", "--resume", "a b", "x" * 101]
)
def test_names_that_are_no_folder_in_the_store(name: str, somewhere: Path) -> None:
    told = refused(ConfigError, name=name)
    assert told == (
        f"--name {name!r} cannot be a folder's name; use letters, digits, '_', '-' and '.', not '-' or '.' first"
    )
    assert not [*somewhere.iterdir()]


def test_a_run_open_in_another_process_is_refused() -> None:
    quick(name="mine")
    code = (
        "from pathlib import Path; from attn_widgets.training import RunLock\n"
        "with RunLock(Path('attn_runs/mine')): print('held', flush=True); input()"
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], env={**child_env()}, **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for how in ("resume", "overwrite"):
            told = refused(RunError, name="mine", **{how: True})
            assert told == "run 'mine' is being trained elsewhere; wait for it or give another --name"
        other.communicate("\n")
    assert len(Run.load("mine").history.train) == 3


def child_env() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


STEADY: dict[str, Any] = {"warmup": 0, "decay": 0.0, "validate_every": 1}
"""A schedule that does not depend on the number of steps."""


def test_resuming_gives_the_history_of_an_unbroken_run() -> None:
    quick(name="broken", steps=2, dropout=0.1, **STEADY)
    resumed = api.train(text=TEXT, show=False, name="broken", resume=True, steps=5)
    unbroken = quick(name="unbroken", steps=5, dropout=0.1, **STEADY)
    assert resumed.history == unbroken.history
    weights = load_weights(unbroken.folder, "last")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in load_weights(resumed.folder, "last").items())
    assert api.last_run() is unbroken


def test_resuming_finds_the_text_by_itself(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("story.txt").write_text(TEXT)
    run = api.train("story.txt", show=False, **TINY)
    (somewhere / "elsewhere").mkdir()
    monkeypatch.chdir(somewhere / "elsewhere")
    again = api.train(show=False, resume=True, name="story", runs="../attn_runs", steps=4)
    assert again.folder.samefile(run.folder)
    assert len(again.history.train) == 4


def test_resuming_without_a_name_takes_the_newest_of_the_corpus() -> None:
    quick(steps=1)
    quick(steps=2)
    resumed = api.train(text=TEXT, show=False, resume=True, steps=3)
    assert (resumed.name, len(resumed.history.train)) == ("text-2", 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"dim": 32},
            "--dim 32 cannot be: run 'mine' has --dim 16, and with --resume only --steps, --minutes and --patience can change",
        ),
        ({"text": None}, "run 'mine' was trained on a text in memory; to resume it give the same text again"),
        (
            {"text": TEXT.replace("cat", "rat")},
            "run 'mine' was trained on another text than the one given now; "
            "resume it with its own, or train a new one with another --name",
        ),
        ({"name": "yours"}, "--resume --name yours: no such run; runs in attn_runs: mine"),
        ({"name": None, "text": None}, "--resume: no run of 'sentences' to go on with; runs in attn_runs: mine"),
        ({"runs": "nowhere"}, "--resume --name mine: no such run; there is no run in nowhere yet"),
    ],
)
def test_resuming_what_cannot_be(options: dict[str, Any], message: str) -> None:
    history = quick(name="mine").history
    with pytest.raises(AttnError) as caught:
        api.train(**{"text": TEXT, "name": "mine", "resume": True, "steps": 5, "show": False, **options})
    assert str(caught.value) == message
    assert Run.load("mine").history == history


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hed": 3}, "train() has no option hed; did you mean heads?"),
        ({"steps": 3, "minutes": 1.0}, "--steps 3 and --minutes 1 exclude each other; give one"),
        ({"corpus": "sentences"}, "corpus and text exclude each other; give one of them"),
        ({"context": 2000}, "--context 2000 is longer than the text of "),
        ({"probe": "", "tokenizer": "char"}, "--probe '' has no tokens; give some text, or --moments 0"),
    ],
)
def test_options_that_cannot_be_start_nothing(options: dict[str, Any], message: str, somewhere: Path) -> None:
    assert refused(AttnError, **options).startswith(message)
    assert not [*somewhere.iterdir()]


def test_a_diverging_run_is_kept_as_it_was() -> None:
    with pytest.raises(AttnError, match="is not finite in step"):
        quick(name="wild", learning_rate=1e30, embedding_rate=1e30, optimizer="adamw", warmup=0, clip=0.0, steps=20)
    run = api.last_run()
    assert run.name == "wild"
    assert len(run.history.train) < 20


def test_what_is_remembered_of_the_text_is_json(tiny: Run) -> None:
    found = json.loads((tiny.folder / "text.json").read_text())
    assert found["corpus"] is None
    assert not found["in_memory"]
    assert re.fullmatch("[0-9a-f]{64}", found["sum"])


def test_generating_before_training_names_the_runs_on_disk() -> None:
    nothing = "nothing is trained yet: train first, or name a run with --run NAME; "
    for verb in (api.generate, api.view):
        with pytest.raises(RunError) as caught:
            verb("I love")
        assert str(caught.value) == nothing + "there is no run in attn_runs yet"
    quick(name="a")
    quick(name="b")
    state._last = None
    with pytest.raises(RunError, match=r"runs in attn_runs: b, a$"):
        api.last_run()
    assert api.newest("attn_runs") == "b"
    with pytest.raises(RunError, match=r"^--run c: no such run; runs in attn_runs: b, a$"):
        api.generate("the", run="c")


def test_generate_is_the_runs_own(tiny: Run, capsys: pytest.CaptureFixture[str]) -> None:
    direct = tiny.generate("I love", max_new_tokens=5, top_k=3, seed=4)
    assert api.generate("I love", run=tiny, max_new_tokens=5, top_k=3, seed=4).text == direct.text
    by_name = api.generate("I love", run=tiny.name, runs=str(tiny.folder.parent), max_new_tokens=5, top_k=3, seed=4)
    assert by_name.ids == direct.ids
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("plain", [True, False])
def test_streaming_prints_the_text_and_what_was_unknown(
    tiny: Run, plain: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not plain:
        monkeypatch.delenv("ATTN_PROGRESS")
    generation = api.generate("I love zebras", run=tiny, stream=True, max_new_tokens=6, ignore_end=True)
    text, note = capsys.readouterr().out.splitlines()
    assert text == generation.text.lstrip(" ")
    assert text
    assert note == "note: the prompt has words that the model never saw, read as ‹unknown›: 'zebras'"


def test_view_shows_a_text_with_everything_behind_it(tiny: Run) -> None:
    panel = api.view(tiny.corpus.prompt, run=tiny, head=1)
    assert (panel.layer, panel.head) == (0, 1)
    assert [step for step in panel._frames.steps if step is not None] == [step for step, _ in tiny.moments]
    trace = tiny.trace(tiny.corpus.prompt)
    np.testing.assert_array_equal(panel.trace.weights(0, 1), trace.weights(0, 1))
    off = panel._switch_off("L0H1")
    assert off["after"]["tokens"] == list(tiny.ablation(tiny.corpus.prompt, ["L0H1"]).after.tokens)


def test_view_without_a_text_shows_the_last_generation(tiny: Run) -> None:
    generation = api.generate("I love", run=tiny, max_new_tokens=5, ignore_end=True)
    panel = api.view()
    assert panel.trace is generation.trace
    assert panel.title == str(generation)
    assert len(panel._frames.steps) == 1
    assert api.view(run=tiny).trace is generation.trace


def test_view_without_anything_shows_the_probe(tiny: Run) -> None:
    assert api.view(run=tiny.name, runs=str(tiny.folder.parent)).trace.tokens == tiny.trace().tokens


def test_view_says_what_it_cannot_read_and_writes_a_page(tiny: Run, capsys: pytest.CaptureFixture[str]) -> None:
    api.view("I love zebras", run=tiny, html="page.html")
    note, wrote = capsys.readouterr().out.splitlines()
    assert note == "note: the text has words that the model never saw, read as ‹unknown›: 'zebras'"
    assert wrote.startswith("wrote ")
    assert wrote.endswith("page.html")
    page = Path("page.html").read_text()
    assert not re.search(r"""(src|href)=["']https?:""", page)


def test_view_refuses_a_head_that_is_not_there(tiny: Run) -> None:
    with pytest.raises(ConfigError, match="--head 9 does not exist; there are 2: 0 to 1"):
        api.view("I love", run=tiny, head=9)


def test_a_run_resumed_often_shows_eight_of_its_moments() -> None:
    quick(name="often", steps=40, moments=8, **STEADY)
    for steps in (41, 42):
        run = api.train(text=TEXT, show=False, name="often", resume=True, steps=steps)
    assert len(run.moments) > 8
    steps_shown = [step for step in api.view(run.corpus.prompt, run=run)._frames.steps if step is not None]
    assert len(steps_shown) <= 8
    assert steps_shown[0] == 0
    assert steps_shown[-1] == run.moments[-1][0]


def test_functions_are_documented_with_every_option() -> None:
    for verb, option in ((api.train, "--kv-heads"), (api.generate, "--min-p"), (api.view, "--html")):
        assert option in (verb.__doc__ or "")


def test_the_demo_runs_twice(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        api.run_demo(**TINY)
        out = capsys.readouterr().out
        assert "I love to eat pizza …" in out
        assert out.endswith("attention.html\n")
        assert "I love to eat pizza" in Path("attention.html").read_text()
    assert [path.name for path in Path("attn_runs").glob("[!.]*")] == ["demo"]


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
