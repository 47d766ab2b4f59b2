"""A trace: its sizes, rows and columns, means and states."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attn_widgets.errors import AttnError
from attn_widgets.trace import (
    MASKED,
    NOT_CAPTURED,
    VALUE,
    AttentionTrace,
    Block,
    Predictions,
    WeightsRecord,
)
from tests.small_traces import FIVE, RANDOM, dot_record, one_block

# from_arrays


# asking


def test_sizes_and_repr() -> None:
    trace = AttentionTrace.from_arrays(RANDOM.random((2, 4, 12, 12)))
    assert repr(trace) == "AttentionTrace(layers=2, heads=4, tokens=12)"
    assert list(trace.iter_heads()) == [(layer, head) for layer in range(2) for head in range(4)]
    assert (
        repr(AttentionTrace.from_arrays(FIVE, batch=0)) == "AttentionTrace(layers=2, heads=4, tokens=5, key_tokens=6)"
    )
    assert trace.nbytes == 2 * 4 * 12 * 12 * 4


def test_layers_and_heads_that_are_not_there() -> None:
    trace = AttentionTrace.from_arrays(FIVE, batch=0)
    with pytest.raises(AttnError, match="layer 2 does not exist; the trace has 2: 0 to 1"):
        trace.weights(2, 0)
    with pytest.raises(AttnError, match="head 4 does not exist; the layer has 4: 0 to 3"):
        trace.weights(0, 4)


def test_slices_and_single_positions() -> None:
    trace = AttentionTrace.from_arrays(FIVE, batch=0)
    np.testing.assert_array_equal(trace.weights(1, 2, slice(-2, None), slice(None, None, 2)), FIVE[1, 0, 2, -2:, ::2])
    np.testing.assert_array_equal(trace.weights(1, 2, 3, -1), FIVE[1, 0, 2, 3:4, 5:])
    assert trace.scores(1, 2) is None
    assert AttentionTrace([one_block(dot_record())]).scores(0, 0) is not None


def test_states_tell_four_things_apart() -> None:
    matrix = np.array([[[0, np.nan, 1, 1]]], np.float32)
    mask, known = np.array([[[True, True, False, True]]]), np.array([[[True, True, True, False]]])
    trace = AttentionTrace([Block("encoder", 0, ("q",), tuple("abcd"), WeightsRecord(matrix, mask, known))])
    np.testing.assert_array_equal(trace.weights(0, 0), [[0, np.nan, 0, 0]])
    np.testing.assert_array_equal(trace.states(0, 0), [[VALUE, VALUE, MASKED, NOT_CAPTURED]])
    np.testing.assert_array_equal(trace.visible(0, 0), [[True, True, False, True]])
    np.testing.assert_array_equal(trace.captured(0, 0), [[True, True, True, False]])


def test_mean_over_a_layer_and_over_all_heads() -> None:
    trace = AttentionTrace.from_arrays(FIVE, batch=0)
    np.testing.assert_allclose(trace.mean(1), FIVE[1, 0].mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(trace.mean(), FIVE[:, 0].mean(axis=(0, 1)), atol=1e-7)
    np.testing.assert_allclose(trace.mean(None, slice(1, 3), 4), FIVE[:, 0, :, 1:3, 4:5].mean(axis=(0, 1)), atol=1e-7)
    assert trace.mean().dtype == np.float32
    assert not trace.mean_states().any()
    uneven = AttentionTrace.from_arrays([np.eye(3), np.eye(4)])
    np.testing.assert_array_equal(uneven.mean(1), np.eye(4))
    with pytest.raises(AttnError, match=r"layers differ in rows and keys \[\(3, 3\), \(4, 4\)\]; give a layer"):
        uneven.mean()


def test_mean_counts_heads_that_captured_the_cell() -> None:
    matrix = np.array([[[1, 1, 1, 1]], [[3, 3, 3, 3]]], np.float32)
    known = np.array([[[True, False, False, True]], [[True, True, False, False]]])
    mask = np.array([[[True, True, True, True]], [[False, True, True, True]]])
    trace = AttentionTrace([Block("encoder", 0, ("q",), tuple("abcd"), WeightsRecord(matrix, mask, known))])
    np.testing.assert_array_equal(trace.mean(0), [[0.5, 3, 0, 1]])
    np.testing.assert_array_equal(trace.mean_states(0), [[VALUE, VALUE, NOT_CAPTURED, VALUE]])


# finding


# building and files


def test_blocks_predictions_and_layers_must_agree() -> None:
    record = dot_record()
    with pytest.raises(AttnError, match="layer 0 has 5 query rows and 5 keys; given 2 query tokens and 5 key tokens"):
        Block("decoder", 0, ("a", "b"), tuple("abcde"), record)
    with pytest.raises(AttnError, match="at least one layer"):
        AttentionTrace([])
    with pytest.raises(AttnError, match="block 0 calls itself layer 1"):
        AttentionTrace([one_block(record, layer=1)])
    with pytest.raises(AttnError, match="1 predictions for 5 query rows"):
        AttentionTrace([one_block(record)], Predictions(("a",), np.ones(1, np.float32)))
    with pytest.raises(AttnError, match="2 predicted tokens, but probabilities"):
        Predictions(("a", "b"), np.ones(3, np.float32))


def test_the_room_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\nfrom attn_widgets.trace import AttentionTrace\nimport attn_widgets.trace.metrics\n"
        f"AttentionTrace.from_arrays(np.eye(3)).save({str(tmp_path / 'x')!r})\n"
        f"print(AttentionTrace.load({str(tmp_path / 'x')!r}).find(1, 1)[0].weight, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1.0 False\n"


WRONG = """
import numpy as np
from attn_widgets.errors import AttnError
from attn_widgets.trace import AttentionTrace

given = np.ones((2, 1, 2, 3, 3), np.float32)
trace = AttentionTrace.from_arrays(given, tokens=["a", "b", "c"])
for call in (
    lambda: AttentionTrace.from_arrays(given, tokens=5),
    lambda: AttentionTrace.from_arrays(given, batch="0"),
    lambda: AttentionTrace.from_arrays(given, batch=True),
    lambda: AttentionTrace.from_arrays(given, batch=0.0),
    lambda: trace.weights(0, 0, [0, 1]),
    lambda: trace.weights(0, 0, 1.5),
    lambda: trace.weights(0, 0, slice("a", "b")),
    lambda: trace.weights(0, 0.5),
    lambda: trace.weights(0.5, 0),
    lambda: trace.find(None, "b"),
    lambda: trace.find(1.5, "b"),
):
    try:
        call()
    except AttnError as error:
        print(error)
"""


def test_other_kinds_of_values_are_one_line() -> None:
    """In a process of its own, where nothing checks annotations before we do."""
    done = subprocess.run([sys.executable, "-c", WRONG], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "tokens must be a list with the text of each token; given 5",
        "batch must be a whole number, which member of the batch; given '0'",
        "batch must be a whole number, which member of the batch; given True",
        "batch must be a whole number, which member of the batch; given 0.0",
        "query must be a position or a slice; given [0, 1]",
        "query must be a position or a slice; given 1.5",
        "query must be a position or a slice; given slice('a', 'b', None)",
        "head must be a whole number; given 0.5",
        "layer 0.5 does not exist; the trace has 2: 0 to 1",
        "query must be a token or its position; given None",
        "query must be a token or its position; given 1.5",
    ]
