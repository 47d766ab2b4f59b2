"""A run's folder: what is missing, damaged or changed in it is one line when the run is opened or used."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from attn_widgets.errors import RunError
from attn_widgets.run import Run
from attn_widgets.run.files import read_description, write_description
from attn_widgets.training.checkpoint import pointers
from tests.trained_runs import train_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_run(tmp_path_factory.mktemp("attn_runs") / "lines").folder


@pytest.fixture
def damaged(trained: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(trained, tmp_path / "lines"))


def test_a_missing_run_names_those_that_are_there(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run 'lins'; runs in .*: lines"):
        Run.load("lins", trained.parent)
    with pytest.raises(RunError, match=r"there is no run in .* yet"):
        Run.load("lines", tmp_path)


@pytest.mark.parametrize("name", ["run.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"version": 1, "kind": "word"}'])
def test_a_damaged_description_is_one_line(damaged: Path, name: str, content: bytes | None) -> None:
    (damaged / name).unlink()
    if content is not None:
        (damaged / name).write_bytes(content)
    with pytest.raises(RunError) as caught:
        Run.load(damaged)
    assert "\n" not in str(caught.value)
    assert "lines" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 99}, "newer attn_widgets"),
        ({"model": {"heads": 5}}, "damaged.*--heads 5 does not divide"),
        ({"training": {"wizardry": 1}}, "damaged.*wizardry"),
    ],
)
def test_a_description_that_does_not_fit(damaged: Path, change: dict[str, object], message: str) -> None:
    path = damaged / "run.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    with pytest.raises(RunError, match=message):
        Run.load(damaged)


def test_damaged_weights_and_other_weights(damaged: Path) -> None:
    (weights,) = damaged.glob("checkpoints/*/model.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(RunError, match="damaged"):
        Run.load(damaged).generate()
    (state,) = damaged.glob("checkpoints/*/state.json")
    state.write_bytes(b"{")
    with pytest.raises(RunError, match="damaged"):
        Run.load(damaged).history
    shutil.rmtree(damaged / "checkpoints")
    (damaged / "checkpoints.json").unlink()
    unfinished = Run.load(damaged)
    with pytest.raises(RunError, match="no checkpoint yet; train it first"):
        unfinished.generate()
    assert "best validation" not in unfinished._repr_html_()


def test_weights_that_do_not_fit_the_options(damaged: Path) -> None:
    described = read_description(damaged)
    write_description(damaged, described._replace(model=replace(described.model, layers=3)))
    with pytest.raises(RunError, match="weights do not fit its options"):
        Run.load(damaged).model


def test_what_was_read_follows_the_checkpoints(damaged: Path) -> None:
    run = Run.load(damaged)
    first, history = run.model, run.history
    assert run.model is first
    assert run.history is history
    (old,) = (damaged / "checkpoints").iterdir()
    old.rename(old.with_name("step-000080"))
    (damaged / "checkpoints.json").write_text('{"last": "step-000080", "best": "step-000080"}')
    assert run.model is not first
    assert run.history == history


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [("model", "positions", "nowhere"), ("model", "dim", 16.0), ("training", "steps", "3"), ("training", "seed", True)],
)
def test_options_of_other_kinds_in_a_description(damaged: Path, part: str, name: str, value: object) -> None:
    path = damaged / "run.json"
    found = json.loads(path.read_bytes())
    found[part][name] = value
    path.write_text(json.dumps(found))
    with pytest.raises(RunError, match=rf"'lines' is damaged.*--{name} must be .*; train again with --overwrite$"):
        Run.load(damaged)


def test_a_description_written_otherwise_is_the_same(damaged: Path) -> None:
    path = damaged / "run.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=4, sort_keys=True))
    assert Run.load(damaged).model_config.layers == 2


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("run.json", '"layers": 2', '"layers": 1'), ("run.json", "pizza", "pasta"), ("tokenizer.json", "pizza", "pasta")],
)
def test_a_description_that_was_changed(damaged: Path, name: str, old: str, new: str) -> None:
    path = damaged / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(RunError, match=rf"'lines' is damaged.*{name} has changed\); train again with --overwrite$"):
        Run.load(damaged)


def test_a_description_holds_any_text(damaged: Path) -> None:
    described = read_description(damaged)
    for probe in ("\ud800", "\ud83d\ude00", "é 北京 🙂", "\udce9"):
        write_description(damaged, described._replace(training=replace(described.training, probe=probe)))
        read_description(damaged)


@pytest.mark.parametrize("content", ["5", "null", "[]", "{}", '{"last": 5, "best": "x"}', '{"last": "x"}', "{"])
def test_damaged_pointers_to_checkpoints(damaged: Path, content: str) -> None:
    (damaged / "checkpoints.json").write_text(content)
    with pytest.raises(RunError, match=r"^run 'lines' is damaged: checkpoints.json .*; train again with --overwrite$"):
        pointers(damaged)


@pytest.mark.parametrize("content", ["5", "[]", "null", "{}"])
def test_a_damaged_manifest(damaged: Path, content: str) -> None:
    (manifest,) = damaged.glob("checkpoints/*/manifest.json")
    manifest.write_text(content)
    with pytest.raises(RunError, match="is damaged"):
        Run.load(damaged).generate()


def test_other_files_among_the_moments_are_no_moments(damaged: Path) -> None:
    (damaged / "moments" / "step-old.safetensors").touch()
    assert [step for step, _ in Run.load(damaged).moments] == [0, 1, 40]
