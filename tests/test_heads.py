"""The head panel from Python and from the page: traits, forged messages, answers, moments."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import traitlets

from attn_widgets.errors import ConfigError
from attn_widgets.panels import heads
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.trace import AttentionTrace, Predictions
from tests.panel_traces import WORDS, Wire, causal_trace


@dataclass
class Without:
    before: Predictions
    after: Predictions
    still: np.ndarray


def ablation(names: Sequence[str]) -> Without:
    """Predictions in which only the last row changes."""
    before = causal_trace().predictions
    assert before is not None
    after = Predictions((*before.tokens[:-1], names[0]), before.probabilities / 2)
    return Without(before, after, before.probabilities / 4)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A panel of a trace that counts as too large to be sent whole."""
    monkeypatch.setattr(heads, "WHOLE", 0)
    return Wire(HeadPanel(causal_trace(), ablate=ablation, moments=[(5, causal_trace(seed=1))]))


def test_a_small_trace_is_sent_whole() -> None:
    panel = HeadPanel(causal_trace())
    sent = np.frombuffer(panel._weights, "<f4").reshape(2, 4, 10, 10)
    for layer, head in panel.trace.iter_heads():
        np.testing.assert_array_equal(sent[layer, head], panel.trace.weights(layer, head))


def test_the_repr_is_stable() -> None:
    assert repr(HeadPanel(causal_trace())) == "HeadPanel(layers=2, heads=4, tokens=10)"


def test_a_token_names_where_to_start() -> None:
    panel = HeadPanel(causal_trace(), layer=1, head=3, query="drink", key="pizza")
    assert (panel.query, panel.key, panel.locked) == (7, 5, True)


def test_raw_weights_are_taken_as_they_are() -> None:
    panel = HeadPanel(np.full((3, 2, 2), 0.5), tokens=["a", "b"])
    assert repr(panel) == "HeadPanel(layers=1, heads=3, tokens=2)"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("layer", 2, "layer=2 does not exist; there are 2: 0 to 1"),
        ("head", -1, "head=-1 does not exist; there are 4: 0 to 3"),
        ("head", "1", "head must be a whole number from 0 to 3; given '1'"),
        ("head", 1.0, "head must be a whole number from 0 to 3; given '1.0'"),
        ("head", True, "head must be a whole number from 0 to 3; given 'True'"),
        ("head", None, "head must be a whole number from 0 to 3; given 'None'"),
        ("query", 10, "query=10 does not exist; there are 10: 0 to 9"),
        ("mean", "yes", "mean must be True or False; given 'yes'"),
    ],
)
def test_what_does_not_exist_is_refused_in_one_line(name: str, value: Any, message: str) -> None:
    panel = HeadPanel(causal_trace(), layer=1)
    before = {trait: getattr(panel, trait) for trait in HeadPanel.page_traits}
    with pytest.raises(ConfigError) as refused:
        setattr(panel, name, value)
    assert str(refused.value) == message
    assert isinstance(refused.value, traitlets.TraitError)
    assert {trait: getattr(panel, trait) for trait in HeadPanel.page_traits} == before


def test_numpy_integers_are_whole_numbers() -> None:
    panel = HeadPanel(causal_trace())
    panel.head = np.int64(2)
    assert panel.head == 2
    assert type(panel.head) is int


def test_a_layer_with_fewer_heads_keeps_the_head_within() -> None:
    wide, narrow = causal_trace(1, 4).blocks[0], causal_trace(2, 2).blocks[1]
    panel = HeadPanel(AttentionTrace([wide, narrow]), head=3)
    panel.layer = 1
    assert panel.head == 1


def test_two_panels_can_be_linked() -> None:
    one, other = HeadPanel(causal_trace()), HeadPanel(causal_trace(seed=1))
    traitlets.link((one, "head"), (other, "head"))
    one.head = 3
    assert other.head == 3


def test_the_page_sets_what_fits() -> None:
    wire = Wire(HeadPanel(causal_trace()))
    wire.set(key=5, query=7, head=3, layer=1, locked=True)
    panel = wire.panel
    assert isinstance(panel, HeadPanel)
    assert (panel.layer, panel.head, panel.query, panel.key, panel.locked) == (1, 3, 7, 5, True)
    wire.set(query=None, key=None, locked=False)
    assert (panel.query, panel.key, panel.locked) == (None, None, False)


@pytest.mark.parametrize(
    "forged",
    [
        {"layer": 10**9},
        {"layer": 1, "head": "<img src=x>"},
        {"head": 1, "query": 99},
        {"head": 1, "mean": 1},
        {"head": 1, "_spec": {}},
        {"head": 1, "_esm": "alert(1)"},
        {"head": [1]},
        {"layer": None},
    ],
)
def test_forged_state_is_refused_whole_and_the_page_gets_the_true_one_back(forged: dict[str, Any]) -> None:
    wire = Wire(HeadPanel(causal_trace(), head=2))
    wire.set(**forged)
    panel = wire.panel
    assert {name: getattr(panel, name) for name in ("layer", "head", "query", "mean")} == {
        "layer": 0, "head": 2, "query": None, "mean": False,
    }  # fmt: skip
    assert wire.states[-1]["head"] == 2
    (reason, _) = wire.sent[-1]
    assert set(reason) == {"error"}
    assert "\n" not in reason["error"]


def test_a_thousand_forged_messages_get_few_words() -> None:
    wire = Wire(HeadPanel(causal_trace()))
    for i in range(1000):
        wire.set(layer=10**9 + i)
    assert len(wire.states) + len(wire.sent) < 200
    assert wire.panel.layer == 0


