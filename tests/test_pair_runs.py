"""Runs of models that read a source and write a target, the whole way; and sources longer than the context."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attn_widgets import api
from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError, CorpusError
from attn_widgets.models import ConvSeq2Seq, Seq2Seq
from attn_widgets.run import Run
from tests.tiny import TINY

OPINION = "Anna says the soup was good , but the cake was not fresh ."
SHAPE: dict[str, Any] = {**TINY, "context": 32, "show": False, "moments": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("pairs") / "attn_runs")


@pytest.fixture(scope="module")
def dates(folder: str) -> Run:
    """A convolutional model that has learnt where day, month and year go."""
    wanted = {"model": "convseq2seq", "attention": "dot", "heads": 1, "dim": 48, "batch": 32, "steps": 120}
    return api.train("dates", runs=folder, name="dates", **{**SHAPE, **wanted, "validate_every": 60})


def test_a_convolutional_model_answers_is_scored_traced_and_viewed(dates: Run) -> None:
    assert isinstance(dates.model, ConvSeq2Seq)
    source = "4 July 1976"
    found = dates.generate(source, beams=3)
    assert found.stop_reason == "end"
    assert len(found.text) == 10
    trace = found.trace
    assert [block.kind for block in trace.blocks] == ["cross"]
    assert trace.key_tokens == tuple(source)
    assert trace.tokens == ("‹start›", *found.text)
    np.testing.assert_allclose(trace.weights(0, 0).sum(1), 1, atol=1e-5)
    assert trace.predictions is not None
    assert trace.predictions.tokens[-1] == "‹end›"
    assert dates.score().count == 1000
    assert dates.history.validation[-1].loss < 1.2 < dates.history.train[0].loss
    off = dates.ablation(source, ["L0H0"])
    assert len(off.still) == len(dates.trace(source).tokens)
    assert off.still.min() < 0.9


def test_its_panel_has_moments_of_the_source_watched_and_heads_to_switch_off(dates: Run) -> None:
    assert dates.corpus.pair is not None
    panel = api.view(dates.corpus.pair[0], run=dates)
    assert panel._frames.steps[:2] == (0, 120)
    assert {trace.key_tokens for trace in panel._frames.traces} == {tuple(dates.corpus.pair[0])}
    assert list(panel._ablations) == ["L0H0"]
    assert api.view(dates.generate("4 July 1976"), run=dates)._ablations


def test_options_that_a_convolutional_model_has_not() -> None:
    with pytest.raises(ConfigError, match=r"--kv-heads 1 does not work with --model convseq2seq.*leave --kv-heads out"):
        ModelConfig(model="convseq2seq", heads=2, kv_heads=1)
    with pytest.raises(ConfigError, match="--attention lsh does not work in --model convseq2seq; try one of"):
        ModelConfig(model="convseq2seq", attention="lsh")
    assert ModelConfig(model="convseq2seq", dim=9, heads=3).head_dim == 3  # positions are embedded, not turned


def test_options_of_sampling_are_refused(dates: Run) -> None:
    with pytest.raises(ConfigError) as caught:
        dates.generate("4 July 1976", repetition_penalty=1.5)
    assert str(caught.value) == (
        "--repetition-penalty 1.5 does not work with --model convseq2seq, which writes the likeliest answer "
        "(it does with transformer, recurrent, ngram); try --beams 4 or nothing"
    )
    with pytest.raises(ConfigError, match=r"^--greedy and --beams 4 exclude each other; give one of them$"):
        dates.generate("4 July 1976", greedy=True, beams=4)
    plain = {"repetition_penalty": 1.0, "temperature": 0.0, "min_p": 0.0, "greedy": True}
    assert dates.generate("4 July 1976", **plain).text == dates.generate("4 July 1976").text


@pytest.mark.parametrize("model", ["encoder", "seq2seq"])
@pytest.mark.parametrize("lengths", ["truncate", "slide", "convolve"])
def test_a_long_source_is_told_when_it_is_trained_on_and_when_it_is_read(
    model: str, lengths: str, folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATTN_PROGRESS", raising=False)
    options = {**SHAPE, "show": True, "context": 8, "lengths": lengths, "model": model, "validation_tokens": 50}
    run = api.train("classify", runs=folder, name=f"{model}-{lengths}", **options)
    first = capsys.readouterr().out
    becomes = {
        "truncate": ("their ends are cut off", "the last 6 are left out"),
        "slide": ("they are read in overlapping windows", "it is read in 3 overlapping windows"),
        "convolve": ("neighbouring tokens are joined until they fit", "neighbours are joined, 2 to one"),
    }[lengths]
    assert f"of them longer than --context 8: {becomes[0]} (--lengths {lengths}), vocabulary" in first
    found = run.generate(OPINION)
    what = "the text" if model == "encoder" else "the source"
    assert found.notes == (f"{what} has 14 tokens, the model's context 8: {becomes[1]}",)
    words, cross = OPINION.split(), found.trace.blocks[-1]
    joined = [f"{left}…{right}" for left, right in zip(words[::2], words[1::2], strict=True)]
    assert list(cross.key_tokens) == {"truncate": words[:8], "slide": words, "convolve": joined}[lengths]
    np.testing.assert_allclose(cross.record.weights(0).sum(1), 1, atol=1e-5)
    assert run.score().count == 1000


def test_without_a_choice_long_sources_are_refused(folder: str, dates: Run) -> None:
    with pytest.raises(CorpusError, match=r"--context 8 is too short for a row of .* try --context .* or --len"):
        api.train("classify", runs=folder, name="refused", **{**SHAPE, "model": "seq2seq", "context": 8})
    with pytest.raises(ConfigError, match=r"the source has 40 tokens, and --context 32 is .*--lengths trunc"):
        dates.generate("4" * 40)
    with pytest.raises(ConfigError, match="the source is empty; give at least one word of it"):
        dates.generate("")


@pytest.mark.parametrize(("lengths", "least", "most"), [("truncate", 0, 0.4), ("slide", 0.9, 1), ("convolve", 0.9, 1)])
def test_what_stands_at_the_end_is_lost_when_it_is_cut_off_and_kept_otherwise(
    lengths: Any, least: float, most: float
) -> None:
    """The answer is the last of twelve tokens, one of eight; the context holds four."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shape: Any = {"layers": 1, "heads": 1, "dim": 24, "context": 4, "attention": "additive"}
        model = Seq2Seq(ModelConfig(model="seq2seq", lengths=lengths, **shape), 10)
        optimizer = torch.optim.Adam(model.parameters(), 0.02)
        start = torch.full((64, 1), 9)
        for step in range(181):
            source = torch.randint(8, (64, 12))
            read = source[:, :4] if lengths == "truncate" else source
            logits = model(read, torch.full((64,), read.shape[1]), start).logits[:, 0]
            if step == 180:
                break
            loss: torch.Tensor = F.cross_entropy(logits, source[:, -1])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
    right = float((logits.argmax(-1) == source[:, -1]).float().mean())
    assert least <= right <= most


@pytest.mark.parametrize(("lengths", "least", "most"), [("truncate", 0, 0.6), ("slide", 0.9, 1), ("convolve", 0.9, 1)])
def test_opinions_that_are_cut_off_cannot_be_told(lengths: str, least: float, most: float, folder: str) -> None:
    wanted = {"batch": 32, "dim": 32, "context": 8, "steps": 150, "moments": 0, "validate_every": 150}
    options = {**SHAPE, **wanted, "model": "encoder", "lengths": lengths, "name": f"opinions-{lengths}"}
    assert least <= api.train("classify", runs=folder, **options).score().accuracy <= most
