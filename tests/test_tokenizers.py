from __future__ import annotations

import json
import random

import numpy as np
import pytest
import tokenizers

from attn_widgets.errors import ConfigError, CorpusError
from attn_widgets.text.corpus import Corpus, load_corpus
from attn_widgets.text.texts import Texts
from attn_widgets.text.tokenizers import Tokenizer, train_tokenizer

TEXT = "Don't go, said the fox: 3.5 foxes (or 1,000) won’t go!\nThe fox went on _and_ on.\n" * 20
HOSTILE = ["‹unknown›", "<|end|>", "‹end›", "‹start›", "<unk>", "[UNK]", "<|endoftext|>", "", " ", "\n", "Ġthe", "\0"]


def corpus(*documents: str) -> Corpus:
    return Corpus("x", "x", "a", "word", True, Texts(lambda: documents), Texts(lambda: documents))


def trained(kind, *documents: str, size: int = 400) -> Tokenizer:
    return train_tokenizer(kind, corpus(*(documents or (TEXT,))), size)


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_decode_undoes_encode(kind):
    tokenizer = trained(kind)
    ids = tokenizer.encode(TEXT)
    assert ids.dtype == np.int32
    if kind == "word":
        assert tokenizer.decode(ids).split() == [tokenizer.token(i) for i in ids if tokenizer.token(i) != "\n"]
        assert tokenizer.decode(ids).count("\n") == TEXT.count("\n")
        assert tokenizer.encode(tokenizer.decode(ids)).tolist() == ids.tolist()
    else:
        assert tokenizer.decode(ids) == TEXT


def test_words_are_words_numbers_marks_and_newlines():
    tokenizer = trained("word")
    shown = tokenizer.tokens(tokenizer.encode(TEXT[: TEXT.index("!") + 2]))
    assert shown == [
        "Don't", "go", ",", "said", "the", "fox", ":", "3.5", "foxes", "(", "or", "1,000", ")", "won’t", "go", "!", "\n"
    ]  # fmt: skip


def test_sentences_have_a_token_a_word(tmp_path):
    sentences = load_corpus()
    tokenizer = train_tokenizer("word", sentences, 2048)
    assert tokenizer.vocab_size == 139
    for line, _ in zip(sentences.validation, range(300), strict=False):
        assert tokenizer.tokens(tokenizer.encode(line)) == line.split(" ")
        assert tokenizer.decode(tokenizer.encode_prompt(line)) == line


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_prompts_begin_with_the_start_token(kind):
    tokenizer = trained(kind)
    ids = tokenizer.encode_prompt("the fox").tolist()
    end = tokenizer.vocab_size - 1
    assert ids[0] == tokenizer.end_id == end
    assert ids[1:] == tokenizer.encode("the fox").tolist()
    assert tokenizer.tokens([*ids, end])[:: len(ids)] == ["‹start›", "‹end›"]
    assert tokenizer.decode([*ids, end]) == "the fox"


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_a_continuous_text_has_no_start_token(kind):
    tokenizer = train_tokenizer(kind, load_corpus(text=TEXT), 400)
    assert tokenizer.end_id is None
    assert tokenizer.encode_prompt("the fox").tolist() == tokenizer.encode("the fox").tolist()


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_stands_for_a_special_token(kind, text: str):
    for tokenizer in (trained(kind), trained(kind, f"{text} a b {text} the end", "start")):
        ids = tokenizer.encode(f"a{text}b")
        assert tokenizer.end_id not in ids
        if kind == "bpe":
            assert tokenizer.decode(ids) == f"a{text}b"


@pytest.mark.parametrize("kind", ["char", "word"])
def test_a_known_literal_unknown_is_not_unknown(kind):
    tokenizer = trained(kind, "he wrote ‹unknown› there")
    ids = tokenizer.encode("‹unknown›")
    assert tokenizer.unknown_id not in ids
    assert tokenizer.decode(ids).replace(" ", "") == "‹unknown›"


def test_an_unknown_word_keeps_its_column():
    tokenizer = trained("word")
    text = "the purple fox met the Ünicorn and the purple fox"
    ids = tokenizer.encode(text)
    assert tokenizer.tokens(ids)[:5] == ["the", "‹unknown›", "fox", "‹unknown›", "the"]
    assert len(ids) == 10
    assert tokenizer.unknown(text) == ["purple", "met", "Ünicorn", "and"]
    assert tokenizer.unknown("the fox") == []


