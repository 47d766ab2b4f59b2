from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from attn_widgets.errors import CorpusError
from attn_widgets.text import token_files
from attn_widgets.text.batches import sample
from attn_widgets.text.corpus import Corpus, load_corpus
from attn_widgets.text.texts import Texts, blocks
from attn_widgets.text.token_files import encode_corpus
from attn_widgets.text.tokenizers import train_tokenizer


def documents(*texts: str, validation: tuple[str, ...] = ("a b .",)) -> Corpus:
    return Corpus("x", "x", "a", "word", True, Texts(lambda: texts), Texts(lambda: validation))


def test_documents_stand_between_end_tokens(tmp_path: Path):
    corpus = documents("a b .", "b a", validation=("b b a", "a"))
    words = train_tokenizer("word", corpus, 100)
    found = encode_corpus(corpus, words, tmp_path, limit=100)
    assert " ".join(map(words.token, found.train)) == "‹end› a b . ‹end› b a ‹end›"
    assert " ".join(map(words.token, found.validation)) == "‹end› b b a ‹end› a ‹end›"
    assert found.validation_characters == len("b b a\na\n")
    assert not found.validation_capped


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
@pytest.mark.parametrize("limit", [2, 3, 7, 20, 50, 10_000])
def test_capped_characters_are_those_of_the_kept_tokens(tmp_path: Path, kind, limit: int):
    texts = tuple(f"Néw {word} ünd {word}s , 3.5 {word} !" for word in ("tree", "house", "river", "stone"))
    corpus = documents(*texts, validation=texts)
    tokenizer = train_tokenizer(kind, corpus, 300)
    found = encode_corpus(corpus, tokenizer, tmp_path, limit)
    whole = encode_corpus(corpus, tokenizer, tmp_path, 10**9)
    assert whole.validation_characters == sum(len(text) + 1 for text in texts)
    assert found.validation_capped == (len(whole.validation) > limit)
    assert found.validation.tolist() == whole.validation[:limit].tolist()
    shown = "".join("\n" if i == tokenizer.end_id else tokenizer.decode([i]) for i in found.validation[1:])
    if kind == "char":
        assert found.validation_characters == len(shown)
        assert found.nats_per_character(2.0) == 2.0
    if kind == "word":  # spaces between words are left out of `shown`
        kept = "\n".join(texts)[: found.validation_characters] + "\n" * (not found.validation_capped)
        assert kept.replace(" ", "") == shown
        assert not kept.endswith(" ")


def test_continuous_text_has_no_end_tokens(tmp_path: Path):
    corpus = load_corpus(text="to be or not to be , " * 50)
    for kind in ("char", "word", "bpe"):
        tokenizer = train_tokenizer(kind, corpus, 300)
        found = encode_corpus(corpus, tokenizer, tmp_path, 10**6)
        assert tokenizer.end_id is None
        first = tokenizer.characters("".join(corpus.validation), 1)
        assert found.validation_characters == len("".join(corpus.validation)) - first


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_pieces_and_blocks_do_not_change_the_tokens(tmp_path: Path, monkeypatch, kind):
    text = "".join(f"Line {i}: it's  a\n\n\ttest,  or is\u00a0it? \n" for i in range(300)) + "x" * 700
    whole = load_corpus(text=text)
    tokenizer = train_tokenizer(kind, whole, 400)
    expected = tokenizer.encode("".join(whole.train))
    pieces = ["".join(whole.train)[i : i + 7] for i in range(0, len(text), 7)]
    cut = Corpus("x", "x", "a", kind, False, Texts(lambda: pieces), whole.validation)
    monkeypatch.setattr("attn_widgets.text.texts.blocks.__defaults__", (100,))
    found = encode_corpus(cut, tokenizer, tmp_path, 100)
    assert max(len(block) for block, _ in blocks(pieces, False)) <= 100
    assert found.train.tolist() == expected.tolist()


def test_blocks_of_documents():
    found = [*blocks(["one two", "", "three four five"], True, size=9)]
    assert found == [("one two", True), ("", True), ("three", False), (" four", False), (" five", True)]
    assert [*blocks(["aaaa", "bbbbbb"], False, size=4)] == [("aaaa", False), ("bbbb", False), ("bb", False)]


def test_a_text_larger_than_its_memory(tmp_path: Path):
    """40 MB: read, cut, encoded and stored with a fraction of that in memory."""
    path = tmp_path / "large.txt"
    line = "the quick brown fox jumps over the lazy dog .\n"
    with path.open("w") as file:
        file.writelines(itertools.repeat(line * 100, 8_800))
    tracemalloc.start()
    corpus = load_corpus(path)
    tokenizer = train_tokenizer("char", corpus, 1000)
    found = encode_corpus(corpus, tokenizer, tmp_path / "run", limit=10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = path.stat().st_size
    assert size > 40_000_000
    assert peak < size / 2
    assert isinstance(found.train, np.memmap)
    assert len(found.train) == int(size * 0.9)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["train.uint16"]
    at = len(line) * 100_000
    assert tokenizer.decode(found.train[at : at + len(line)]) == line
    assert found.validation_capped
    assert len(found.validation) == 10_000
    inputs, targets = sample(found.train, 16, 4, 0, 0, 0)
    assert (inputs[:, 1:] == targets[:, :-1]).all()


def test_a_failing_text_leaves_no_file(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(token_files, "LARGE", 10)

    def fails():
        yield "a b c d e f g h i j k l m n"
        raise CorpusError("gone")

    corpus = documents("a b c")
    tokenizer = train_tokenizer("word", corpus, 100)
    broken = Corpus("x", "x", "a", "word", True, Texts(fails), corpus.validation)
    with pytest.raises(CorpusError, match="gone"):
        encode_corpus(broken, tokenizer, tmp_path, 100)
    assert not [*tmp_path.iterdir()]


def test_wide_vocabularies_take_four_bytes(tmp_path: Path):
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))) + "".join(map(chr, range(0x20000, 0x20000 + 46_000)))
    corpus = load_corpus(text=text * 2, validation=0.4)
    tokenizer = train_tokenizer("char", corpus, 10)
    found = encode_corpus(corpus, tokenizer, tmp_path, 10)
    assert tokenizer.vocab_size == 66_001
    assert found.train.dtype == np.uint32
    assert tokenizer.decode(found.train) == "".join(corpus.train)


def test_a_part_of_one_token_is_refused(tmp_path: Path):
    corpus = load_corpus(text="wordwordword anotherword " * 2 + "x" * 8)
    tokenizer = train_tokenizer("word", corpus, 100)
    with pytest.raises(CorpusError, match="the validation part of 'text' has 1 token"):
        encode_corpus(corpus, tokenizer, tmp_path, 100)


@pytest.mark.parametrize("limit", [50, 10_000])
def test_a_character_is_a_token_capped_or_not(tmp_path: Path, limit: int) -> None:
    corpus = load_corpus(text="the cat sat on the mat. " * 100)
    found = encode_corpus(corpus, train_tokenizer("char", corpus, 100), tmp_path, limit)
    assert found.validation_characters == found.validation_count
