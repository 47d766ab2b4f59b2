from __future__ import annotations

from pathlib import Path

import pytest

from attn_widgets.errors import AttnError, CorpusError
from attn_widgets.text import sentences
from attn_widgets.text.corpus import load_corpus
from attn_widgets.text.files import count_characters, read_pieces

POEM = "Tyger Tyger, burning bright, in the forests of the night\n" * 30


def write(folder: Path, **texts: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).with_suffix(".txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_sentences_is_the_default():
    corpus = load_corpus()
    assert (corpus.name, corpus.grammar, corpus.tokenizer) == ("sentences", "sentences", "word")
    assert corpus.prompt == "I love to eat pizza"
    assert corpus.has_documents
    held_out = [*corpus.validation]
    assert len(held_out) == 2000
    assert sorted([*corpus.train, *held_out]) == sorted(sentences.generate())
    assert corpus.floor == sentences.entropy_floor(held_out)
    assert [*load_corpus("sentences").validation] == held_out


def test_the_seed_chooses_what_is_held_out_and_the_share_how_much():
    one, other = load_corpus(seed=1, validation=0.25), load_corpus(seed=2, validation=0.25)
    assert len([*one.validation]) == len([*other.validation]) == 5000
    assert [*one.validation] != [*other.validation]
    assert [*one.validation] == [*load_corpus(seed=1, validation=0.25).validation]


def test_a_file_is_split_by_position(tmp_path: Path):
    """The usual 90/10 of a character corpus: ``text[:int(0.9 * len(text))]``."""
    text = "".join(chr(97 + i % 26) + ("\n" if i % 40 == 39 else "") for i in range(11_153))
    write(tmp_path, poem=text)
    corpus = load_corpus(tmp_path / "poem.txt")
    cut = int(0.9 * len(text))
    assert "".join(corpus.train) == text[:cut]
    assert "".join(corpus.validation) == text[cut:]
    assert "".join(corpus.train) == text[:cut], "a second pass"
    assert (corpus.name, corpus.tokenizer, corpus.has_documents, corpus.floor) == ("poem", "bpe", False, None)
    assert load_corpus(str(tmp_path / "poem.txt")).source == corpus.source == f"poem.txt, {len(text):,} characters"


def test_the_prompt_is_the_first_few_words(tmp_path: Path):
    write(tmp_path, poem="\n\n" + POEM)
    assert load_corpus(tmp_path / "poem.txt").prompt == "Tyger Tyger, burning bright, in"
    assert load_corpus(text="First Citizen:\nBefore we proceed" * 9).prompt == "First Citizen:"
    assert load_corpus(text="x" * 5000).prompt == "x" * 60


def test_python_text_is_read_as_python_reads_it(tmp_path: Path, monkeypatch):
    """Byte-order mark, Windows line ends, and characters that pieces of 3 bytes cut apart."""
    text = "naïve\r\n日本語\r\r\n𝄞 end\r" * 9
    path = tmp_path / "mixed.txt"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    expected = path.read_text(encoding="utf-8-sig")
    for size in (1, 3, 1 << 20):
        monkeypatch.setattr("attn_widgets.text.files.PIECE", size)
        assert "".join(read_pieces(path)) == expected
        assert count_characters(path) == len(expected)
        for start, stop in [(0, 5), (3, 40), (17, 18), (20, 20), (30, None), (0, 10_000)]:
            assert "".join(read_pieces(path, start, stop)) == expected[start:stop]


def test_several_files_are_documents(tmp_path: Path):
    write(tmp_path, **{f"part{i}": f"document number {i} of many\n" for i in range(20)})
    paths = sorted(tmp_path.iterdir())
    for source in (tmp_path, str(tmp_path / "*.txt"), str(tmp_path / "**"), paths, [paths[0], tmp_path]):
        corpus = load_corpus(source)
        assert corpus.has_documents
        train, validation = [*corpus.train], [*corpus.validation]
        assert len(validation) == 2
        assert sorted(train + validation) == sorted(path.read_text() for path in paths)
        assert corpus.source == "20 files, part0.txt to part9.txt"
        assert corpus.prompt == " ".join(train[0].split()[:5])
    assert load_corpus(tmp_path).name == tmp_path.name


def test_folders_name_what_they_skip(tmp_path: Path):
    write(tmp_path, one=POEM, two=POEM + "!", image=b"\x89PNG\0\0", empty="")
    write(tmp_path / ".git", config=POEM)
    write(tmp_path / "deep", three=POEM + "?")
    (tmp_path / ".hidden.txt").write_text(POEM)
    corpus = load_corpus(tmp_path)
    assert len([*corpus.train, *corpus.validation]) == 3
    assert corpus.source == "3 files, three.txt to two.txt (skipped, no text in them: empty.txt, image.txt)"


def test_a_folder_of_one_file_is_one_text(tmp_path: Path):
    write(tmp_path, poem=POEM, image=b"\0")
    corpus = load_corpus(tmp_path)
    assert not corpus.has_documents
    assert "skipped, no text in them: image.txt" in corpus.source
    assert "".join([*corpus.train, *corpus.validation]) == POEM


def test_text_in_memory():
    one = load_corpus(text=POEM)
    assert not one.has_documents
    assert "".join([*one.train, *one.validation]) == POEM
    assert (one.name, one.tokenizer) == ("text", "bpe")
    many = load_corpus(text=["first one", "second one", " ", "third one"])
    assert many.has_documents
    assert len([*many.train]) == 2
    assert many.source == "28 characters of text (1 empty documents left out)"
    assert not load_corpus(text=[POEM]).has_documents


def refusal(**given) -> str:
    with pytest.raises(CorpusError) as error:
        load_corpus(**given)
    assert isinstance(error.value, AttnError)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_missing_files(tmp_path: Path):
    write(tmp_path, shakespeare=POEM)
    assert "no such file: " in refusal(source=tmp_path / "shakespear.txt")
    assert "did you mean shakespeare.txt?" in refusal(source=tmp_path / "shakespear.txt")
    assert "did you mean sentences?" in refusal(source="sentence")
    for name in ("sentences", "dates"):
        told = f"{name} is built in and cannot be joined with other texts; give it alone, or files only"
        assert refusal(source=[name, tmp_path / "shakespeare.txt"]) == told
    for name in ("sentences", "dates"):
        told = f"{name} is built in and cannot be joined with other texts; give it alone, or files only"
        assert refusal(source=[name, tmp_path / "shakespeare.txt"]) == told
    assert "'python-docs'" in refusal(source="quite-another-thing")
    assert "no text file in" in refusal(source=str(tmp_path / "*.md"))
    assert "no source" in refusal(source=[])


def test_files_that_are_no_text(tmp_path: Path):
    write(tmp_path, binary=b"abc\0def", latin="caf\xe9 au lait".encode("latin-1"), empty="", blank=" \n ", short="a")
    assert "binary.txt is not a text: byte 3 is NUL" in refusal(source=tmp_path / "binary.txt")
    assert "latin.txt is not UTF-8: byte 3 is 0xe9" in refusal(source=tmp_path / "latin.txt")
    assert "empty.txt is empty" in refusal(source=tmp_path / "empty.txt")
    assert "too short" in refusal(source=tmp_path / "short.txt")
    (tmp_path / "only").mkdir()
    write(tmp_path / "only", binary=b"\0")
    assert "no text in them: binary.txt" in refusal(source=tmp_path / "only")


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_the_byte_of_an_encoding_error_is_exact(tmp_path: Path, monkeypatch, size: int):
    monkeypatch.setattr("attn_widgets.text.files.PIECE", size)
    good = "日本語 " * 5
    for bad, offset in ((b"\xff", 0), (b"\xe6\x97X", 0), (b"ab\xc3", 2)):
        raw = good.encode() + bad
        write(tmp_path, bad=raw)
        with pytest.raises(UnicodeDecodeError) as expected:
            raw.decode()
        assert expected.value.start == len(good.encode()) + offset
        assert f"byte {expected.value.start} is" in refusal(source=tmp_path / "bad.txt")


def test_texts_that_are_none():
    assert "the text is empty" in refusal(text="")
    assert "the text is empty" in refusal(text=["", " "])
    assert "too short" in refusal(text="a b")
    assert "int 3; give a str or a list of str" in refusal(text=["a", 3])
    assert "give a str or a list of str" in refusal(text=3)


def test_an_unreadable_folder_is_named(tmp_path: Path):
    write(tmp_path, one=POEM)
    path = tmp_path / "one.txt"
    corpus = load_corpus(path)
    path.unlink()
    with pytest.raises(CorpusError, match=r"cannot read .*one\.txt: No such file"):
        list(corpus.train)
