"""The ``python-docs`` corpus: the prose of the standard library's help topics.

``pydoc_data.topics`` is what ``help("if")`` shows. It differs between Python versions, so no
number measured on it holds elsewhere.
"""

from __future__ import annotations

import re

PROMPT = "The following methods can be"
SENTENCE = re.compile(r"[A-Z\"'*(].*[.:;!?)]$")
FEWEST_WORDS = 5


def paragraphs() -> list[str]:
    """Paragraphs of prose, each once, in the order of the topics.

    Code, grammar rules, headings and signatures are left out; line breaks become spaces. Many
    paragraphs stand under several topics: kept twice, most of a held-out part would stand in
    the training part too.
    """
    from pydoc_data.topics import topics

    blocks = (block for topic in topics.values() for block in re.split(r"\n\s*\n", topic))
    found = (" ".join(re.sub(r"(?<=\w-)\n\s*", "", block).split()) for block in blocks)
    return list(dict.fromkeys(filter(_is_prose, found)))


def _is_prose(text: str) -> bool:
    words = text.split()
    return "::=" not in words and len(words) >= FEWEST_WORDS and bool(SENTENCE.match(text))
