from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from attn_widgets.errors import AttnError
from attn_widgets.trace import (
    MASKED,
    NOT_CAPTURED,
    VALUE,
    AttentionTrace,
    Block,
    DotProductRecord,
    Part,
    Predictions,
    StackedRecord,
    WeightsRecord,
    causal_range,
    files,
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


# from_arrays


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        (FIVE[1, 1, 1], (1, 1)),
        (FIVE[1, 1], (1, 4)),
        (FIVE[:, 1], (2, 4)),
        (FIVE[:, 1:2], (2, 4)),
    ],
)
@pytest.mark.parametrize("library", [np.asarray, torch.tensor, np.ndarray.tolist])
def test_dimensions_two_to_five(given: np.ndarray, sizes: tuple[int, int], library: Any) -> None:
    trace = AttentionTrace.from_arrays(library(given))
    assert (trace.layers, trace.heads) == sizes
    expected = given.reshape(*sizes, 5, 6)
    for layer, head in trace.iter_heads():
        np.testing.assert_array_equal(trace.weights(layer, head), expected[layer, head])
    assert (trace.tokens, trace.key_tokens) == (tuple("01234"), tuple("012345"))


def test_lists_of_layers_as_transformers_gives_them() -> None:
    layers = tuple(torch.tensor(layer) for layer in FIVE)
    trace = AttentionTrace.from_arrays(layers, batch=2, tokens=list("abcde"), key_tokens=list("uvwxyz"))
    for layer, head in trace.iter_heads():
        np.testing.assert_array_equal(trace.weights(layer, head), FIVE[layer, 2, head])
    different = AttentionTrace.from_arrays([FIVE[0, 0], FIVE[1, 0, :2, :3, :3]])  # heads, rows and keys may differ
    assert different.heads == (4, 2)
    assert different.blocks[1].key_tokens == ("0", "1", "2")


def test_a_random_transformers_model_comes_through() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_layer=2, n_head=4, n_embd=16, vocab_size=11, n_positions=8, attn_implementation="eager"
    )
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config).eval()
    attentions = model(torch.tensor([[1, 2, 3, 4, 5]]), output_attentions=True).attentions  # requires grad
    trace = AttentionTrace.from_arrays(attentions, tokens=list("abcde"))
    np.testing.assert_array_equal(trace.weights(1, 3), attentions[1][0, 3].detach().numpy())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array([[1, 0], [3, -2]]), [[1, 0], [3, -2]]),
        (np.array([[True, False], [True, True]]), [[1, 0], [1, 1]]),
        (np.array([[0.5, np.nan], [np.inf, -7]]), [[0.5, np.nan], [np.inf, -7]]),
        (torch.tensor([[0.5, 0.25], [1.5, 0]], dtype=torch.bfloat16), [[0.5, 0.25], [1.5, 0]]),
        (torch.tensor([[0.5, 0.25], [1.5, 0]], dtype=torch.float16), [[0.5, 0.25], [1.5, 0]]),
        (torch.tensor([[0.5, 0.25], [1.5, 0]], requires_grad=True), [[0.5, 0.25], [1.5, 0]]),
        (np.array([[1e300, 0], [0, 0]]), [[np.inf, 0], [0, 0]]),
        (torch.tensor([[0.5, 0.25], [1.5, 0]]).T, [[0.5, 1.5], [0.25, 0]]),
    ],
)
def test_values_are_taken_as_they_are(given: Any, expected: list[list[float]]) -> None:
    found = AttentionTrace.from_arrays(given).weights(0, 0)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_a_trace_does_not_change_with_its_source() -> None:
    given = np.eye(3, dtype=np.float32)
    trace = AttentionTrace.from_arrays(given)
    given[:] = 7
    trace.weights(0, 0)[:] = 8
    np.testing.assert_array_equal(trace.weights(0, 0), np.eye(3))


