"""The roles of every model's parameters: what each kind of tensor is for an optimizer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from attn_widgets.config import ModelConfig
from attn_widgets.models import MODELS
from attn_widgets.models.encoder import Encoder
from attn_widgets.models.heads import heads_of_records
from attn_widgets.models.norms import RMSNorm
from attn_widgets.models.pooling import Classifier

BUILDERS: dict[str, Any] = {
    **{name: made for name, made in MODELS.items() if name != "ngram"},
    "encoder": Encoder,
    "classifier": lambda config, size: Classifier(config, size, 3),
}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("attention", ["scaled_dot", "general", "additive"])
@pytest.mark.parametrize("name", BUILDERS)
def test_each_parameter_has_the_role_of_its_module(name: str, attention: Any, tied: bool) -> None:
    kind: Any = "encoder" if name == "classifier" else name
    config = ModelConfig(
        model=kind, attention=attention, dim=16, heads=4, tied=tied, positions="learned", bias=True,
        qk_norm=name != "convseq2seq",
    )  # fmt: skip
    model = BUILDERS[name](config, 23)
    groups = model.parameter_groups()
    told = sorted(id(parameter) for group in groups.values() for parameter in group)
    assert told == sorted(id(parameter) for parameter in model.parameters())
    hidden = {id(parameter) for parameter in groups["matrices"]}
    assert {parameter.ndim for parameter in groups["matrices"]} == {2}
    outer = {id(parameter) for parameter in groups["embeddings"]}
    for module in model.modules():
        own = [id(parameter) for parameter in module.parameters(recurse=False)]
        if isinstance(module, RMSNorm | nn.LayerNorm | nn.ParameterDict):  # gains of a head's queries are 2-D too
            assert not hidden & set(own)
        if isinstance(module, nn.Linear) and module is not model.head:
            assert id(module.weight) in hidden
        if isinstance(module, nn.Embedding):
            assert set(own) <= outer
    assert all(sum(rows) == len(parameter) for parameter, rows in model.stacked_rows().items())
    assert {id(parameter) for parameter in model.stacked_rows()} <= hidden


def test_hashing_stacks_two_maps_and_grouped_heads_are_narrow() -> None:
    def rows(**options: Any) -> set[tuple[int, ...]]:
        return set(MODELS["transformer"](ModelConfig(dim=16, **options), 9).stacked_rows().values())

    assert rows(attention="lsh") == {(16, 16)}
    assert rows(kv_heads=2) == {(16, 8, 8)}


def test_heads_are_gathered_by_record_each_once() -> None:
    found = heads_of_records([(1, 2), (0, 3), (1, 0), (1, 2)], 2, 4, torch.device("cpu"))
    assert {layer: heads.tolist() for layer, heads in found.items()} == {1: [0, 2], 0: [3]}
