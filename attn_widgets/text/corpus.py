"""A corpus: texts to train on and to validate on, built in or a person's own.

Knows nothing of tokens. Texts are iterated over and never held, so a corpus may be larger
than memory.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

from attn_widgets.errors import CorpusError
from attn_widgets.text import python_docs, sentences
from attn_widgets.text.files import count_characters, find_files, read_pieces, read_text
from attn_widgets.text.tasks import TASKS, Item, Task, make_task, parallel_task
from attn_widgets.text.texts import Texts

BUILT_IN = ("sentences", "python-docs")
T = TypeVar("T")

PROMPT_WORDS, PROMPT_CHARACTERS = 5, 60


@dataclass(frozen=True)
class Corpus:
    """Training and validation texts, and what to do with them by default.

    Attributes
    ----------
    name
        Short name, fit for a folder.
    source
        One line that says what the text is, and which files were left out.
    prompt
        Default prompt; also the probe text of a run.
    tokenizer
        What ``--tokenizer auto`` means: ``word`` for `sentences`, else ``bpe``.
    has_documents
        True: each text is a document. False: the texts are one text, cut anywhere.
    train, validation
        The texts.
    floor
        Exact entropy of the grammar on the validation lines, in nats per token with the end
        tokens counted; None where nobody knows it.
    grammar
        ``sentences`` when there are skills to score.
    task
        The questions and answers that the texts are; None for plain text.
    task_from
        Name of a generated task, or path of a file of pairs.
    pair
        A held-out question of the task and its answer, to watch attention on while training.
    labels
        The answers of a task that has only a few, in order; () for any other.
    """

    name: str
    source: str
    prompt: str
    tokenizer: Literal["char", "word", "bpe"]
    has_documents: bool
    train: Texts
    validation: Texts
    floor: float | None = None
    grammar: str | None = None
    task: Task | None = None
    task_from: str | None = None
    pair: tuple[str, str] | None = None
    labels: tuple[str, ...] = ()

    @property
    def between(self) -> str:
        """What stands between question and answer in the texts of a task; '' in other texts."""
        return "" if self.task is None else self.task.between


def load_corpus(
    source: str | Path | Sequence[str | Path] | None = None,
    *,
    text: str | Sequence[str] | None = None,
    validation: float = 0.1,
    seed: int = 0,
    pairs: bool = False,
) -> Corpus:
    """Open a built-in corpus or task, files, or a text in memory.

    Parameters
    ----------
    source
        None or ``sentences``, ``python-docs``, the name of a task (``dates``, ``reverse``…), or a path,
        a glob, a folder (every text file in it, hidden ones apart), or several of these. One file is
        one continuous text, split by position; several are documents, split by document.
    text
        Instead of `source`: one continuous text, or a sequence of documents.
    validation
        Share to hold out; of one text the end.
    seed
        Chooses the documents to hold out. The built-in texts are the same for every seed.
    pairs
        Whether the model reads pairs: None is then ``dates``, and a path is a tab-separated file of them.

    Raises
    ------
    CorpusError
        When the text is missing, empty, too short, binary, or not UTF-8.
    """
    if pairs:
        return _pairs(source, text)
    if text is not None:
        return _from_text(text, validation, seed)
    if isinstance(source, str) and source in TASKS:
        return task_corpus(make_task(source), source)
    if source is None or source == "sentences":
        return _sentences(validation, seed)
    if source == "python-docs":
        return _python_docs(validation, seed)
    sources = [source] if isinstance(source, (str, Path)) else list(source)
    for one in sources:
        if str(one) in (*BUILT_IN, *TASKS) and len(sources) > 1:
            raise CorpusError(f"{one} is built in and cannot be joined with other texts; give it alone, or files only")
    return _from_files(sources, validation, seed)


def _sentences(validation: float, seed: int) -> Corpus:
    train, held_out = _split(sentences.corpus_lines(), validation, seed, "sentences")
    source = f"{len(train) + len(held_out):,} generated sentences of four kinds"
    floor = sentences.entropy_floor(held_out)
    texts = _texts(train), _texts(held_out)
    return Corpus("sentences", source, sentences.PROMPT, "word", True, *texts, floor, "sentences")


def _python_docs(validation: float, seed: int) -> Corpus:
    train, held_out = _split(python_docs.paragraphs(), validation, seed, "python-docs")
    source = f"{len(train) + len(held_out):,} paragraphs of Python's help topics"
    return Corpus("python-docs", source, python_docs.PROMPT, "bpe", True, _texts(train), _texts(held_out))


def _pairs(source: str | Path | Sequence[str | Path] | None, text: object) -> Corpus:
    works = f"give a task ({', '.join(TASKS)}) or one tab-separated file"
    if text is not None:
        raise CorpusError(f"this kind of model reads pairs and cannot learn from a text in memory; {works}")
    if source is None or source in TASKS:
        name = "dates" if source is None else str(source)
        return task_corpus(make_task(name), name)
    if source in BUILT_IN or not isinstance(source, (str, Path)):
        raise CorpusError(f"this kind of model reads pairs, and {source!r} is text; {works}")
    return task_corpus(parallel_task(source), str(Path(source).expanduser().absolute()))


def open_task(task_from: str) -> Task:
    """Make the task again that a corpus was made from (see ``Corpus.task_from``)."""
    return make_task(task_from) if task_from in TASKS else parallel_task(task_from)


def task_corpus(task: Task, task_from: str | None = None) -> Corpus:
    """Questions and answers as one text each, every one a document, as a language model reads them.

    Parameters
    ----------
    task
        The items.
    task_from
        How `open_task` makes it again.
    """

    def texts(items: Sequence[Item]) -> Texts:
        return Texts(lambda: (task.joined(item.source, item.target) for item in items))

    return Corpus(
        _slug(task.name), task.source, task.prompt, task.tokenizer, True, texts(task.train), texts(task.validation),
        task=task, task_from=task_from, pair=task.validation[0][:2],
        labels=tuple(sorted({item.target for item in task.train})) if task_from == "classify" else (),
    )  # fmt: skip


def _from_text(text: str | Sequence[str], validation: float, seed: int) -> Corpus:
    documents = _checked(text)
    filled = [document for document in documents if document.strip()]
    if not filled:
        raise CorpusError("the text is empty; give a few thousand characters or more")
    source = _left_out(f"{sum(map(len, filled)):,} characters of text", len(documents) - len(filled))
    if len(filled) == 1:
        return _continuous("text", source, len(filled[0]), lambda a, b: [filled[0][a:b]], validation)
    train, held_out = _split(filled, validation, seed, "text")
    return Corpus("text", source, _first_words(train[0]), "bpe", True, _texts(train), _texts(held_out))


def _checked(text: object) -> list[str]:
    """Documents of a person's variable, which may be anything."""
    one = isinstance(text, str) or not isinstance(text, Iterable)
    documents = [text] if one else list(cast("Iterable[object]", text))
    for document in documents:
        if not isinstance(document, str):
            shown = f"{type(document).__name__} {document!r:.40}".replace("\n", " ")
            raise CorpusError(f"the text holds {shown}; give a str or a list of str")
    return cast("list[str]", documents)


