"""The roles that the parameters of a recurrent model play for an optimizer."""

from __future__ import annotations

from torch import nn

from attn_widgets.models.cells import Recurrence
from attn_widgets.models.heads import MultiHead


def group_parameters(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Parameters by their role, each in exactly one group.

    Returns
    -------
    dict
        ``matrices``: hidden 2-D maps (for Muon); ``embeddings``: the token embedding and the output head; ``gains``:
        biases, and whatever a mechanism trains of its own.
    """
    own = {id(p) for module in model.modules() if isinstance(module, MultiHead) for p in module.weights.parameters()}
    groups: dict[str, list[nn.Parameter]] = {"matrices": [], "embeddings": [], "gains": []}
    for name, parameter in model.named_parameters():
        outer = name.split(".")[0] in ("embedding", "head")
        hidden = parameter.ndim == 2 and id(parameter) not in own
        groups["embeddings" if outer else "matrices" if hidden else "gains"].append(parameter)
    return groups


def rows_of_stacks(model: nn.Module) -> dict[nn.Parameter, tuple[int, ...]]:
    """Rows of each gate's map in the matrices that stack gates, and of the key and the value map in theirs."""
    rows: dict[nn.Parameter, tuple[int, ...]] = {}
    for module in model.modules():
        if isinstance(module, Recurrence):
            weights = [p for p in module.cells.parameters() if p.ndim == 2]
            rows |= dict.fromkeys(weights, (module.dim,) * module.gates)
        elif isinstance(module, MultiHead):
            half = module.kv_heads * module.head_dim
            rows[module.key_value.get_parameter("weight")] = (half, half)
    return rows
