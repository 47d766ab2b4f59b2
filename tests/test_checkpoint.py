"""Checkpoints: bit for bit, whole or not at all, verified before anything changes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch.optim import Optimizer

from attn_widgets.errors import RunError
from attn_widgets.models.transformer import Transformer
from attn_widgets.training.checkpoint import load_weights, pointers, read_checkpoint, restore, write_checkpoint
from attn_widgets.training.lock import RunLock
from attn_widgets.training.optimizers import make_optimizer
from tests import children
from tests.small_runs import small_config, small_model

FILES = {"model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"}


def stepped(steps: int, **options: object) -> tuple[Transformer, Optimizer]:
    """A model and its optimizer after some steps with random gradients."""
    model = small_model(**options)
    optimizer = make_optimizer(model, small_config())
    with torch.random.fork_rng():
        torch.manual_seed(steps)
        for _ in range(steps):
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
    return model, optimizer


def write(run: Path, step: int, *, best: bool = False) -> Transformer:
    model, optimizer = stepped(step)
    write_checkpoint(run, model, optimizer, {"step": step, "note": "é"}, best=best)
    return model


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    model, optimizer = stepped(3)
    write_checkpoint(tmp_path, model, optimizer, {"step": 3, "loss": 0.1 + 0.2}, best=True)
    other, others = stepped(1)
    saved = read_checkpoint(tmp_path)
    restore(saved, other, others)
    assert saved.state == {"step": 3, "loss": 0.1 + 0.2}
    pairs = list(zip(model.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    for a, b in pairs:
        assert optimizer.state[a].keys() == others.state[b].keys() != set()
        assert all(torch.equal(optimizer.state[a][key], others.state[b][key]) for key in optimizer.state[a])


def test_tied_tensors_are_stored_once_and_loaded_under_both_names(tmp_path: Path) -> None:
    model, optimizer = stepped(2, tied=True)
    write_checkpoint(tmp_path, model, optimizer, {"step": 2}, best=False)
    with safe_open(tmp_path / "checkpoints/step-000002/model.safetensors", "pt") as file:
        assert "embedding.weight" in file.keys()  # noqa: SIM118
        assert "head.weight" not in file.keys()  # noqa: SIM118
    fresh = small_model(tied=True)
    fresh.load_state_dict(load_weights(tmp_path))
    assert fresh.head.weight is fresh.embedding.weight
    assert torch.equal(fresh.head.weight, model.head.weight)


def test_only_the_last_and_the_best_stay(tmp_path: Path) -> None:
    for step, best in [(1, True), (2, True), (3, False), (4, False)]:
        write(tmp_path, step, best=best)
    assert pointers(tmp_path) == {"last": "step-000004", "best": "step-000002"}
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"step-000002", "step-000004"}
    assert {path.name for path in (tmp_path / "checkpoints/step-000004").iterdir()} == FILES
    assert torch.equal(load_weights(tmp_path, "best")["head.weight"], stepped(2)[0].head.weight)
    assert torch.equal(load_weights(tmp_path, "last")["head.weight"], stepped(4)[0].head.weight)


def test_the_same_step_again_takes_another_name(tmp_path: Path) -> None:
    for best in (True, False, False, True):
        write(tmp_path, 7, best=best)
    assert set(pointers(tmp_path).values()) == {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert read_checkpoint(tmp_path).state["step"] == 7


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_told_before_anything_changes(tmp_path: Path, name: str, damage: str) -> None:
    write(tmp_path, 2)
    path = tmp_path / "checkpoints/step-000002" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(data if damage == "flip" else data[: len(data) // 2])
    with pytest.raises(RunError, match=r"step-000002 is damaged.*--overwrite") as caught:
        read_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, 2)
    for options in ({"dim": 16}, {"layers": 2}, {"bias": True}):
        model = small_model(**options)
        before = [p.detach().clone() for p in model.parameters()]
        with pytest.raises(RunError, match="does not fit the model"):
            restore(read_checkpoint(tmp_path), model, make_optimizer(model, small_config()))
        assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_damaged_pointers_and_missing_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no best checkpoint"):
        load_weights(tmp_path)
    (tmp_path / "checkpoints.json").write_text("{")
    with pytest.raises(RunError, match=r"is damaged: checkpoints\.json"):
        load_weights(tmp_path)


# For each moment, a fork kills itself when so many things were made durable, renamed or removed.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from tests.test_checkpoint import write
left = 0
def counted(function):
    def call(*args, **kwargs):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return function(*args, **kwargs)
    return call
for moment in range(16):
    run = Path(sys.argv[1]) / str(moment)
    write(run, 1, best=True)
    if not (child := os.fork()):
        os.fsync, os.replace, shutil.rmtree = counted(os.fsync), counted(os.replace), counted(shutil.rmtree)
        left = moment
        write(run, 2, best=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    codes = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    seen = set()
    for moment, code in enumerate(codes):
        run = tmp_path / str(moment)
        saved = read_checkpoint(run)
        seen.add((int(code), saved.state["step"]))
        expected = stepped(saved.state["step"])[0]
        assert torch.equal(saved.weights["head.weight"], expected.head.weight)
        write(run, 3, best=True)  # the next one tidies up
        assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000003"]
        assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "checkpoints.json"]
    assert seen == {(-signal.SIGKILL, 1), (-signal.SIGKILL, 2), (0, 2)}


def test_nothing_is_pickled(tmp_path: Path) -> None:
    write(tmp_path, 1)
    for path in tmp_path.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.is_file():
            assert path.suffix == ".safetensors"
            with safe_open(path, "pt") as file:
                assert list(file.keys())


def test_a_run_open_elsewhere_is_refused(tmp_path: Path) -> None:
    hold = "import sys\nfrom pathlib import Path\nfrom attn_widgets.training.lock import RunLock\n"
    hold += "with RunLock(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    command = [sys.executable, "-c", hold, str(tmp_path / "mine")]
    with children.child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="'mine' is being trained elsewhere"), RunLock(tmp_path / "mine"):
            pass
        with RunLock(tmp_path / "other"):
            pass
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    with RunLock(tmp_path / "mine"):
        pass