def _from_files(sources: Sequence[str | Path], validation: float, seed: int) -> Corpus:
    found = find_files(sources)
    name = _slug(Path(sources[0]).stem if len(sources) == 1 else found.files[0].stem)
    skipped = f" (skipped, no text in them: {found.skipped_names})" if found.skipped else ""
    if len(found.files) == 1:
        path = found.files[0]
        characters = count_characters(path)
        source = f"{path.name}, {characters:,} characters{skipped}"
        return _continuous(name, source, characters, lambda a, b: read_pieces(path, a, b), validation)
    train, held_out = _split(found.files, validation, seed, name)
    source = f"{len(found.files):,} files, {found.files[0].name} to {found.files[-1].name}{skipped}"
    texts, held_out_texts = Texts(lambda: map(read_text, train)), Texts(lambda: map(read_text, held_out))
    return Corpus(name, source, _first_words(next(iter(texts))), "bpe", True, texts, held_out_texts)


def _continuous(
    name: str, source: str, characters: int, read: Callable[[int, int], Iterable[str]], validation: float
) -> Corpus:
    cut = int(characters * (1 - validation))
    if min(cut, characters - cut) < 2:
        raise CorpusError(f"{source}: too short to train and validate on; give a few thousand characters or more")
    train, held_out = Texts(lambda: read(0, cut)), Texts(lambda: read(cut, characters))
    prompt = _first_words(next(iter(train)))
    return Corpus(name, source, prompt, "bpe", False, train, held_out)


def _split(things: Sequence[T], share: float, seed: int, name: str) -> tuple[list[T], list[T]]:
    if len(things) < 2:
        raise CorpusError(f"corpus {name!r} has only {len(things)} document; give two or more, or one long text")
    count = min(max(1, round(len(things) * share)), len(things) - 1)
    held_out = set(random.Random(seed).sample(range(len(things)), count))
    train = [thing for at, thing in enumerate(things) if at not in held_out]
    return train, [things[at] for at in sorted(held_out)]


def _texts(documents: Sequence[str]) -> Texts:
    return Texts(lambda: documents)


def _first_words(text: str) -> str:
    line = text.strip()[:PROMPT_CHARACTERS].split("\n")[0]
    return " ".join(line.split()[:PROMPT_WORDS])


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "text"


def _left_out(source: str, empty: int) -> str:
    return f"{source} ({empty} empty documents left out)" if empty else source