def test_an_unknown_character_keeps_its_column():
    tokenizer = trained("char")
    assert tokenizer.tokens(tokenizer.encode("foß𝄞x")) == ["f", "o", "‹unknown›", "‹unknown›", "x"]
    assert tokenizer.unknown("ßfoß𝄞x") == ["ß", "𝄞"]
    assert trained("bpe").unknown("ß𝄞") == []
    assert trained("bpe").unknown_id is None


def inner(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(json.dumps(json.loads(tokenizer.to_json())["tokenizer"]))


@pytest.mark.parametrize("kind", ["char", "word"])
def test_the_fast_paths_equal_hugging_face(kind):
    """Random ASCII of every code, and letters, marks and spaces beyond it."""
    rng = random.Random(0)
    alphabet = [*map(chr, range(128)), *"éüß’ \u00a0\u0301\u2028中文𝄞٣"]
    texts = ["".join(rng.choices(alphabet, k=rng.randrange(40))) for _ in range(300)]
    texts += ["".join(rng.choices(alphabet[:128], k=40)) for _ in range(300)] + ["a" * 5000, "3.1.4,1", "it's' ''s"]
    tokenizer = trained(kind, *texts[::2], size=600)
    reference = inner(tokenizer)
    for text in texts:
        assert tokenizer.encode(text).tolist() == reference.encode(text).ids
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == [reference.encode(text).ids for text in texts]


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_json_round_trip(kind):
    tokenizer = trained(kind)
    again = Tokenizer.from_json(tokenizer.to_json())
    text = TEXT + " ünknown ‹end›"
    assert (again.kind, again.vocab_size, again.end_id, again.unknown_id) == (
        tokenizer.kind,
        tokenizer.vocab_size,
        tokenizer.end_id,
        tokenizer.unknown_id,
    )
    assert again.encode(text).tolist() == tokenizer.encode(text).tolist()
    assert again.tokens(range(again.vocab_size)) == tokenizer.tokens(range(tokenizer.vocab_size))
    assert trained(kind).to_json() == tokenizer.to_json()


def test_bpe_shows_leading_spaces_and_spells_any_byte():
    tokenizer = trained("bpe", size=280)
    assert tokenizer.vocab_size == 280
    ids = tokenizer.encode("the fox")
    assert "".join(tokenizer.tokens(ids)) == "the fox"
    assert any(token.startswith(" ") for token in tokenizer.tokens(ids))
    every = "".join(map(chr, [*range(0, 0xD800, 7), *range(0xE000, 0x11000, 5), 0x1F600]))
    assert tokenizer.decode(tokenizer.encode(every)) == every


def test_vocabulary_limits():
    rare = "common common common rare seldom common"
    tokenizer = trained("word", rare, size=4)
    assert tokenizer.vocab_size == 4
    assert tokenizer.tokens(tokenizer.encode(rare)) == ["common"] * 3 + ["rare", "‹unknown›", "common"]
    assert trained("char", rare, size=4).vocab_size == len(set(rare)) + 2
    with pytest.raises(ConfigError, match="--vocab-size 256 is too small for bpe; try 257 or more"):
        trained("bpe", size=256)
    assert trained("bpe", size=257).vocab_size == 257


def test_a_text_without_a_word_is_refused():
    with pytest.raises(CorpusError, match="no token"):
        trained("word", "   ", "\t")


def test_characters_up_to_a_token():
    tokenizer = trained("word")
    assert tokenizer.characters("the  purple fox .", 2) == len("the  purple")
    assert trained("char").characters("abc", 2) == 2
    assert trained("bpe").characters("the fox", 0) == 0
    bpe = trained("bpe")
    text = "thé 𝄞 fox"
    assert bpe.characters(text, len(bpe.encode(text))) == len(text)


def test_lone_surrogates_are_an_error_of_one_line():
    for kind in ("word", "bpe"):
        with pytest.raises(CorpusError, match="U\\+D800"):
            trained(kind).encode("a\ud800b")


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
@pytest.mark.parametrize("documents", [1, 3])
def test_a_training_text_with_a_lone_surrogate_is_refused(kind, documents):
    text = "a text of words " * 40 + "and half a pair: \ud83d ." + " and more words" * 40
    corpus = load_corpus(text=text if documents == 1 else [text] * documents)
    told = r"^character \d+ is U\+D83D, half of a surrogate pair, in '.*'; leave it out$"
    with pytest.raises(CorpusError, match=told):
        train_tokenizer(kind, corpus, 400)
