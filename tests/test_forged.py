"""Messages that no panel of ours sends, to every panel: refused, answered, and nothing is changed by them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from attn_widgets.panels.stepping import SteppingPanel
from tests.panel_classes import PANELS, make
from tests.panel_traces import Wire

HUGE = 10**5000
"""Python refuses to print it."""

NESTED: Any = 0
for _ in range(5000):
    NESTED = [NESTED]

POSITIONS = [10**9, -1, HUGE, 0.5, float("nan"), True, "1", "<img src=x>", [0], {"layer": 0}, NESTED]
FLAGS = [0, 1, None, "true", [True], HUGE, NESTED]
ABSURD = [{"a": {"b": ["c"]}}, "x" * 1_000_000, NESTED, HUGE, [[[["x"]]]]]
SHARED = [*((name, value) for name in ("layer", "head", "query", "key", "moment") for value in POSITIONS),
          *((name, value) for name in ("mean", "locked") for value in FLAGS)]  # fmt: skip


@pytest.fixture(params=PANELS, ids=lambda panel: panel.__name__)
def wire(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Wire:
    caplog.set_level(logging.CRITICAL)
    return Wire(make(request.param))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let a second pass, after which a panel may say something again."""
    now = [0.0]
    monkeypatch.setattr("attn_widgets.panels.base.time.monotonic", lambda: now[0])

    def step() -> None:
        now[0] += 2

    return step


def state(wire: Wire) -> dict[str, Any]:
    """All traits that the page knows."""
    return {name: getattr(wire.panel, name) for name in wire.panel.keys if name != "layout"}


def refused(wire: Wire, **forged: Any) -> None:
    """Set traits as the page would, and check that nothing came of it."""
    before, words = state(wire), len(wire.sent)
    wire.set(**forged)
    assert state(wire) == before
    ((reason, buffers),) = wire.sent[words:]
    assert set(reason) == {"error"}
    assert len(reason["error"]) < 600
    assert "\n" not in reason["error"]
    assert buffers == []
    assert wire.states[-1] == {name: before[name] for name in wire.panel.page_traits}, "the page gets the truth back"


def test_there_are_panels_to_forge_for() -> None:
    assert "HeadPanel" in [panel.__name__ for panel in PANELS]
    assert all(issubclass(panel, SteppingPanel) for panel in PANELS)


def test_positions_and_flags_that_do_not_fit(wire: Wire, later: Callable[[], None]) -> None:
    for name, value in SHARED:
        later()
        refused(wire, **{name: value})


def test_what_no_trait_takes(wire: Wire, later: Callable[[], None]) -> None:
    for name in wire.panel.page_traits:
        for value in ABSURD:
            later()
            refused(wire, **{name: value})


def test_what_fits_is_not_taken_beside_what_does_not(wire: Wire, later: Callable[[], None]) -> None:
    for forged in ({"layer": 1, "head": 10**9}, {"head": 1, "mean": "x"}, {"layer": 1, "nonsense": 1}):
        later()
        refused(wire, **forged)


def test_traits_that_are_not_the_pages(wire: Wire, later: Callable[[], None]) -> None:
    panel = wire.panel
    own = set(panel.trait_names()) - set(panel.page_traits)
    assert {"_spec", "_esm", "_snapshot", "layout", "comm"} <= own
    for name in sorted({*own, "_model_id", "_frames", "trace", "__class__", "x" * 100_000}):
        later()
        refused(wire, **{name: getattr(panel, name, "forged") if name == "_spec" else "forged"})


def test_a_thousand_forged_states_get_few_words(wire: Wire) -> None:
    before = state(wire)
    for i in range(1000):
        wire.set(layer=10**9 + i)
    assert state(wire) == before
    assert len(wire.states) + len(wire.sent) < 200


def bodies(ask: str) -> list[dict[str, Any]]:
    """Requests of one kind with everything wrong that can be."""
    names = ("moment", "layer", "head", "query", "key", "heads", "rows", "columns", "step", "metric", "value")
    values = (10**9, -1, HUGE, None, "x", float("inf"), NESTED, {"a": 1}, [10**9, "x"], [[10**9, 0]])
    return [{"ask": ask}, *({"ask": ask, **dict.fromkeys(names, value)} for value in values)]


def test_every_request_is_answered_whatever_it_holds(wire: Wire) -> None:
    before = state(wire)
    asks = [*wire.panel.answers(), "drop", "__init__", "close"]
    requests = [body for ask in asks for body in bodies(ask)]
    requests += [{"ask": ask} for ask in (None, 7, ["head"], {"ask": "head"}, HUGE, NESTED, "x" * 1_000_000)]
    for number, body in enumerate(requests):
        reply = wire.ask({**body, "id": f"v-{number}"})
        assert reply is not None, "answered"
        content, _ = reply
        assert content["id"] == f"v-{number}"
        assert len(content.get("error", "")) < 600
        json.dumps(content, allow_nan=False)
    assert len(wire.sent) == len(requests), "once"
    assert state(wire) == before


def test_a_thousand_requests_at_once_are_a_thousand_short_answers(wire: Wire) -> None:
    for i in range(1000):
        wire.ask({"id": f"v-{i}", "ask": "head", "moment": 0, "layer": 10**9 + i, "head": "x" * 10_000})
    assert [content["id"] for content, _ in wire.sent] == [f"v-{i}" for i in range(1000)]
    assert all("error" in content and len(content["error"]) < 600 for content, _ in wire.sent)


@pytest.mark.parametrize(
    "data",
    [
        None, 7, "x", [], {}, {"method": None}, {"method": ["update"]}, {"method": "close"}, {"method": "update"},
        {"method": "update", "state": None}, {"method": "update", "state": ["layer"]},
        {"method": "update", "state": {}, "buffer_paths": [["_weights"], [0, 1], 7]},
        {"method": "custom"}, {"method": "custom", "content": [NESTED]},
        {"method": "custom", "content": {"id": 7, "ask": "head"}},
        {"method": "custom", "content": {"id": "x" * 1000, "ask": "head"}},
    ],
    ids=range(16),
)  # fmt: skip
def test_messages_of_no_shape_raise_nothing_and_change_nothing(wire: Wire, data: Any) -> None:
    before = state(wire)
    for _ in range(100):
        wire.panel._handle_msg({"content": {"data": data}, "buffers": [b"forged"]})
    assert state(wire) == before
    assert len(wire.sent) + len(wire.states) <= 20


def test_states_are_not_sent_for_ever(wire: Wire) -> None:
    """One may be megabytes."""
    for _ in range(1000):
        wire.panel._handle_msg({"content": {"data": {"method": "request_state"}}, "buffers": []})
    assert 1 <= len(wire.states) <= 60


def test_a_closed_panel_takes_messages_that_were_on_their_way(wire: Wire) -> None:
    panel = wire.panel
    panel.close()
    assert panel.comm is None
    wire.set(layer=10**9)
    wire.set(layer=1)
    assert wire.ask({"id": "v-0", "ask": "head", "moment": 0, "layer": 0, "head": 0}) is None
    panel.close()
