"""Records, blocks and errors for the tests of traces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_widgets.errors import AttnError
from attn_widgets.trace import (
    Block,
    DotProductRecord,
    causal_range,
)

RANDOM = np.random.default_rng(0)
FIVE = RANDOM.random((2, 3, 4, 5, 6)).astype(np.float32)  # layer, batch, head, query, key


def dot_record(heads: int = 4, queries: int = 5, keys: int = 5) -> DotProductRecord:
    query, key = RANDOM.standard_normal((heads, queries, 8)), RANDOM.standard_normal((heads // 2, keys, 8))
    return DotProductRecord(query.astype(np.float32), key.astype(np.float32), 0.4, *causal_range(queries, keys))


def one_block(record: Any, tokens: tuple[str, ...] | None = None, layer: int = 0) -> Block:
    numbers = tuple(map(str, range(record.keys)))
    return Block("decoder", layer, tokens or numbers[: record.queries], tokens or numbers, record)


def only_line(error: pytest.ExceptionInfo[AttnError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)
