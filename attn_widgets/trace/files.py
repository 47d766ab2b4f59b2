"""Traces on disk: one ``.safetensors`` file, its metadata JSON in the header, checked by a hash.

Never pickle. The file is written under a temporary name, flushed to the disk and renamed:
whoever reads sees the old file or the whole new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from attn_widgets.errors import AttnError
from attn_widgets.trace.additive import AdditiveRecord
from attn_widgets.trace.blocks import Block, Meta, Predictions
from attn_widgets.trace.dot_product import DotProductRecord
from attn_widgets.trace.means import MeanRecord
from attn_widgets.trace.records import Arrays, Part, Record, StackedRecord, WeightsRecord

FORMAT = "attn_widgets.trace.1"
Contents = tuple[list[Block], Predictions | None, Meta]


def write_trace(
    path: str | PathLike[str], blocks: Sequence[Block], predictions: Predictions | None, meta: Meta
) -> None:
    """Write a trace, whole or not at all."""
    arrays: Arrays = {}
    for block in blocks:
        for name, array in block.record.arrays().items():
            arrays[f"{block.layer}.{name}"] = np.ascontiguousarray(array)
    if predictions is not None:
        arrays["predictions"] = np.ascontiguousarray(predictions.probabilities)
    text = json.dumps(_describe(blocks, predictions, meta))  # ASCII; a lone surrogate becomes an escape
    write_whole(path, save(arrays, {FORMAT: text, "sha256": _digest(text, arrays)}))


def read_trace(path: str | PathLike[str]) -> Contents:
    """Read a trace, after checking that every byte is as it was written."""
    try:
        with safe_open(os.fspath(path), "np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise AttnError(f"{path} does not exist; trace.save writes such a file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise AttnError(f"{path} is damaged or no safetensors file ({str(error).splitlines()[0]})") from None
    if FORMAT not in metadata:
        raise AttnError(f"{path} holds no attention trace; give a file that trace.save wrote")
    if metadata.get("sha256") != _digest(metadata[FORMAT], arrays):
        raise AttnError(f"{path} is damaged: its contents do not match its checksum; record the trace again")
    return _build(json.loads(metadata[FORMAT]), arrays)


def load_record(settings: Mapping[str, Any], arrays: Arrays) -> Record:
    """Make the record whose `settings` and `arrays` these are."""
    if settings["record"] == "weights":
        return WeightsRecord(**arrays)
    if settings["record"] == "mean":
        return MeanRecord(**arrays)
    if settings["record"] == "dot_product":
        return DotProductRecord(**arrays, scale=settings["scale"])
    if settings["record"] == "additive":
        return AdditiveRecord(**arrays)
    parts = [
        Part(part["first_row"], part["first_key"], load_record(part, _under(arrays, i)))
        for i, part in enumerate(settings["parts"])
    ]
    return StackedRecord(parts, settings["queries"], settings["keys"])


def write_whole(path: str | PathLike[str], data: bytes) -> None:
    """Write a file so that a crash at any moment leaves the old one or the whole new one."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise AttnError(f"cannot write {target} ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; systems that cannot open a folder need nothing."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _describe(blocks: Sequence[Block], predictions: Predictions | None, meta: Meta) -> dict[str, Any]:
    """All of a trace but its arrays; token lists that blocks share are written once."""
    lists = list(dict.fromkeys(t for b in blocks for t in (b.query_tokens, b.key_tokens)))
    place = {tokens: i for i, tokens in enumerate(lists)}
    described = [
        {
            "kind": block.kind,
            "queries": place[block.query_tokens],
            "keys": place[block.key_tokens],
            "record": block.record.settings(),
        }
        for block in blocks
    ]
    return {
        "tokens": [[_pack(token) for token in tokens] for tokens in lists],
        "blocks": described,
        "predictions": None if predictions is None else [_pack(token) for token in predictions.tokens],
        "meta": [[_pack(k), _pack(v) if isinstance(v, str) else {"number": v}] for k, v in meta.items()],
    }


def _build(described: Mapping[str, Any], arrays: Arrays) -> Contents:
    lists = [tuple(map(_unpack, tokens)) for tokens in described["tokens"]]
    blocks = [
        Block(b["kind"], i, lists[b["queries"]], lists[b["keys"]], load_record(b["record"], _under(arrays, i)))
        for i, b in enumerate(described["blocks"])
    ]
    predicted = described["predictions"]
    predictions = None if predicted is None else Predictions(tuple(map(_unpack, predicted)), arrays["predictions"])
    meta = {_unpack(k): v["number"] if isinstance(v, dict) else _unpack(v) for k, v in described["meta"]}
    return blocks, predictions, meta


def _pack(text: str) -> str | list[str]:
    """Make a text JSON-ready; one with two surrogates side by side goes as characters, else JSON would join them."""
    return text if json.loads(json.dumps(text)) == text else list(text)


def _unpack(packed: str | list[str]) -> str:
    return "".join(packed)


def _under(arrays: Arrays, place: int) -> Arrays:
    """Take the arrays of one block or part, without its number in their names."""
    start = f"{place}."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _digest(text: str, arrays: Arrays) -> str:
    """SHA-256 over the description and every array with its name, type and shape."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
