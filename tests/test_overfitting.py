"""What there is against overfitting reaches every model: dropout, weight decay, label smoothing, early stopping."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from attn_widgets import api
from attn_widgets.api import state
from attn_widgets.config import MECHANISMS_OF, ModelConfig, TrainConfig
from attn_widgets.models import make_model
from attn_widgets.run import Run
from attn_widgets.training import load_weights
from attn_widgets.training.objective import NextTokenLoss
from attn_widgets.training.optimizers import make_optimizer
from tests.tiny import TINY

MODELS = [name for name in get_args(get_type_hints(ModelConfig)["model"]) if name != "ngram"]
EVERY = [(model, attention) for model in MODELS for attention in MECHANISMS_OF[model]]
VOCABULARY, TOKENS = 13, 16


def small(model: str, attention: str = "scaled_dot", **options: Any) -> Any:
    shape: dict[str, Any] = {"layers": 1, "heads": 2, "dim": 8, "context": TOKENS, **options}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return make_model(ModelConfig(model=model, attention=attention, **shape), VOCABULARY)  # type: ignore[arg-type]


def inputs(model: Any) -> list[torch.Tensor]:
    ids = torch.randint(1, VOCABULARY, (2, TOKENS), generator=torch.Generator().manual_seed(1))
    return [ids, torch.tensor([TOKENS, TOKENS]), ids.flip(1)] if model.config.reads_pairs else [ids]


class Masks(TorchDispatchMode):
    """Notes the shape of everything that a pass drops from."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: Counter[tuple[int, ...]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.native_dropout.default, torch.ops.aten.bernoulli_.float):
            self.shapes[tuple(args[0].shape)] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("model", "attention"), EVERY)
def test_dropout_reaches_embedding_stream_and_attention(model: str, attention: str) -> None:
    made = small(model, attention, dropout=0.4).train()
    with Masks() as masks:
        made(*inputs(made))
    assert masks.shapes[2, TOKENS, 8] >= 2 or attention == "segment_memory", "embedding and stream"
    assert any(len(shape) >= 4 for shape in masks.shapes) or attention == "none", "attention weights"
    with Masks() as masks:
        made.eval()(*inputs(made))
    assert not masks.shapes


@pytest.mark.parametrize(("model", "attention"), EVERY)
def test_dropout_changes_training_alone(model: str, attention: str) -> None:
    made, without = small(model, attention, dropout=0.4), small(model, attention)
    without.load_state_dict(made.state_dict())
    with torch.no_grad():
        scored = made.eval()(*inputs(made)).logits
        torch.testing.assert_close(scored, without.eval()(*inputs(made)).logits)
        made.train()
        drawn = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            drawn.append(made(*inputs(made)).logits)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    assert not torch.allclose(drawn[0], scored)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("model", MODELS)
def test_weight_decay_shrinks_the_matrices_and_nothing_else(model: str, optimizer: str) -> None:
    made = small(model)
    config = TrainConfig(optimizer=optimizer, weight_decay=0.5, learning_rate=0.1)  # type: ignore[arg-type]
    before = {name: parameter.detach().clone() for name, parameter in made.named_parameters()}
    matrices = {id(parameter) for parameter in made.parameter_groups()["matrices"]}
    for parameter in made.parameters():
        parameter.grad = torch.zeros_like(parameter)
    make_optimizer(made, config).step()
    assert matrices
    for name, parameter in made.named_parameters():
        left = 1 - 0.1 * 0.5 if id(parameter) in matrices else 1.0
        torch.testing.assert_close(parameter.detach(), left * before[name], msg=name)


@pytest.mark.parametrize("model", MODELS)
def test_label_smoothing_is_torchs_for_every_model(model: str) -> None:
    made = small(model).eval()
    given = inputs(made)
    targets = given[-1].roll(1, dims=1)
    targets[0, :4] = -100
    loss, told = NextTokenLoss(made, 0.3)(*given, targets)
    flat = made(*given).logits.flatten(0, 1)
    torch.testing.assert_close(loss, F.cross_entropy(flat, targets.flatten(), label_smoothing=0.3))
    torch.testing.assert_close(told, F.cross_entropy(flat, targets.flatten()))
    assert loss != told


@pytest.mark.parametrize("model", MODELS)
def test_patience_stops_every_model_and_keeps_its_best(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random text has nothing to learn but by heart, so that validation turns soon."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_last", None)
    random = np.random.default_rng(5)
    words = ["".join(random.choice(list("abcdef"), 6)) for _ in range(80)]
    source: dict[str, Any] = {"text": "".join(words), "tokenizer": "char"}
    if ModelConfig(model=model).reads_pairs:  # type: ignore[arg-type]
        Path("pairs.tsv").write_text("\n".join(f"{a}\t{b}" for a, b in zip(words[:40], words[40:], strict=True)))
        source = {"corpus": "pairs.tsv"}
    options = {**TINY, "steps": 400, "validate_every": 5, "patience": 3, "moments": 0}
    options |= {"learning_rate": 0.1, "warmup": 0}
    run = api.train(**source, show=False, model=model, **options)
    losses, best = run.history.validation, run.history.best
    assert best is not None
    assert len(losses) - 1 - losses.index(best) == 3
    assert len(run.history.train) == losses[-1].step < 400
    assert run.history.turn == best
    assert all(loss.loss >= best.loss for loss in losses)
    kept = load_weights(run.folder, "best")
    assert all(torch.equal(tensor, kept[name]) for name, tensor in Run.load(run.name).model.state_dict().items())
    assert math.isfinite(best.loss)
