from __future__ import annotations

import calendar
import datetime
import itertools
import math
import re
from collections import Counter

import pytest
from dateutil import parser

from attn_widgets.errors import ConfigError
from attn_widgets.text.corpus import task_corpus
from attn_widgets.text.sentences import line_log_probability
from attn_widgets.text.tasks import TASKS, Item, Task, make_task, pieces, rare_words
from attn_widgets.text.tasks.dates import FORMATS
from attn_widgets.text.tokenizers import train_tokenizer
from tests.task_items import PARTS, all_items, assert_disjoint, one_line

GENERATED = {name: make_task(name, size=3000) for name in TASKS}


@pytest.mark.parametrize("name", TASKS)
def test_no_held_out_item_stands_in_another_part(name):
    task = GENERATED[name]
    train, validation, test = ({item.source for item in getattr(task, part)} for part in PARTS)
    assert_disjoint(train, validation, test)
    assert (len(validation), len(test)) == (len(task.validation), len(task.test))
    assert len(train) > 2400, "training items are hardly ever the same"


def test_dates_are_split_by_date():
    train, validation, test = ({item.target for item in getattr(GENERATED["dates"], part)} for part in PARTS)
    assert_disjoint(train, validation, test)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_a_function_of_its_seed_and_its_held_out_items_not_of_its_size(name):
    task = GENERATED[name]
    assert make_task(name, size=3000) == task
    small, other = make_task(name, size=10), make_task(name, seed=1, size=10)
    assert small.train == task.train[:10]
    assert (small.validation, small.test) == (task.validation, task.test)
    assert len(set(other.test) & set(task.test)) < 0.1 * len(task.test)
    assert other.train != small.train


@pytest.mark.parametrize("name", TASKS)
def test_tokens_are_what_positions_count(name):
    task = GENERATED[name]
    tokenizer = train_tokenizer(task.tokenizer, task_corpus(task), 2048)
    for item in all_items(task)[::7]:
        for text in (item.source, item.target):
            if name == "copy" and tokenizer.unknown(text):
                continue  # its rarest words may not be in the training part
            assert tokenizer.tokens(tokenizer.encode(text)) == pieces(text, task.tokenizer)
            assert tokenizer.decode(tokenizer.encode(text)) == text
            assert not tokenizer.unknown(text)


@pytest.mark.parametrize("name", TASKS)
def test_the_source_to_try_holds_no_unknown_token(name):
    task = GENERATED[name]
    known = {token for item in task.train for token in pieces(item.source, task.tokenizer)}
    assert set(pieces(task.prompt, task.tokenizer)) <= known


@pytest.mark.parametrize("name", TASKS)
def test_groups_have_equally_many_test_items(name):
    assert len(set(Counter(item.group for item in GENERATED[name].test).values())) == 1


def test_twenty_date_formats_read_as_dateutil_reads_them():
    assert len(FORMATS) == 20
    assert {item.group for item in GENERATED["dates"].test} == set(FORMATS)
    read = {item.group: 0 for item in GENERATED["dates"].test}
    for item in all_items(GENERATED["dates"]):
        if item.group != "4.VII.1976":  # dateutil has no Roman months
            assert parser.parse(item.source, fuzzy=True).date().isoformat() == item.target
            read[item.group] += 1
    assert sum(map(bool, read.values())) == 19


def test_roman_months_and_weekdays():
    """4 July 1976 was a Sunday; 1 January 2000 a Saturday."""
    assert FORMATS["4.VII.1976"](datetime.date(1999, 12, 31)) == "31.XII.1999"
    assert FORMATS["4.VII.1976"](datetime.date(1999, 4, 1)) == "1.IV.1999"
    assert "Sunday, 4 July 1976" in FORMATS
    assert FORMATS["Sun 4 Jul 1976"](datetime.date(2000, 1, 1)) == "Sat 1 Jan 2000"
    for item in all_items(GENERATED["dates"]):
        if named := re.match(r"[A-Z][a-z]+day", item.source):
            assert named.group() == calendar.day_name[datetime.date.fromisoformat(item.target).weekday()]


def test_dates_cover_two_centuries():
    dates = sorted(item.target for item in all_items(GENERATED["dates"]))
    assert "1900-01-01" <= dates[0] < "1901"
    assert "2099" < dates[-1] <= "2099-12-31"


def test_reverse_and_copy_are_longer_in_the_test():
    for name, key in (("reverse", -1), ("copy", 0)):
        task = GENERATED[name]
        lengths = {group: set[int]() for group in ("length 1x", "length 1.5x", "length 2x")}
        for item in all_items(task):
            source, target = pieces(item.source, task.tokenizer), pieces(item.target, task.tokenizer)
            assert target == (source[::-1] if name == "reverse" else source)
            assert source[item.keys[0]] == target[0]
            assert item.keys[0] == range(len(source))[key]
            lengths[item.group].add(len(source))
        assert lengths == {"length 1x": set(range(4, 13)), "length 1.5x": {18}, "length 2x": {24}}
        assert {item.group for item in task.train} == {"length 1x"}


def test_copy_has_words_that_are_hardly_ever_trained_on():
    task = make_task("copy")
    rare = rare_words(task)
    asked = [word for item in task.test for word in item.target.split()]
    assert 200 < len(rare) < 400
    assert sum(word in rare for word in asked) > 150


