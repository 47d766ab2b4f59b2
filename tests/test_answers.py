"""Runs whose models read a source and write a target: from a file of pairs to a traced answer."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import attn_widgets
from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.errors import AttnError, ConfigError, CorpusError, RunError, TrainingInterrupted
from attn_widgets.generation.beam import translate
from attn_widgets.generation.tasks import score_task
from attn_widgets.history import History
from attn_widgets.models import MODELS
from attn_widgets.run import Run
from attn_widgets.text.corpus import task_corpus
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.tasks import make_task
from attn_widgets.text.tokenizers import train_tokenizer
from attn_widgets.training import fit, load_weights

SMALL: dict[str, Any] = {
    "layers": 1, "heads": 2, "dim": 32, "steps": 120, "batch": 16, "context": 32, "show": False, "seed": 1,
    "mixed_precision": "no",
}  # fmt: skip
KINDS = {
    "seq2seq": ["cross"],
    "encoder_decoder": ["encoder", "decoder", "cross"],
    "convseq2seq": ["cross"],
}


@pytest.fixture(scope="module", params=sorted(KINDS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model that has learnt a little."""
    runs = str(tmp_path_factory.mktemp("runs"))
    attention = "dot" if request.param == "convseq2seq" else "additive"
    return attn_widgets.train("dates", model=request.param, attention=attention, runs=runs, **SMALL)


def test_an_answer_is_what_beam_search_finds(run: Run) -> None:
    source = "4 July 1976"
    ids = torch.from_numpy(run.tokenizer.encode(source)).long()[None]
    for beams, alpha in ((1, 0.0), (3, 0.6)):
        told = run.generate(source, beams=beams, length_penalty=alpha)
        (found,) = translate(
            run.model, ids, torch.tensor([ids.shape[1]]), end_id=run.tokenizer.end_id, max_new_tokens=32, beams=beams,
            length_penalty=alpha,
        )  # fmt: skip
        assert told.ids == found.ids
        assert str(told) == f"{source} → {told.text}"
        assert np.log(told.probabilities).sum() == pytest.approx(found.log_probability, abs=1e-3)


def test_the_trace_shows_every_step_of_the_answer(run: Run) -> None:
    told = run.generate("4 July 1976")
    trace = told.trace
    assert [block.kind for block in trace.blocks] == KINDS[run.model_config.model]
    for block in trace.blocks:
        rows = tuple("4 July 1976") if block.kind == "encoder" else ("‹start›", *told.text)
        columns = ("‹start›", *told.text) if block.kind == "decoder" else tuple("4 July 1976")
        assert (block.query_tokens, block.key_tokens) == (rows, columns)
        np.testing.assert_allclose(block.record.weights(1).sum(1), 1, atol=1e-5)
    assert trace.predictions is not None
    assert "".join(trace.predictions.tokens[: len(told.text)]) == told.text
    assert trace.predictions_of(len(trace.blocks) - 1) is trace.predictions
    assert (trace.predictions_of(0) is None) == (run.model_config.model == "encoder_decoder")


def test_the_trace_has_the_weights_of_the_models_own_pass(run: Run) -> None:
    told = run.generate("4 July 1976")
    source = torch.tensor([told.prompt_ids])
    target = torch.tensor([[run.tokenizer.end_id, *(i for i in told.ids if i != run.tokenizer.end_id)]])
    output = run.model(source, torch.tensor([source.shape[1]]), target, record=True)
    for layer, record in enumerate(output.records):
        for head, weights in enumerate(record.weights()[0].detach()):
            np.testing.assert_allclose(told.trace.weights(layer, head), weights, atol=1e-5)


def test_a_head_can_be_switched_off(run: Run) -> None:
    told = run.generate("4 July 1976")
    last = len(told.trace.blocks) - 1
    view = run.ablation(told, [f"L{last}H0", f"L{last}H1"])
    assert view.before.tokens == told.trace.predictions.tokens
    assert not np.allclose(view.before.probabilities, view.after.probabilities)
    with pytest.raises(ConfigError, match=r"L9H0"):
        run.generate("4 July 1976", ablate=["L9H0"])


def test_moments_are_of_one_held_out_pair(run: Run) -> None:
    assert run.corpus.pair is not None
    source, target = run.corpus.pair
    steps, traces = zip(*run.moments, strict=True)
    assert (steps[0], steps[-1]) == (0, 120)
    for trace in traces:
        assert trace.blocks[-1].key_tokens == tuple(source)
        assert trace.blocks[-1].query_tokens == ("‹start›", *target)


def test_the_panel_draws_it_with_switches(run: Run) -> None:
    panel = attn_widgets.view("4 July 1976", run=run)
    assert repr(panel).startswith("Explorer(layers=")
    assert panel._spec["ablate"]
    assert panel._spec["frames"][-1]["blocks"][-1]["kind"] == "cross"