def test_heads_of_a_large_trace_come_on_request(large: Wire) -> None:
    assert len(large.panel._weights) == 4 * 100  # the head on show alone
    reply = large.ask({"id": "v-1", "ask": "head", "moment": 1, "layer": 1, "head": 3})
    assert reply is not None
    content, (weights, states) = reply
    assert content["id"] == "v-1"
    trace = large.panel.trace
    np.testing.assert_array_equal(np.frombuffer(weights, "<f4").reshape(10, 10), trace.weights(1, 3))
    np.testing.assert_array_equal(np.frombuffer(states, np.uint8).reshape(10, 10), trace.states(1, 3))


def test_the_ranking_is_the_one_that_python_finds(large: Wire) -> None:
    reply = large.ask({"id": "v-3", "ask": "find", "moment": 1, "query": 7, "key": 5})
    assert reply is not None
    found = large.panel.trace.find(query="drink", key="pizza")
    assert [tuple(line[:2]) for line in reply[0]["found"]] == [(h.layer, h.head) for h in found]
    assert reply[0]["found"][0] == [1, 3, 1.0]


def test_a_head_is_switched_off_on_request(large: Wire) -> None:
    reply = large.ask({"id": "v-4", "ask": "ablate", "layer": 0, "head": 2})
    assert reply is not None
    told = reply[0]["ablation"]
    assert told["before"]["tokens"][-1] == "‹end›"
    assert told["after"]["tokens"][-1] == "L0H2"
    assert told["still"][-1] == 0.25


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"ask": "head", "moment": 0, "layer": 0, "head": 4}, "head=4 does not exist"),
        ({"ask": "head", "moment": 0, "layer": 10**9, "head": 0}, "layer=1000000000 does not exist"),
        ({"ask": "head", "moment": 0, "layer": 0}, "head must be a whole number"),
        ({"ask": "head", "layer": 0, "head": 0}, "moment must be a whole number"),
        ({"ask": "find", "moment": 0, "query": None, "key": 1}, "a request needs"),
        ({"ask": "find", "moment": 0, "query": "drink", "key": 1}, "query must be a whole number"),
        ({"ask": "drop"}, "a panel cannot be asked 'drop'"),
        ({}, "a panel cannot be asked 'None'"),
        ({"ask": ["head"]}, "a panel cannot be asked"),
    ],
)
def test_every_request_is_answered_also_with_an_error(large: Wire, request_: dict[str, Any], reason: str) -> None:
    reply = large.ask({"id": "v-5", **request_})
    assert reply is not None
    assert reply[0]["id"] == "v-5"
    assert reason in reply[0]["error"]
    assert "\n" not in reply[0]["error"]


@pytest.mark.parametrize("message", [None, 7, "x", [], {}, {"id": 3, "ask": "head"}, {"id": "x" * 1000}])
def test_messages_that_nobody_can_be_answered_for_are_dropped(large: Wire, message: Any) -> None:
    assert large.ask(message) is None


def test_an_error_in_the_callback_is_the_answer() -> None:
    def broken(names: Sequence[str]) -> Without:
        raise RuntimeError(f"no model for {names[0]}")

    wire = Wire(HeadPanel(causal_trace(), ablate=broken))
    reply = wire.ask({"id": "v-6", "ask": "ablate", "layer": 1, "head": 1})
    assert reply == ({"id": "v-6", "error": "RuntimeError: no model for L1H1"}, [])


def test_requests_from_several_threads_get_their_own_answers(large: Wire) -> None:
    def ask(head: int) -> None:
        for i in range(20):
            large.ask({"id": f"{head}-{i}", "ask": "head", "moment": 1, "layer": 0, "head": head})

    threads = [threading.Thread(target=ask, args=(head,)) for head in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(large.sent) == 80
    for content, (weights, _) in large.sent:
        head = int(content["id"].split("-")[0])
        assert weights == large.panel.trace.weights(0, head).tobytes()


def test_moments_come_before_the_trace_and_an_equal_last_one_is_shown_once() -> None:
    early, late = causal_trace(seed=1), causal_trace()
    apart = HeadPanel(causal_trace(seed=2), moments=[(1, early), (500, late)])
    assert [frame["step"] for frame in apart._spec["frames"]] == [1, 500, None]
    once = HeadPanel(causal_trace(), moments=[(1, early), (500, late)])
    assert [frame["step"] for frame in once._spec["frames"]] == [1, 500]
    assert once.moment == 1


def test_moments_need_the_heads_of_the_trace() -> None:
    with pytest.raises(ConfigError, match="moment at step 3 has"):
        HeadPanel(causal_trace(), moments=[(3, causal_trace(heads=2))])
    with pytest.raises(ConfigError, match="at most 8 moments; given 9"):
        HeadPanel(causal_trace(), moments=[(i, causal_trace()) for i in range(9)])


def test_a_moment_of_a_shorter_text_lets_go_of_what_it_lacks() -> None:
    panel = HeadPanel(causal_trace(), moments=[(1, causal_trace(tokens=WORDS[:4]))], query=8, key=3)
    panel.moment = 0
    assert (panel.query, panel.key, panel.locked) == (None, 3, False)


def test_heads_are_switched_off_ahead_so_that_it_works_without_a_kernel() -> None:
    panel = HeadPanel(causal_trace(), ablate=ablation)
    assert set(panel._spec["ablations"]) == {f"L{layer}H{head}" for layer in range(2) for head in range(4)}
    assert HeadPanel(causal_trace())._spec["ablate"] is False


def test_a_title_is_text() -> None:
    with pytest.raises(ConfigError, match="title must be text; given 5"):
        HeadPanel(causal_trace(), title=5)  # type: ignore[arg-type]