def test_recall_asks_for_every_key_once():
    orders = set()
    for item in all_items(GENERATED["recall"]):
        source, target = item.source.split(), item.target.split()
        pairs = dict(zip(source[::2], source[1::2], strict=True))
        assert len(pairs) == len(source) / 2 == len(target) / 2
        assert {key: pairs[key] for key in target[::2]} == dict(zip(target[::2], target[1::2], strict=True))
        assert set(target[::2]) == set(pairs)
        assert [source[at] for at in item.keys] == target[:2]
        assert item.given == (*range(0, len(target), 2), len(target))
        assert item.group == f"pairs {len(pairs)}"
        orders.add(item.keys)
    assert len(orders) == 12
    used = [set(" ".join(item.source for item in GENERATED["recall"].train).split()[at::2]) for at in (0, 1)]
    assert [len(words) for words in used] == [64, 64]


def test_induction_repeats_a_stretch_at_no_fixed_distance():
    distances, starts = Counter[int](), Counter[int]()
    for item in all_items(GENERATED["induction"]):
        source, target = item.source.split(), item.target.split()
        assert len(set(source)) == len(source)
        start = source.index(target[0])
        assert source[start : start + len(target)] == target
        assert item.given == (0, 1, len(target))
        assert [source[at] for at in item.keys] == [target[2]]
        low, high = map(int, item.group.removeprefix("gap ").split("-"))
        assert low <= len(source) - start - len(target) <= high
        distances[len(source) - start] += 1
        starts[start] += 1
    assert len(distances) > 15
    assert len(starts) > 10
    assert distances.most_common(1)[0][1] < 0.1 * distances.total()


def test_induction_words_follow_each_other_evenly():
    """Word pairs that come more often than by chance could be learnt by heart."""
    follows = Counter[tuple[str, str]]()
    for item in GENERATED["induction"].train:
        words = item.source.split()
        follows.update(itertools.pairwise(words))
    mean = follows.total() / (64 * 63)
    assert max(follows.values()) < mean + 6 * math.sqrt(mean)


def test_agreement_follows_the_grammar_of_the_sentences():
    """Lines with up to four nouns in between are lines of the grammar, their verb included."""
    shares = Counter[tuple[str, bool]]()
    for item in all_items(GENERATED["agreement"]):
        words = item.source.split()
        distance = int(item.group.removeprefix("distance "))
        assert words.count("the") == distance
        assert len(words) == item.keys[0] + 1 + 3 * distance
        if distance <= 4:
            assert line_log_probability(f"{item.source} {item.target} loudly .") > -math.inf
        singular = item.target.endswith("s")
        assert (words[-1] in ("dog", "cat", "bird", "horse", "wolf", "child")) == (singular != bool(item.mislead))
        assert item.mislead in ((), (len(words) - 1,))
        shares[item.group, bool(item.mislead)] += 1
    assert {distance for distance, _ in shares} == {f"distance {n}" for n in (1, 2, 4, 8, 16)}
    for distance, _ in shares:
        ratio = shares[distance, True] / (shares[distance, True] + shares[distance, False])
        assert abs(ratio - 0.5) < 0.1


GOOD = {"good", "great", "lovely", "fresh", "pleasant", "perfect", "delicious", "wonderful"}
BAD = {"bad", "awful", "stale", "horrible", "bitter", "dull", "nasty", "disgusting"}


def polarity(clause: str) -> str:
    words = set(clause.split())
    assert len(words & GOOD) + len(words & BAD) == 1
    return "positive" if bool(words & GOOD) != ("not" in words) else "negative"


def test_opinions_read_by_rule():
    counts = Counter[tuple[str, str, bool]]()
    for item in all_items(GENERATED["classify"]):
        words = item.source.split()
        clauses = re.split(" , (?:but|although) ", item.source)
        deciding = clauses[-1] if " but " in item.source else clauses[0]
        assert polarity(deciding) == item.target
        other = [clause for clause in clauses if clause != deciding]
        assert bool(item.mislead) == any(polarity(clause) != item.target for clause in other)
        for places, clause in ((item.keys, deciding), (item.mislead, other[0] if other else "")):
            told = [word for word in clause.split() if word in GOOD | BAD | {"not"}]
            assert [words[at] for at in places] == (told if places else [])
        assert item.keys
        hard = next((word for word in ("but", "although", "not") if word in words), "plain")
        assert hard == item.group
        counts[item.group, item.target, bool(item.mislead)] += 1
    assert len(counts) == 12
    assert min(counts.values()) > 0.7 * max(counts.values()) / 2


def test_rare_words():
    train = [Item("x", target) for target in ("a b", "a b", "a c", "a d")]
    task = Task("t", "", "word", "", "exact_match", train, [], [Item("x", "e")])
    assert rare_words(task, at_most=2) == {"b", "c", "d"}
    assert rare_words(task, at_most=1) == {"c", "d"}
    assert rare_words(task) == {"a", "b", "c", "d"}
    assert rare_words(GENERATED["dates"]) == frozenset()


def test_unknown_tasks_and_sizes_are_refused():
    with pytest.raises(ConfigError, match="no task 'data'; try one of dates, reverse") as error:
        make_task("data")
    one_line(error)
    with pytest.raises(ConfigError, match="given size=0; try size=20000"):
        make_task("dates", size=0)
