"""Runs on disk: what is read back, what is said when it cannot be, and what a run can do."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from attn_widgets.capture import capture_trace
from attn_widgets.errors import AttnError, ConfigError, RunError
from attn_widgets.run import GenerationInterrupted, Run
from attn_widgets.text.corpus import load_corpus
from attn_widgets.trace import AttentionTrace
from tests.trained_runs import train_run

PROSE = "Zoë naïvely paid 5 € for the café’s “crème brûlée” in 北京 🙂. She said: <b>never & again</b>! " * 40


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attn_runs")
    train_run(folder / "lines")
    train_run(folder / "pieces", load_corpus(text=PROSE), "bpe")
    train_run(folder / "letters", load_corpus(text=PROSE), "char", positions="learned", kv_heads=2)
    return folder


@pytest.fixture
def run(runs: Path) -> Run:
    return Run.load("lines", runs)


@pytest.fixture
def damaged(runs: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(runs / "lines", tmp_path / "lines"))


def assert_equal_traces(one: AttentionTrace, other: AttentionTrace) -> None:
    rows = len(other.tokens)
    assert one.tokens[:rows] == other.tokens
    for layer, head in other.iter_heads():
        some = slice(0, rows)
        np.testing.assert_allclose(one.weights(layer, head, some, some), other.weights(layer, head), atol=1e-5)
    assert one.predictions is not None
    assert other.predictions is not None
    assert one.predictions.tokens[:rows] == other.predictions.tokens
    np.testing.assert_allclose(one.predictions.probabilities[:rows], other.predictions.probabilities, atol=1e-5)


def test_a_run_is_read_back(runs: Path, run: Run) -> None:
    again = Run.load(runs / "lines")
    assert repr(run) == repr(again) == "Run('lines', layers=2, heads=4, dim=32, context=32)"
    assert (again.folder, again.corpus, again.model_config) == (run.folder, run.corpus, run.model_config)
    assert again.corpus.floor == load_corpus().floor
    assert again.tokenizer.to_json() == run.tokenizer.to_json()
    assert [v.step for v in again.history.validation] == [20, 40]
    assert again.perplexity == math.exp(again.history.best.loss)
    assert not again.model.training
    assert again.generate().ids == run.generate().ids


def test_prompt_and_text_read_as_one(run: Run) -> None:
    parts: list[str] = []
    done = run.generate("Anna and Ben meet", max_new_tokens=12, temperature=1.0, ignore_end=True, on_text=parts.append)
    assert str(done) == done.prompt + done.text == run.tokenizer.decode([*done.prompt_ids, *done.ids])
    assert "".join(parts) == done.text == run.generate(
        "Anna and Ben meet", max_new_tokens=12, temperature=1.0, ignore_end=True
    ).text  # fmt: skip
    assert run.generate("Anna and Ben meet ", max_new_tokens=3).text[0] != " "
    assert run.generate("").text[0] != " "
    assert run.generate("").prompt_ids == (run.tokenizer.end_id,)


def test_what_a_generation_tells(run: Run) -> None:
    done = run.generate(max_new_tokens=5, ignore_end=True)
    assert done.prompt == run.corpus.prompt == "I love to eat pizza"
    assert len(done.ids) == len(done.tokens) == len(done.probabilities) == len(done.entropies) == 5
    assert done.probabilities.dtype == done.entropies.dtype == np.float32
    assert done.tokens_per_second == 5 / done.seconds
    assert repr(done) == f"Generation({str(done)!r}, tokens=5, stop_reason='length')"
    assert done.text.split(" ")[1:] == [token for token in done.tokens if token != "‹end›"]


@pytest.mark.parametrize("name", ["lines", "pieces", "letters"])
@pytest.mark.parametrize("ablate", [(), ("L0H1", "L1H0")])
def test_the_trace_of_a_generation_is_that_of_its_text(runs: Path, name: str, ablate: tuple[str, ...]) -> None:
    run = Run.load(name, runs)
    prompt = "Anna and Ben" if name == "lines" else "She paid"
    done = run.generate(prompt, max_new_tokens=20, ignore_end=True, ablate=ablate)
    ids = np.array([*done.prompt_ids, *done.ids])
    assert len(ids) <= run.model_config.context
    heads = [(0, 1), (1, 0)] if ablate else []
    read = capture_trace(run.model, ids, run.tokenizer.tokens(ids), run.tokenizer.token, ablate=heads)
    assert_equal_traces(done.trace, read)
    assert len(done.trace.tokens) == len(ids)
    assert done.trace is done.trace
    assert {name: done.trace.meta[name] for name in ("model", "run", "text")} == {
        "model": read.meta["model"], "run": name, "text": str(done),
    }  # fmt: skip
    if name == "letters":  # every character is a token: the text gives the same ids
        assert_equal_traces(done.trace, run.trace(str(done), ablate))
        assert run.trace(str(done), ablate).meta.get("ablate", "") == " ".join(ablate)


def test_the_trace_past_the_context_is_that_of_the_text(run: Run) -> None:
    done = run.generate(max_new_tokens=70, ignore_end=True, temperature=1.0)
    ids = np.array([*done.prompt_ids, *done.ids])
    assert_equal_traces(done.trace, capture_trace(run.model, ids, run.tokenizer.tokens(ids), run.tokenizer.token))
    assert not done.trace.visible(1, 0, 60, 28)[0, 0]  # 33 keys back
    assert done.trace.visible(1, 0, 60, 29)[0, 0]


def test_several_texts_are_traced_and_averaged(run: Run) -> None:
    text = run.corpus.prompt
    traces = run.traces(iter([text, text]))
    assert_equal_traces(traces[1], run.trace(text))
    mean = traces.mean()
    np.testing.assert_allclose(mean.weights(1, 2), run.trace(text).weights(1, 2), atol=1e-6)
    assert (mean.meta["n"], mean.meta["text"], mean.meta["run"]) == (2, text, "lines")
    with pytest.raises(ConfigError, match="texts must be a list of texts; given one"):
        run.traces(text)


def test_learned_positions_past_the_context(runs: Path) -> None:
    run = Run.load("letters", runs)
    done = run.generate(PROSE[:40], max_new_tokens=30)
    assert [note.split(":")[0] for note in done.notes] == [
        "the prompt has 40 tokens, the model's context 32",
        "learned positions end at the context of 32 tokens",
    ]
    assert len(done.trace.tokens) == 32 + 30
    assert done.trace.tokens == tuple(run.tokenizer.tokens([*done.prompt_ids, *done.ids]))[8:]
    with pytest.raises(RunError, match="trace=False"):
        run.generate(max_new_tokens=1, trace=False).trace


def test_byte_pieces_stream_whole_characters(runs: Path) -> None:
    run, parts = Run.load("pieces", runs), []
    for seed in range(6):
        parts.clear()
        done = run.generate("Zoë ", temperature=3.0, max_new_tokens=40, seed=seed, on_text=parts.append)
        assert "".join(parts) == done.text
        assert str(done) == run.tokenizer.decode([*done.prompt_ids, *done.ids])
        assert not any(part.startswith("\ufffd") and len(part) == 1 for part in parts[:-1])
        cut = run.generate("Zoë ", temperature=3.0, max_new_tokens=40, seed=seed, stop=(done.text[7:9],))
        assert cut.text == done.text[: done.text.index(done.text[7:9])]


def test_unknown_words_are_said(run: Run, runs: Path) -> None:
    done = run.generate("I love to eat sushi and <i>", max_new_tokens=2)
    (note,) = done.notes
    assert note.startswith("the prompt has words that the model never saw, read as ‹unknown›: 'sushi', '<'")
    trace = run.trace("I love sushi")
    assert trace.tokens == ("‹start›", "I", "love", "‹unknown›")
    assert trace.meta["notes"] == "the text has words that the model never saw, read as ‹unknown›: 'sushi'"
    letters = Run.load("letters", runs).generate("QQ", max_new_tokens=1)
    assert letters.notes == ("the prompt has characters that the model never saw, read as ‹unknown›: 'Q'",)


def test_empty_prompts_and_wrong_ones(run: Run, runs: Path) -> None:
    with pytest.raises(ConfigError, match="prompt is empty"):
        Run.load("letters", runs).generate("")
    with pytest.raises(AttnError, match="no tokens"):
        Run.load("letters", runs).trace("")
    with pytest.raises(ConfigError, match="the prompt must be text; given int"):
        run.generate(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temprature": 1}, "no option temprature; check the spelling: did you mean temperature?"),
        ({"zzz": 1}, "no option zzz; check the spelling: there are max_new_tokens, temperature"),
        ({"max_new_tokens": "3"}, "max_new_tokens must be a whole number; given '3'"),
        ({"max_new_tokens": 0}, "--max-new-tokens must be at least 1; given 0"),
        ({"top_p": math.nan}, "--top-p must be a finite number"),
        ({"stop": ["a", ""]}, "--stop '' would stop at once"),
        ({"ablate": "L7H0"}, "layers 0–1"),
        ({"ablate": ["first"]}, "'first' names no head"),
    ],
)
def test_wrong_options_are_one_line(run: Run, options: dict[str, object], message: str) -> None:
    with pytest.raises(AttnError) as caught:
        run.generate(**options)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_interrupt_is_raised_with_what_is_there(run: Run) -> None:
    parts: list[str] = []

    def press(text: str) -> None:
        parts.append(text)
        if len(parts) == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="interrupted after 4 tokens") as caught:
        run.generate(temperature=1.0, ignore_end=True, on_text=press)
    assert isinstance(caught.value, GenerationInterrupted)
    done = caught.value.generation
    assert done.text == "".join(parts)
    assert done.trace.tokens[-4:] == done.tokens
    assert caught.value._render_traceback_() == ["\x1b[33minterrupted after 4 tokens\x1b[0m"]


def test_html_is_escaped_and_whole(runs: Path) -> None:
    run = Run.load("letters", runs)
    html = run.generate("<b>never & <script>", max_new_tokens=25, temperature=2.0, stop=("!",))._repr_html_()
    assert "<b>" not in html
    assert "<script>" not in html
    assert "&lt;b&gt;never &amp; " in html
    facts = run._repr_html_()
    assert "perplexity" in facts
    assert "learned positions" in facts


def test_skills_are_kept_for_their_checkpoint(damaged: Path, runs: Path) -> None:
    run = Run.load(damaged)
    scores = run.skills()
    assert [score.count for score in scores] == [200] * 4
    path = damaged / "skills.json"
    kept = json.loads(path.read_bytes())
    kept["scores"][0]["accuracy"] = 0.125
    path.write_text(json.dumps(kept))
    assert Run.load(damaged).skills()[0].accuracy == 0.125
    kept["checkpoint"] = "step-000001"
    path.write_text(json.dumps(kept))
    assert Run.load(damaged).skills() == scores
    assert run.skills(ablate=("L0H0", "L0H1", "L0H2", "L0H3", "L1H0")) != scores
    with pytest.raises(RunError, match="trained on 'text'"):
        Run.load("letters", runs).skills()


def test_ablation_of_texts_and_generations(run: Run) -> None:
    done = run.generate("Anna and Ben", max_new_tokens=6)
    found = run.ablation(done, ["L0H1"])
    with torch.no_grad():
        logits = run.model(torch.tensor([[*done.prompt_ids, *done.ids]]), ablate=[(0, 1)]).logits[0]
    assert found.after.tokens == tuple(map(run.tokenizer.token, logits.argmax(-1).tolist()))
    assert len(run.ablation("Anna and Ben", ["L1H0"]).before.tokens) == 4


def test_moments_of_the_training(run: Run) -> None:
    moments = run.moments
    assert [step for step, _ in moments] == [0, 1, 40]
    assert moments[-1][1].tokens == ("‹start›", "I", "love", "to", "eat", "pizza")
    assert_equal_traces(moments[-1][1], run.trace())  # the last checkpoint is the best one here
    assert moments[0][1].meta["step"] == 0
