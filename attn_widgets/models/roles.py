"""The roles that a model's parameters play for an optimizer, told by the modules that hold them."""

from __future__ import annotations

from typing import cast

from torch import nn

from attn_widgets.models.cells import Recurrence
from attn_widgets.models.convolution import Convolution
from attn_widgets.models.heads import MultiHead
from attn_widgets.models.self_attention import Attention


def group_parameters(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Parameters by their role, each in exactly one group; a tied head is its embedding.

    Returns
    -------
    dict
        ``matrices``: hidden 2-D maps (for Muon); ``embeddings``: token and position embeddings and the output head,
        ``model.head``; ``gains``: gains of norms, biases, and whatever a mechanism or a pooling trains of its own.
    """
    groups: dict[str, list[nn.Parameter]] = {"matrices": [], "embeddings": [], "gains": []}
    seen: set[int] = set()
    for module in model.modules():
        outer = isinstance(module, nn.Embedding) or module is getattr(model, "head", None)
        maps = isinstance(module, nn.Linear | nn.RNNBase | Convolution)
        for parameter in module.parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                role = "embeddings" if outer else "matrices" if maps and parameter.ndim == 2 else "gains"
                groups[role].append(parameter)
    return groups


def rows_of_stacks(model: nn.Module) -> dict[nn.Parameter, tuple[int, ...]]:
    """Rows of each map in the matrices that stack several.

    They are the query, the key and the value map of a self-attention (under ``lsh`` a query is its own key), the key
    and the value map of an attention to something else, a recurrence's gates, a convolution's values and gates.
    """
    rows: dict[nn.Parameter, tuple[int, ...]] = {}
    for module in model.modules():
        if isinstance(module, Attention):
            sizes = (module.heads, module.key_heads, module.kv_heads)
            rows[cast(nn.Parameter, module.qkv.weight)] = tuple(size * module.head_dim for size in sizes if size)
        elif isinstance(module, MultiHead):
            rows[cast(nn.Parameter, module.key_value.weight)] = (module.kv_heads * module.head_dim,) * 2
        elif isinstance(module, Recurrence):
            weights = [parameter for parameter in module.cells.parameters() if parameter.ndim == 2]
            rows |= dict.fromkeys(weights, (module.dim,) * module.gates)
        elif isinstance(module, Convolution):
            rows[module.weight] = (module.dim,) * 2
    return rows
