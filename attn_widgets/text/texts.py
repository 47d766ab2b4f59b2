"""Texts that are iterated over and never held, and where to cut them.

Knows nothing of tokens, but cuts only where every tokenizer here would cut too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

BLOCK = 1 << 17  # characters


class Texts:
    """Texts that can be iterated over again and again.

    Parameters
    ----------
    make
        Starts one pass over the texts.
    """

    def __init__(self, make: Callable[[], Iterable[str]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[str]:
        return iter(self._make())


def blocks(texts: Iterable[str], documents: bool, size: int = BLOCK) -> Iterator[tuple[str, bool]]:
    """Cut texts into blocks of at most `size` characters without splitting a word.

    A block ends before white space; only a longer stretch without any is cut anywhere. The
    cuts depend on the text alone, not on the pieces it comes in.

    Parameters
    ----------
    texts
        Documents, or pieces of one text.
    documents
        Which of the two; a block never holds two documents.
    size
        Largest block, in characters.

    Yields
    ------
    block, ends
        The block, and whether a document ends with it.
    """
    if not documents:
        yield from ((block, False) for block in _cut(texts, size))
        return
    for text in texts:
        *most, last = [*_cut([text], size)] or [""]
        yield from ((block, False) for block in most)
        yield last, True


def _cut(pieces: Iterable[str], size: int) -> Iterator[str]:
    held = ""
    for piece in pieces:
        for start in range(0, len(piece), size):
            held += piece[start : start + size]
            while len(held) > size:
                cut = _last_break(held, size)
                yield held[:cut]
                held = held[cut:]
    if held:
        yield held


def _last_break(text: str, size: int) -> int:
    for at in range(size, 0, -1):
        if text[at] in " \t\n" and not text[at - 1].isspace():
            return at
    return size
