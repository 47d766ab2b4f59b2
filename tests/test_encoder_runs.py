"""Runs of an encoder, the whole way: hidden tokens are filled in, classes told, traced, viewed and scored."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets import api
from attn_widgets.errors import AttnError, ConfigError, RunError
from attn_widgets.models import Classifier, Encoder
from attn_widgets.run import Run
from tests.tiny import TEXT, TINY

COUNTS = ["one two three four five .", "six seven eight nine ten ."] * 40
SHAPE: dict[str, Any] = {**TINY, "model": "encoder", "show": False}
OPINION = "Anna says the soup was good , but the cake was not fresh ."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("encoders") / "attn_runs")


@pytest.fixture(scope="module")
def counts(folder: str) -> Run:
    """Two sentences of words that only go together, learnt."""
    wanted = {**SHAPE, "steps": 150, "batch": 16, "tokenizer": "word", "dim": 32, "moments": 3}
    return api.train(text=COUNTS, runs=folder, name="counts", **wanted)


@pytest.fixture(scope="module")
def opinions(folder: str) -> Run:
    """A classifier that has learnt its task."""
    wanted = {"batch": 32, "dim": 32, "context": 32, "layers": 1, "steps": 250, "moments": 3, "validate_every": 125}
    return api.train("classify", runs=folder, name="opinions", **{**SHAPE, **wanted})


def test_hidden_words_are_filled_in(counts: Run) -> None:
    told: list[str] = []
    found = counts.generate("one two ‹mask› four five .", on_text=told.append)
    assert (found.text, found.tokens, found.stop_reason) == ("one two three four five .", ("three",), "done")
    assert str(found) == "one two ‹mask› four five . → one two three four five ."
    assert told == [found.text]
    assert found.probabilities[0] > 0.9
    assert found.entropies[0] < 0.5
    page = found._repr_html_()
    assert page.count("<span title=") == 1
    assert f'<span title="three  p = {found.probabilities[0]:.2f}' in page
    assert counts.generate("six <mask> eight [MASK] ten .").tokens == ("seven", "nine")
    assert counts.corpus.prompt == "one two three four ‹mask›"
    assert counts.generate().text == "one two three four five"
    assert Run.load(counts.folder).generate().text == "one two three four five"


def test_probabilities_are_the_models(counts: Run) -> None:
    import torch

    found = counts.generate("one two ‹mask› four five .")
    assert isinstance(counts.model, Encoder)
    ids = counts.tokenizer.encode_prompt("one two three four five .").astype(np.int64)
    ids[3] = counts.model.mask_id
    with torch.no_grad():
        logs = counts.model(torch.from_numpy(ids)[None]).logits[0, 3].log_softmax(-1)
    assert found.prompt_ids == tuple(ids)
    assert found.probabilities[0] == pytest.approx(float(logs.max().exp()), abs=1e-5)
    assert found.entropies[0] == pytest.approx(-float((logs.exp() * logs).sum()), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("one two three", {}, r"the text has none; write ‹mask› .* for example 'one two ‹mask›'"),
        ("‹mask›", {"beams": 4}, "--beams 4 does not work with --model encoder"),
        ("‹mask›", {"top_k": 4}, "--top-k 4 does not work with --model encoder"),
        ("‹mask›", {"repetition_penalty": 1.5}, "--repetition-penalty 1.5 does not work with --model encoder"),
        (
            "one " * 20 + "‹mask›",
            {},
            r"the text with its ‹start› has 22 tokens, and --context 16 is the long",
        ),
        ("‹mask›", {"ablate": ("L0H7",)}, "--ablate L0H7: the model has one attention layer, 0, and heads 0–1"),
    ],
)
def test_what_cannot_be_is_one_line(counts: Run, text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AttnError, match=message) as error:
        counts.generate(text, **options)
    assert "\n" not in str(error.value)


def test_a_trace_shows_the_mask_and_what_is_told_at_every_place(counts: Run) -> None:
    text = "one two ‹mask› four strange ."
    trace = counts.trace(text)
    assert trace.tokens == ("‹start›", "one", "two", "‹mask›", "four", "‹unknown›", ".")
    assert [block.kind for block in trace.blocks] == ["encoder"]
    assert trace.predictions is not None
    assert trace.predictions.tokens[3] == "three"
    assert "strange" in str(trace.meta["notes"])
    assert "mask" not in str(trace.meta["notes"])
    np.testing.assert_allclose(trace.weights(0, 1).sum(1), 1, atol=1e-5)
    assert trace.weights(0, 0)[0, -1] > 0  # it looks ahead
    np.testing.assert_allclose(counts.generate(text).trace.weights(0, 1), trace.weights(0, 1), atol=1e-6)
    off = counts.ablation(text, ["L0H0", "L0H1"])
    assert off.before.tokens[3] == "three"
    assert off.still[3] < 0.9


def test_the_panel_has_moments_and_heads_to_switch_off(counts: Run, opinions: Run) -> None:
    for run, prompt in ((counts, counts.corpus.prompt), (opinions, opinions.corpus.prompt)):
        panel = api.view(run=run)
        assert panel.title == prompt
        assert [step for step, _ in run.moments] == list(panel._frames.steps[:3])
        assert panel._spec["ablate"]
        assert set(panel._ablations) == {f"L{layer}H{head}" for layer, head in panel.trace.iter_heads()}
        assert api.view(run.generate(), run=run)._ablations


def test_the_class_is_told_and_what_it_was_read_from_is_drawn(opinions: Run) -> None:
    assert isinstance(opinions.model, Classifier)
    found = opinions.generate(OPINION)
    assert (found.text, found.tokens, found.stop_reason) == ("negative", ("negative",), "done")
    assert str(found) == f"{OPINION} → negative"
    assert found.probabilities[0] > 0.9
    trace = found.trace
    assert [block.kind for block in trace.blocks] == ["encoder", "cross"]
    assert trace.blocks[1].query_tokens == ("‹class›",)
    assert trace.blocks[1].key_tokens == trace.tokens == tuple(OPINION.split())
    assert trace.predictions_of(0) is None
    assert trace.predictions is not None
    assert trace.predictions.tokens == ("negative",)
    masses = [trace.weights(1, head)[0] for head in range(2)]
    assert max(mass[11:13].sum() for mass in masses) > 0.5  # not fresh
    off = opinions.ablation(found, ["L1H0", "L1H1"])
    assert (off.before.tokens, off.still.shape) == (("negative",), (1,))
    assert off.still[0] < found.probabilities[0]


def test_a_small_classifier_learns_its_task(opinions: Run) -> None:
    score = Run.load(opinions.folder).score()
    assert score.accuracy >= 0.95
    assert set(score.groups) == {"plain", "not", "but", "although"}
    assert score.misled is not None
    assert score.best_head.startswith("L1H")
    assert score.on_keys is not None
    assert score.on_distractor is not None
    assert score.on_keys > 2 * score.on_distractor


@pytest.mark.parametrize("corpus", [{"text": TEXT}, {"text": COUNTS}, {"corpus": "classify"}])
def test_resuming_gives_the_history_of_an_unbroken_run(corpus: dict[str, Any], folder: str) -> None:
    wanted = {**SHAPE, "runs": folder, "context": 24, "validate_every": 2, "dropout": 0.1}
    api.train(**corpus, **{**wanted, "name": "part", "steps": 2, "overwrite": True, "decay": 0.0})
    whole = api.train(**corpus, **{**wanted, "name": "full", "steps": 4, "overwrite": True, "decay": 0.0})
    rest = api.train(**corpus, name="part", resume=True, steps=4, runs=folder, show=False)
    assert [point.loss for point in rest.history.train] == [point.loss for point in whole.history.train]
    assert rest.history.validation == whole.history.validation
    assert len(whole.history.train) == 4


def test_a_text_without_documents_has_no_start_token(folder: str) -> None:
    run = api.train(text=TEXT, name="continuous", runs=folder, **{**SHAPE, "tokenizer": "char"})
    found = run.generate("the c‹mask›t sat")
    assert found.prompt_ids[5] == run.model.mask_id
    assert (found.text[:5], found.text[6:]) == ("the c", "t sat")
    assert run.trace("the c‹mask›t").tokens[5] == "‹mask›"
    pieces = api.train(text=TEXT, name="pieces", runs=folder, **{**SHAPE, "vocab_size": 300})
    assert pieces.generate("the cat ‹mask› on the mat").prompt_ids == (
        *pieces.tokenizer.encode("the cat"), pieces.model.mask_id, *pieces.tokenizer.encode(" on the mat")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("corpus", "options", "message"),
    [
        ("dates", {}, "--model encoder writes no answers, and dates asks for them; it can learn classify"),
        ("sentences", {"lengths": "convolve"}, "--lengths convolve joins tokens.*try --lengths slide"),
        ("classify", {"context": 8}, "--context 8 is too short for a row of .* tokens; try --context .* truncate"),
    ],
)
def test_what_an_encoder_cannot_learn_is_one_line(
    corpus: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(AttnError, match=message) as error:
        api.train(corpus, runs=str(tmp_path), **{**SHAPE, **options})
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_what_an_encoder_is_not_scored_on_is_said_as_it_is(counts: Run, folder: str) -> None:
    sentences = api.train(runs=folder, name="sentences", **SHAPE)
    none = "skills are told by what a model writes next, and --model encoder writes nothing; try another model"
    for run in (counts, sentences):
        with pytest.raises(RunError, match=f"^{re.escape(none)}$"):
            run.skills()
        with pytest.raises(RunError) as caught:
            run.score()
        assert str(caught.value) == (
            f"this run was trained on {run.corpus.name!r}, which is no task; run.perplexity tells how well it predicts"
        )


def test_a_summary_says_what_was_learnt(opinions: Run, counts: Run) -> None:
    from attn_widgets.api import show

    assert "classify: 0.9" in show.summary(opinions) or "classify: 1.0" in show.summary(opinions)
    assert "nats per class" in show.summary(opinions)
    assert "perplexity" in show.summary(counts)
    with pytest.raises(ConfigError):
        opinions.generate("")