def test_a_run_is_read_again(run: Run) -> None:
    again = Run.load(run.folder)
    assert again.generate("4 July 1976").ids == run.generate("4 July 1976").ids
    assert again.score() == run.score()


def test_the_score_is_that_of_greedy_answers(run: Run) -> None:
    task = replace(make_task("dates"), test=make_task("dates").test[::25])
    files = encode_pairs(task, run.tokenizer, joined=False, limit=100)
    written = [run.generate(item.source, trace=False).text for item in task.test]
    right = [text == item.target for text, item in zip(written, task.test, strict=True)]
    assert score_task(run.model, files, task).accuracy == pytest.approx(np.mean(right))


def test_an_unknown_character_is_told(run: Run) -> None:
    assert run.generate("4 July 1976 ✓").notes == ("the source has characters that the model never saw, read as "
                                                   "‹unknown›: '✓'",)  # fmt: skip


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("", {}, "the source is empty; give at least one word"),
        ("4 July 1976 " * 9, {}, "the source has 108 tokens, and --context 32 is the longest that is read"),
        ("4 July 1976", {"temperature": 0.5}, "--temperature 0.5 does not work with --model"),
        ("4 July 1976", {"top_k": 3}, "--top-k 3 does not work with --model"),
    ],
)
def test_what_cannot_be_answered_is_refused(run: Run, source: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, AttnError)) as caught:
        run.generate(source, **options)
    assert str(caught.value).startswith(message)


def test_a_file_of_pairs_trains_a_translator(tmp_path: Path) -> None:
    words = {"cat": "chat", "dog": "chien", "bird": "oiseau", "fish": "poisson"}
    lines = [f"the {a} sees the {b}\tle {words[a]} voit le {words[b]}" for a in words for b in words]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    run = attn_widgets.train(
        str(tmp_path / "pairs.tsv"), model="seq2seq", runs=str(tmp_path / "runs"), **{**SMALL, "steps": 30}
    )
    assert run.generate("the cat sees the dog").text.startswith("le ")
    assert run.score().count == 2


def test_a_language_model_is_asked_as_its_training_text_goes_on(tmp_path: Path) -> None:
    joined = attn_widgets.train("agreement", runs=str(tmp_path / "runs"), **{**SMALL, "steps": 1, "context": 64})
    asked = joined.generate("the dog", max_new_tokens=1).prompt_ids
    assert asked == tuple(joined.tokenizer.encode_prompt("the dog →"))


@pytest.mark.parametrize("kind", [*sorted(KINDS), "recurrent"])
def test_interrupted_anywhere_it_resumes_bit_for_bit(tmp_path: Path, kind: str) -> None:
    """Like the transformer's own test: a real SIGINT in a forward pass, dropout and accumulation on."""
    task = make_task("copy", size=200)
    corpus = task_corpus(task)
    tokenizer = train_tokenizer("word", corpus, 500)
    config = ModelConfig(model=kind, attention="dot", layers=1, heads=2, dim=16, context=64, dropout=0.1)
    files = encode_pairs(task, tokenizer, joined=not config.reads_pairs, limit=50)
    options = TrainConfig(steps=4, batch=4, accumulate=2, validate_every=2, mixed_precision="no", moments=0)

    def train(name: str, stop: int = 0, *, resume: bool = False) -> History | None:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            model = MODELS[kind](config, tokenizer.vocab_size)
        left = stop

        def count(*_: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGINT)

        model.register_forward_pre_hook(count)
        try:
            return fit(model, files, options, folder=tmp_path / name, report=lambda progress: None, resume=resume)
        except TrainingInterrupted:
            return None

    unbroken = train("unbroken")
    assert unbroken is not None
    for stop in range(4, 11):
        if train(f"{stop}", stop) is None:
            assert train(f"{stop}", resume=True) == unbroken, stop
    last, other = (load_weights(tmp_path / name, "last") for name in ("unbroken", "5"))
    assert all(torch.equal(last[name], other[name]) for name in last)


def test_text_is_refused_where_pairs_are_read(tmp_path: Path) -> None:
    for corpus, text in (("sentences", None), (None, "a text"), (["a.txt", "b.txt"], None)):
        with pytest.raises(CorpusError, match=r"^this kind of model reads pairs.*give a task \(dates"):
            attn_widgets.train(corpus, text=text, model="seq2seq", runs=str(tmp_path))


def test_skills_and_scores_say_what_they_are_for(run: Run) -> None:
    with pytest.raises(RunError, match="skills are scored on the corpus 'sentences'"):
        run.skills()
