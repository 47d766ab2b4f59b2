from __future__ import annotations

from pydoc_data.topics import topics

from attn_widgets.text import python_docs
from attn_widgets.text.corpus import load_corpus


def test_no_validation_paragraph_is_in_training():
    corpus = load_corpus("python-docs")
    train, validation = [*corpus.train], [*corpus.validation]
    assert len(validation) > 50
    assert not set(train) & set(validation)
    assert len(set(train)) == len(train)
    assert sorted([*train, *validation]) == sorted(python_docs.paragraphs())


def test_paragraphs_are_prose_of_the_topics():
    paragraphs = python_docs.paragraphs()
    source = "".join("".join(topics.values()).split())
    assert len(paragraphs) > 500
    for paragraph in paragraphs:
        assert "".join(paragraph.split()) in source
        assert "::=" not in paragraph
        assert "***" not in paragraph
        assert "\n" not in paragraph
    assert not [p for p in paragraphs if p.startswith(">>>")]


def test_the_corpus_says_what_it_is():
    corpus = load_corpus("python-docs")
    assert (corpus.name, corpus.tokenizer, corpus.has_documents) == ("python-docs", "bpe", True)
    assert corpus.floor is corpus.grammar is None
    assert any(corpus.prompt in paragraph for paragraph in corpus.train)
