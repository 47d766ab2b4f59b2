"""The three kinds of attention of an encoder–decoder: the trait `kind` and the layer follow each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.panels.cross import CrossPanel
from attn_widgets.panels.heads import HeadPanel
from tests.pair_traces import SOURCE, TARGET, pair_trace
from tests.panel_traces import Wire, causal_trace


def test_a_kind_begins_with_its_first_layer() -> None:
    assert [CrossPanel(pair_trace(), kind=kind).layer for kind in ("encoder", "decoder", "cross")] == [0, 2, 3]
    panel = CrossPanel(pair_trace(), layer=4)
    assert (panel.kind, panel.layer) == ("decoder", 4)
    assert repr(CrossPanel(pair_trace())) == "CrossPanel(layers=6, heads=4, tokens=5)"


def test_kind_follows_the_layer_and_goes_back_to_where_one_was() -> None:
    panel = CrossPanel(pair_trace())
    panel.layer = 5
    assert panel.kind == "cross"
    panel.kind = "decoder"
    assert panel.layer == 2
    panel.kind = "cross"
    assert panel.layer == 5


def test_a_selection_is_kept_within_the_tokens_of_the_kind() -> None:
    panel = CrossPanel(pair_trace(), kind="cross", query=5, key=4)
    panel.kind = "encoder"
    assert (panel.query, panel.key, panel.locked) == (None, 4, False)


def test_the_page_steps_by_layer() -> None:
    wire = Wire(CrossPanel(pair_trace()))
    wire.set(layer=3)
    assert isinstance(wire.panel, CrossPanel)
    assert (wire.panel.layer, wire.panel.kind) == (3, "cross")
    wire.set(kind="decoder")
    assert wire.panel.kind == "cross"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "self"}, "kind must be one of 'encoder', 'decoder', 'cross'; given 'self'"),
        ({"kind": "cross", "layer": 0}, "layer 0 is encoder attention, not cross; give one of the two"),
        ({"layer": 6}, "layer=6 does not exist; there are 6: 0 to 5"),
        ({"layer": "x"}, "layer must be a whole number from 0 to 5; given 'x'"),
    ],
)
def test_what_does_not_exist_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        CrossPanel(pair_trace(), **options)
    assert str(refused.value) == message


def test_one_kind_alone_needs_no_tabs() -> None:
    with pytest.raises(ConfigError, match="this trace has decoder attention alone; use HeadPanel"):
        CrossPanel(causal_trace())
    with pytest.raises(ConfigError, match="use HeadPanel for raw weights"):
        CrossPanel(np.ones((2, 3, 3)))  # type: ignore[arg-type]
    panel = CrossPanel(pair_trace())
    with pytest.raises(ConfigError, match="kind must be one of"):
        panel.kind = 3
    assert panel.kind == "encoder"


def test_its_snapshot_is_rectangular() -> None:
    panel = CrossPanel(pair_trace(), kind="cross")
    assert f"{len(TARGET)} rows by {len(SOURCE)} columns" in panel.snapshot()


def test_a_token_is_one_of_the_layer_on_show() -> None:
    panel = HeadPanel(pair_trace(), query="chat", key="fish", layer=3)
    assert (panel.query, panel.key, panel.layer) == (2, 3, 3)
    assert HeadPanel(pair_trace(), query=5, layer=3).query == 5