@pytest.mark.parametrize("shape", [(6, 6), (4, 6, 6), (2, 1, 6, 6), (2, 4, 6, 6)])
def test_masks_broadcast(shape: tuple[int, ...]) -> None:
    weights = RANDOM.random((2, 4, 6, 6)).astype(np.float32)
    mask = RANDOM.random(shape) < 0.6
    trace = AttentionTrace.from_arrays(weights, mask=torch.tensor(mask))
    full = np.broadcast_to(mask, weights.shape)
    for layer, head in trace.iter_heads():
        np.testing.assert_array_equal(trace.visible(layer, head), full[layer, head])
        np.testing.assert_array_equal(trace.weights(layer, head), np.where(full[layer, head], weights[layer, head], 0))
    one_for_all = AttentionTrace.from_arrays(weights, mask=np.tri(6, dtype=bool))
    assert one_for_all.nbytes == weights.nbytes + 2 * 36  # one mask a layer, not one a head


def test_masks_go_with_their_layer_and_batch() -> None:
    mask = RANDOM.random(FIVE.shape) < 0.5
    trace = AttentionTrace.from_arrays(FIVE, batch=1, mask=mask)
    np.testing.assert_array_equal(trace.visible(1, 2), mask[1, 1, 2])
    padding = RANDOM.random((3, 1, 1, 6)) < 0.5
    trace = AttentionTrace.from_arrays(list(FIVE), batch=-1, mask=padding)
    np.testing.assert_array_equal(trace.visible(0, 3), np.broadcast_to(padding[2, 0], (5, 6)))
    trace = AttentionTrace.from_arrays(list(FIVE), batch=0, mask=list(mask))
    np.testing.assert_array_equal(trace.visible(1, 3), mask[1, 0, 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": np.zeros(3)}, "weights have 1 dimensions, (3,); 2 to 5 work"),
        ({"weights": np.zeros((1,) * 6)}, "weights have 6 dimensions"),
        ({"weights": np.zeros((2, 0, 3))}, "weights holds nothing: its shape is (2, 0, 3)"),
        ({"weights": np.zeros((0, 4, 3, 3))}, "weights holds nothing: its shape is (0, 4, 3, 3)"),
        ({"weights": []}, "weights are empty; transformers returns none unless attn_implementation='eager'"),
        ({"weights": None}, "weights is None; load the model with attn_implementation='eager'"),
        ({"weights": [None, None]}, "weights[0] is None; load the model with attn_implementation='eager'"),
        ({"weights": "abc"}, "weights holds <U3 values; numbers work"),
        ({"weights": [[0.5], [0.5, 0.5]]}, "weights has rows of unequal length"),
        ({"weights": np.zeros((2, 2), complex)}, "weights holds complex128 values; numbers work"),
        ({"weights": FIVE}, "weights holds a batch of 3; give batch=0 to batch=2"),
        ({"weights": list(FIVE)}, "weights[0] holds a batch of 3; give batch=0 to batch=2"),
        ({"weights": FIVE, "batch": 3}, "batch=3 does not exist; weights holds a batch of 3: 0 to 2"),
        ({"weights": FIVE[0, 0], "batch": 1}, "batch=1 was given, but weights has no batch axis; leave it out"),
        ({"weights": FIVE[0, 0], "tokens": list("abcdef")}, "6 tokens given, but the weights have 5 query rows"),
        ({"weights": FIVE[0, 0], "key_tokens": list("ab")}, "2 key_tokens given, but the weights have 6 keys"),
        ({"weights": np.eye(3), "tokens": "abc"}, "tokens is one text; give a list with the text of each token"),
        ({"weights": np.eye(3), "tokens": ["a", 7, "b"]}, "tokens[1] is 7; give texts"),
        ({"weights": np.eye(3), "mask": np.ones((3, 2), bool)}, "mask of the shape (3, 2) does not broadcast"),
        ({"weights": np.eye(3), "mask": np.eye(3)}, "mask holds float64 values; give booleans"),
        ({"weights": list(FIVE), "batch": 0, "mask": [np.eye(3) > 0]}, "mask is a list of 1, weights of 2 layers"),
        ({"weights": np.eye(3), "kind": "middle"}, "kind='middle' is none of 'decoder', 'encoder', 'cross'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    arguments: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    with pytest.raises(AttnError) as error:
        AttentionTrace.from_arrays(**arguments)
    assert message in only_line(error)


def test_one_list_of_tokens_is_enough_for_a_square() -> None:
    assert AttentionTrace.from_arrays(np.eye(3), tokens=list("abc")).key_tokens == tuple("abc")
    assert AttentionTrace.from_arrays(np.eye(3), key_tokens=list("abc")).tokens == tuple("abc")


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


def test_find_ranks_all_heads() -> None:
    tokens = ["I", "love", "to", "eat", "pizza", "and", "drink", "beer"]
    weights = RANDOM.random((3, 4, 8, 8)).astype(np.float32)
    trace = AttentionTrace.from_arrays(weights, tokens=tokens)
    found = trace.find(query="drink", key="pizza")
    order = torch.tensor(weights[:, :, 6, 4]).flatten().argsort(descending=True).tolist()
    assert [(h.layer, h.head) for h in found] == [divmod(i, 4) for i in order]
    assert found[0].weight == weights[found[0].layer, found[0].head, 6, 4]
    assert found[0].name == f"L{found[0].layer}H{found[0].head}"
    assert trace.find(6, 4) == trace.find(-2, "pizza") == found


def test_equal_weights_go_by_layer_and_head_and_nan_goes_last() -> None:
    weights = np.zeros((2, 3, 1, 1), np.float32)
    weights[:, :, 0, 0] = [[0.5, np.nan, -0.5], [0.75, 0.5, 0]]
    found = AttentionTrace.from_arrays(weights).find(0, 0)
    assert [h.name for h in found] == ["L1H0", "L0H0", "L1H1", "L1H2", "L0H2", "L0H1"]


def test_find_leaves_out_heads_that_did_not_capture_the_cell() -> None:
    known = np.array([[[True]], [[False]]])
    trace = AttentionTrace([one_block(WeightsRecord(np.ones((2, 1, 1), np.float32), None, known))])
    assert [h.name for h in trace.find(0, 0)] == ["L0H0"]


def test_find_computes_one_row_of_each_head(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = AttentionTrace([one_block(dot_record()), one_block(dot_record(), layer=1)])
    asked: list[tuple[Any, ...]] = []
    weights = DotProductRecord.weights
    monkeypatch.setattr(DotProductRecord, "weights", lambda self, *a: (asked.append(a), weights(self, *a))[1])
    assert len(trace.find(3, 1)) == 8
    assert asked == 2 * [(head, 3, 1) for head in range(4)]


@pytest.mark.parametrize(
    ("query", "key", "message"),
    [
        ("the", 0, "query='the' stands at positions 0, 4; give one of them"),
        ("cat", "hat", "key='hat' is not among the tokens; there are 'sat', 'mat', 'cat'"),
        ("xylophone", 0, "query='xylophone' is not among the tokens; there are 'the', 'cat', 'sat', ' on', 'mat'"),
        (6, 0, "query=6 does not exist; there are 6 tokens: 0 to 5"),
        (0, -7, "key=-7 does not exist"),
    ],
)
def test_find_says_what_it_cannot_place(query: int | str, key: int | str, message: str) -> None:
    trace = AttentionTrace.from_arrays(np.eye(6), tokens=["the", "cat", "sat", " on", "the", "mat"])
    with pytest.raises(AttnError) as error:
        trace.find(query, key)
    assert message in only_line(error)


def test_find_forgives_the_space_of_a_piece() -> None:
    trace = AttentionTrace.from_arrays(np.eye(3), tokens=["the", " on", "on"])
    assert trace.find("on", " on")[0].weight == trace.weights(0, 0)[2, 1]  # an exact match goes first
    assert trace.find("on", "the ")[0].weight == trace.weights(0, 0)[2, 0]


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


NASTY = ("\x00", "\ud83d", "\ude00\ud83d", "\ud83d\ude00", "😀", "</script>", "‹start›", '\u2028\n\t"\\', "", "é")


def rich_trace() -> AttentionTrace:
    """Every record, every dtype, every oddity."""
    nan = np.array([0x7FC00001, 0xFFC12345], np.uint32).view(np.float32)  # NaNs with a payload
    matrix = RANDOM.random((3, 10, 10)).astype(np.float32)
    matrix[0, 0, :2] = nan
    start, stop = causal_range(10, 10)
    query, key = (RANDOM.standard_normal((heads, 10, 6)).astype(np.float16) for heads in (4, 2))
    records = [
        WeightsRecord(matrix, RANDOM.random((1, 10, 10)) < 0.5, RANDOM.random((3, 10, 10)) < 0.5),
        WeightsRecord(matrix.astype(np.float16)),
        DotProductRecord(query, key, 1 / 3, start, stop, RANDOM.random((10, 10)) < 0.5),
        StackedRecord([Part(0, 0, dot_record()), Part(5, 2, dot_record(queries=4, keys=7))], 10, 10),
    ]
    blocks = [Block("decoder", i, NASTY, NASTY[::-1], record) for i, record in enumerate(records)]
    meta = {"text": "".join(NASTY), "seed": 2**62, "scale": 1 / 3, "none": float("inf"), "\ud83d": "7"}
    return AttentionTrace(blocks, Predictions(NASTY, np.linspace(0, 1, 10, dtype=np.float32)), meta)


def test_files_come_back_bit_for_bit(tmp_path: Path) -> None:
    trace, path = rich_trace(), tmp_path / "trace.safetensors"
    trace.save(path)
    loaded = AttentionTrace.load(path)
    assert repr(loaded) == repr(trace)
    assert loaded.meta == trace.meta
    assert [type(value) for value in loaded.meta.values()] == [str, int, float, float, str]
    assert loaded.predictions is not None
    assert loaded.predictions.tokens == NASTY
    for mine, theirs in zip(trace.blocks, loaded.blocks, strict=True):
        assert (mine.kind, mine.query_tokens, mine.key_tokens) == (theirs.kind, theirs.query_tokens, theirs.key_tokens)
        assert mine.record.settings() == theirs.record.settings()
        wanted, found = mine.record.arrays(), theirs.record.arrays()
        assert wanted.keys() == found.keys()
        for name, array in wanted.items():
            assert (array.dtype, array.shape, array.tobytes()) == (
                found[name].dtype,
                found[name].shape,
                found[name].tobytes(),
            )
        for head in range(mine.record.heads):
            assert mine.record.weights(head).tobytes() == theirs.record.weights(head).tobytes()
    assert (
        load_file(path)["0.matrix"].tobytes() == trace.blocks[0].record.arrays()["matrix"].tobytes()
    )  # to anyone else
    assert [child.name for child in tmp_path.iterdir()] == ["trace.safetensors"]


def test_every_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "trace.safetensors"
    AttentionTrace([one_block(dot_record())]).save(path)
    whole = path.read_bytes()
    places = np.random.default_rng(1).integers(0, len(whole), 60)
    for place in [0, 7, 8, 9, len(whole) - 1, *places.tolist()]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        with pytest.raises(AttnError, match=re.escape(str(path))) as error:
            AttentionTrace.load(path)
        only_line(error)
    for length in (0, 4, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(AttnError, match="damaged or no safetensors file") as error:
            AttentionTrace.load(path)
        only_line(error)


def test_files_that_are_no_traces(tmp_path: Path) -> None:
    with pytest.raises(AttnError, match="does not exist"):
        AttentionTrace.load(tmp_path / "missing")
    with pytest.raises(AttnError, match="damaged or no safetensors file"):
        AttentionTrace.load(tmp_path)
    save_file({"x": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(AttnError, match="holds no attention trace"):
        AttentionTrace.load(tmp_path / "other.safetensors")
    with pytest.raises(AttnError, match=r"cannot write .*No such file or directory"):
        AttentionTrace.from_arrays(np.eye(3)).save(tmp_path / "missing" / "trace.safetensors")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.safetensors"
    AttentionTrace.from_arrays(np.eye(3), tokens=list("old")).save(path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(AttnError, match=r"cannot write .* \(No space left on device\)"):
        AttentionTrace.from_arrays(np.eye(3), tokens=list("new")).save(path)
    monkeypatch.undo()
    assert AttentionTrace.load(path).tokens == tuple("old")
    assert os.listdir(tmp_path) == ["trace.safetensors"]


def test_the_room_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\nfrom attn_widgets.trace import AttentionTrace\nimport attn_widgets.trace.metrics\n"
        f"AttentionTrace.from_arrays(np.eye(3)).save({str(tmp_path / 'x')!r})\n"
        f"print(AttentionTrace.load({str(tmp_path / 'x')!r}).find(1, 1)[0].weight, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1.0 False\n"
