"""The task made of a file of sentence pairs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attn_widgets.errors import CorpusError
from attn_widgets.text.tasks import parallel_task, readable
from tests.task_items import PARTS, all_items, assert_disjoint, one_line

LINES = (
    "Go.\tVa !\tCC-BY #1",
    "Go.\tMarche.\tCC-BY #2",
    "Go!\tBouge\u202f!",
    "Go.\tVa !",
    "Tom left.\tTom est parti.",
    "Help Tom.\tAidez Tom !",
    "I like it.\tJ’aime ça.",
    "It's today!\tC'est aujourd'hui\xa0!",
    "Is it yours?\tEst-ce la vôtre ?",
    "Wait! Stop.\tAttends\u202f! Arrête.",
    "May I?\tJe peux ?",
    "I won again.\tJ'ai encore gagné.",
)


@pytest.fixture
def tatoeba(tmp_path: Path) -> Path:
    path = tmp_path / "eng-fra.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return path


def words_of(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.casefold()))


@pytest.mark.parametrize("seed", range(5))
def test_translations_of_one_sentence_stay_together(tatoeba, seed):
    task = parallel_task(tatoeba, seed)
    train, validation, test = ({words_of(item.source) for item in getattr(task, part)} for part in PARTS)
    assert_disjoint(train, validation, test)
    assert len(train | validation | test) == 9
    assert (len(validation), len(test)) == (1, 1)
    assert {words_of(item.source) for item in parallel_task(tatoeba, seed).test} == test


def test_a_translation_keeps_all_that_is_needed_to_read_it(tatoeba):
    pairs: dict[str, set[str]] = {}
    for seed in range(5):
        task = parallel_task(tatoeba, seed)
        for item in all_items(task):
            pairs.setdefault(readable(item.source), set()).update(map(readable, item.references or (item.target,)))
    plain = str.maketrans({"’": "'", "\u202f": " ", "\xa0": " "})
    expected: dict[str, set[str]] = {}
    for line in LINES:
        english, french = line.translate(plain).split("\t")[:2]
        expected.setdefault(english.replace("Go!", "Go !").replace("!", " !").replace("  ", " "), set()).add(french)
    spaced = {re.sub(r" ?([!?])", r" \1", english): french for english, french in pairs.items()}
    assert spaced == {re.sub(r" ?([!?])", r" \1", english): french for english, french in expected.items()}


def test_words_and_marks_of_a_translation(tatoeba):
    items = {item.source: item.target for item in all_items(parallel_task(tatoeba))}
    assert items["I like it ."] == "j ' aime ça ."
    assert items["it's today !"] == "c ' est aujourd'hui !"
    assert items["is it yours ?"] == "est - ce la vôtre ?"
    assert items["help Tom ."] == "aidez Tom !"
    assert items["wait ! stop ."] == "attends ! arrête ."


def test_a_test_item_holds_all_references(tatoeba):
    tests = [parallel_task(tatoeba, seed).test for seed in range(40)]
    assert all(item.target == item.references[0] for test in tests for item in test)
    found = {item.source: item.references for test in tests for item in test}
    assert found["go ."] == ("va !", "marche .")
    assert found["go !"] == ("bouge !",)


def test_names_keep_their_capital_and_first_words_do_not(tatoeba):
    texts = [item.source for item in all_items(parallel_task(tatoeba))]
    assert "Tom left ." in texts
    assert "may I ?" in texts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("Go.\tVa !\n\nGo on\n", "line 3: no tab in 'Go on'"),
        ("Go.\tVa !\n\tMarche.\n", r"line 2: no English in '\\tMarche.'"),
        ("Go.\tVa !\nGo.\t \tCC\n", "line 2: no translation in"),
        ("Go.\tVa !\nGo!\tMarche.\nHi.\tSalut.\n", "2 different English sentences, too few"),
    ],
)
def test_a_bad_parallel_file_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "pairs.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=message) as error:
        parallel_task(path)
    assert str(path) in one_line(error)


def test_a_missing_parallel_file_is_refused_in_one_line(tmp_path):
    with pytest.raises(CorpusError, match="No such file") as error:
        parallel_task(tmp_path / "none.txt")
    one_line(error)
