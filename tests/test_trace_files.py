"""Traces on disk: bit for bit, whole or not at all, and damage is noticed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from attn_widgets.errors import AttnError
from attn_widgets.trace import (
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
from tests.small_traces import RANDOM, dot_record, one_block, only_line

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
