"""The state of a run on disk: safetensors and JSON, never pickle.

``<run>/checkpoints/step-000500/`` holds ``model.safetensors``, ``optimizer.safetensors``,
``state.json`` and ``manifest.json``; ``<run>/checkpoints.json`` says which one is the last and which
the best, and is the moment at which a new checkpoint counts. Everything is read and compared with
the model before anything is changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from attn_widgets.config import TrainConfig
from attn_widgets.errors import RunError
from attn_widgets.training.storage import read_folder, remove_leftovers, write_file, write_folder

POINTERS = "checkpoints.json"
FOLDER = "checkpoints"
Which = Literal["last", "best"]


@dataclass(frozen=True)
class Checkpoint:
    """What one folder holds.

    Attributes
    ----------
    weights
        By name in the model's ``state_dict``; tied tensors under each of their names.
    moments
        The optimizer's tensors, as ``<parameter>/<key>``.
    state
        JSON: ``step`` and whatever the loop remembers.
    """

    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    state: dict[str, Any]


def write_checkpoint(
    run: Path, model: nn.Module, optimizer: Optimizer, state: Mapping[str, Any], *, best: bool
) -> None:
    """Write the state after ``state["step"]`` steps and make it the last one.

    Parameters
    ----------
    run
        Folder of the run.
    state
        JSON-ready; ``step`` names the checkpoint.
    best
        Whether it is the best one too. The first checkpoint always is.
    """
    tensors, tied = _unique(model)
    files = {
        "model.safetensors": save(tensors),
        "optimizer.safetensors": save(_moments(model, optimizer)),
        "state.json": json.dumps({**state, "tied": tied}).encode(),
    }
    before = pointers(run)
    step = f"step-{state['step']:06d}"
    # One that counts is never touched, so that a kill at any moment leaves it.
    name = next(free for free in (step, f"{step}-2", f"{step}-3") if free not in before.values())
    write_folder(run / FOLDER / name, files)
    after = {"last": name, "best": name if best else before.get("best", name)}
    write_file(run / POINTERS, json.dumps(after).encode())
    remove_leftovers(run / FOLDER, keep=set(after.values()))


def pointers(run: Path) -> dict[str, str]:
    """Names of the ``last`` and the ``best`` checkpoint; empty where there is none.

    Raises
    ------
    RunError
        When the file is there and unreadable.
    """
    try:
        found: dict[str, str] = json.loads((run / POINTERS).read_bytes())
        if not isinstance(found, dict) or not all(isinstance(found.get(which), str) for which in ("last", "best")):
            raise ValueError("it does not name the last and the best one")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"run {run.name!r} is damaged: {POINTERS} ({error}); train again with --overwrite") from error
    return found


def read_checkpoint(run: Path, which: Which = "last") -> Checkpoint:
    """Read one checkpoint whole and verify it.

    Raises
    ------
    RunError
        When there is none, or it is damaged.
    """
    names = pointers(run)
    if which not in names:
        raise RunError(f"run {run.name!r} has no {which} checkpoint; train it first")
    path = run / FOLDER / names[which]
    files = read_folder(path)
    try:
        state = json.loads(files["state.json"])
        weights, moments = load(files["model.safetensors"]), load(files["optimizer.safetensors"])
    except (KeyError, ValueError, SafetensorError) as error:
        raise RunError(f"checkpoint {path} is damaged ({error}); train again with --overwrite") from error
    weights |= {alias: weights[name] for alias, name in state.pop("tied").items()}
    return Checkpoint(weights, moments, state)


def find_checkpoint(run: Path, config: TrainConfig, resume: bool) -> Checkpoint | None:
    """Where a training starts: None is the beginning.

    Raises
    ------
    RunError
        When a run is in the way, or `config` cannot go on with it.
    """
    if not pointers(run):
        return None
    if not resume:
        raise RunError(f"run {run.name!r} holds checkpoints already; give --resume, --overwrite or another --name")
    saved = read_checkpoint(run)
    used = saved.state["optimizer"]
    if used != config.optimizer:
        raise RunError(f"--optimizer {config.optimizer} cannot go on where {used} stopped; give --optimizer {used}")
    return saved


def load_weights(run: Path, which: Which = "best") -> dict[str, Tensor]:
    """Read a run's verified weights, ready for ``model.load_state_dict``.

    Raises
    ------
    RunError
        When there is no checkpoint, or it is damaged.
    """
    return read_checkpoint(run, which).weights


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: Optimizer) -> None:
    """Put the tensors of a checkpoint into a model and its optimizer.

    Raises
    ------
    RunError
        When they don't fit, before anything is changed.
    """
    parameters = dict(model.named_parameters())
    _check_fit(checkpoint.weights, model.state_dict())
    moments: dict[str, dict[str, Tensor]] = {}
    for name, tensor in checkpoint.moments.items():
        parameter, _, key = name.rpartition("/")
        if parameter not in parameters:
            raise RunError(f"the checkpoint's optimizer holds {parameter}, which the model lacks; use its own options")
        # AdamW's step counter has no dimension; the rest looks like the parameter.
        if tensor.ndim and tensor.shape != parameters[parameter].shape:
            raise RunError(f"the checkpoint's optimizer state of {parameter} does not fit; use the run's own options")
        moments.setdefault(parameter, {})[key] = tensor
    model.load_state_dict(checkpoint.weights)
    for name, held in moments.items():
        device = parameters[name].device
        optimizer.state[parameters[name]] = {key: tensor.to(device, copy=True) for key, tensor in held.items()}


def _check_fit(saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    for name in [*saved, *own]:
        there, here = saved.get(name), own.get(name)
        if there is None or here is None or there.shape != here.shape:
            shapes = " and ".join("none" if t is None else str(tuple(t.shape)) for t in (there, here))
            raise RunError(
                f"the checkpoint does not fit the model: {name} is {shapes} here; resume with the run's own options"
            )


def _unique(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Every tensor once, and the other names of those that are tied."""
    tensors: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    first: dict[int, str] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) in first:
            tied[name] = first[id(tensor)]
        else:
            first[id(tensor)] = name
            tensors[name] = tensor.detach().contiguous()
    return tensors, tied


def _moments(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    held = {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    return {name: value.detach().contiguous() for name, value in held.items() if isinstance(value, Tensor)}
