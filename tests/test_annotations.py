"""Every public tensor function says its shapes, so that the run-time checks have something to check.

Reads the source: no bare ``Tensor`` or ``ndarray`` in the signature of a public function, and no
parameter without an annotation, in the rooms that conftest's import hook watches.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

from attn_widgets.attention import scaled_dot

ROOT = Path(__file__).parent.parent
ROOMS = ("attention", "models", "capture", "trace")
SHAPED = {name for name in dir(jaxtyping) if isinstance(getattr(jaxtyping, name), type)}
ARRAYS = {"Tensor", "ndarray", "NDArray", "ArrayLike"}


def name_of(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def has_bare_array(annotation: ast.AST) -> bool:
    """Whether an array type stands outside ``Float[..., "shape"]`` and its kind."""
    if isinstance(annotation, ast.Subscript) and name_of(annotation.value) in SHAPED:
        return False
    return name_of(annotation) in ARRAYS or any(has_bare_array(child) for child in ast.iter_child_nodes(annotation))


def public_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                public = isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
                if isinstance(method, ast.FunctionDef) and (public or method.name in ("__init__", "__call__")):
                    yield f"{node.name}.{method.name}", method


def faults(source: str) -> list[str]:
    found = []
    for name, function in public_functions(ast.parse(source)):
        given = function.args
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        found += [
            f"{name}: {argument.arg}"
            for argument in arguments
            if argument.arg not in ("self", "cls")
            and (argument.annotation is None or has_bare_array(argument.annotation))
        ]
        if function.returns is None or has_bare_array(function.returns):
            found.append(f"{name}: return")
    return found


def files() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / "attn_widgets" / room).glob("**/*.py"))]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_public_tensor_functions_say_their_shapes(path: Path) -> None:
    assert faults(path.read_text("utf-8")) == []


def test_the_reader_finds_what_is_missing() -> None:
    source = """
def bare(x: Tensor) -> Float[Tensor, "a b"]: ...
def nested(x: dict[str, list[np.ndarray]] | None) -> None: ...
def silent(x) -> int: ...
def _private(x: Tensor): ...
class Room:
    def method(self, x: Float[np.ndarray, "a"]) -> tuple[Tensor, int]: ...
    def shaped(self, x: tuple[Float[Tensor, "a"], int] | None) -> Bool[Tensor, "a"]: ...
"""
    assert faults(source) == ["bare: x", "nested: x", "silent: x", "Room.method: return"]


def test_the_rooms_are_there_and_watched() -> None:
    assert {path.parent.name for path in files()} >= set(ROOMS)
    query, key = torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 5, 4)
    with pytest.raises(jaxtyping.TypeCheckError, match="value"):
        scaled_dot(query, key, torch.zeros(1, 2, 6, 4))  # six values for five keys
