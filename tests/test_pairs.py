from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attn_widgets.errors import ConfigError, CorpusError
from attn_widgets.text.batches import IGNORED
from attn_widgets.text.corpus import task_corpus
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.tasks import Item, Task, make_task
from attn_widgets.text.tokenizers import Tokenizer, train_tokenizer

LETTERS = Task(
    "letters", "", "char", "ab", "exact_match",
    train=[Item("ab", "c"), Item("abc", "cba")], validation=[Item("b", "ca")], test=[Item("a", "b"), Item("abb", "ac")],
)  # fmt: skip
WORDS = Task(
    "words", "", "word", "a 1", "token_accuracy",
    train=[Item("a 1 b 2", "b 2 a 1", given=(0, 2, 4))], validation=[Item("a 2", "a 2", given=(0, 2))],
    test=[Item("b 1 a 2", "a 2 b 1", given=(0, 2, 4)), Item("b 10", "b 1 a", given=(0,))],
)  # fmt: skip
RECALL = make_task("recall", size=500)
REVERSE = make_task("reverse", size=500)
MANY = 1 << 30


def tokenizer_of(task: Task) -> Tokenizer:
    return train_tokenizer(task.tokenizer, task_corpus(task), 2048)


def shown(tokenizer: Tokenizer, ids: np.ndarray) -> str:
    """One row: letters or words, ``|`` for the end token and ``_`` where nothing is predicted."""
    glue = " " if tokenizer.kind == "word" else ""
    odd = {tokenizer.end_id: "|", IGNORED: "_", 0: "."}
    return glue.join(odd.get(int(id)) or tokenizer.token(id) for id in ids)


def find_row(files, wanted: int, context: int = 64):
    """Test batches as rows of arrays, by position of the item."""
    rows = {}
    for places, batch in files.test_batches(context, MANY):
        for at, place in enumerate(places):
            rows[int(place)] = [array[at] for array in (*batch.inputs, batch.targets)]
    return rows[wanted]


def test_source_and_target_apart():
    tokenizer = tokenizer_of(LETTERS)
    files = encode_pairs(LETTERS, tokenizer, joined=False, limit=MANY)
    source, length, inputs, targets = find_row(files, 0)
    assert shown(tokenizer, source) == "a.."
    assert length == 1
    assert shown(tokenizer, inputs) == "|b."
    assert shown(tokenizer, targets) == "b|_"
    source, length, inputs, targets = find_row(files, 1)
    assert [shown(tokenizer, ids) for ids in (source, inputs, targets)] == ["abb", "|ac", "ac|"]
    assert length == 3


def test_source_and_target_joined():
    tokenizer = tokenizer_of(LETTERS)
    files = encode_pairs(LETTERS, tokenizer, joined=True, limit=MANY)
    inputs, targets = find_row(files, 0)
    assert shown(tokenizer, inputs) == "|a→b..."
    assert shown(tokenizer, targets) == "__b|___"
    inputs, targets = find_row(files, 1)
    assert shown(tokenizer, inputs) == "|abb→ac"
    assert shown(tokenizer, targets) == "____ac|"


def test_given_tokens_are_read_and_not_predicted():
    tokenizer = tokenizer_of(WORDS)
    apart, joined = (encode_pairs(WORDS, tokenizer, joined=joined, limit=MANY) for joined in (False, True))
    _, _, inputs, targets = find_row(apart, 0)
    assert shown(tokenizer, inputs) == "| a 2 b 1"
    assert shown(tokenizer, targets) == "_ 2 _ 1 _"
    inputs, targets = find_row(joined, 0)
    assert shown(tokenizer, inputs) == "| b 1 a 2 → a 2 b 1"
    assert shown(tokenizer, targets) == "_ _ _ _ _ _ 2 _ 1 _"


def test_a_joined_row_is_the_joined_text():
    for task in (LETTERS, WORDS):
        tokenizer = tokenizer_of(task)
        files = encode_pairs(task, tokenizer, joined=True, limit=MANY)
        for at, item in enumerate(task.test):
            whole = tokenizer.encode_prompt(task.joined(item.source, item.target))
            start = tokenizer.encode_prompt(task.joined(item.source))
            inputs, targets = find_row(files, at)
            assert inputs[: len(whole)].tolist() == whole.tolist()
            assert not inputs[len(whole) :].any()
            assert (targets[: len(start) - 1] == IGNORED).all()


def test_byte_pairs_join_as_one_text():
    task = replace(LETTERS, tokenizer="word", train=[Item("go on", "va là")] * 3, test=[Item("go là", "va on")])
    tokenizer = train_tokenizer("bpe", task_corpus(task), 300)
    inputs, targets = find_row(encode_pairs(task, tokenizer, joined=True, limit=MANY), 0)
    assert inputs.tolist() == tokenizer.encode_prompt("go là → va on").tolist()
    assert tokenizer.decode(targets[targets != IGNORED]) == " va on"


@pytest.mark.parametrize("joined", [False, True])
def test_a_batch_is_a_function_of_seed_step_and_micro(joined):
    files = encode_pairs(RECALL, tokenizer_of(RECALL), joined=joined, limit=MANY)

    def draw(*key: int) -> list[np.ndarray]:
        batch = files.batch(96, 8, *key)
        return [*batch.inputs, batch.targets]

    first = draw(3, 5, 0)
    draw(9, 9, 9)
    np.random.seed(1)
    assert all(map(np.array_equal, draw(3, 5, 0), first))
    assert all(array.dtype == np.int64 and len(array) == 8 for array in first)
    drawn = {draw(*key)[-1].tobytes() for key in [(3, 5, 0), (4, 5, 0), (3, 6, 0), (3, 5, 1), (5, 3, 0)]}
    assert len(drawn) == 5


def test_every_training_item_is_equally_likely():
    """500 items, 1,000 batches of 32: each is drawn 64 times on average, the shortest and longest as well.

    The spread of one item is 8 by itself and 6 since items of one length come together.
    """
    tokenizer = tokenizer_of(REVERSE)
    files = encode_pairs(REVERSE, tokenizer, joined=False, limit=MANY)
    counts = {ids.astype(np.int64).tobytes(): 0 for ids in tokenizer.encode_batch([i.source for i in REVERSE.train])}
    assert len(counts) == 500
    for step in range(1000):
        source, lengths, _ = files.batch(32, 32, 0, step, 0).inputs
        for ids, length in zip(source, lengths, strict=True):
            counts[ids[:length].tobytes()] += 1
    drawn = np.array(list(counts.values()))
    assert drawn.sum() == 1000 * 32
    assert (abs(drawn - 64) < 5 * 10).all()
    assert drawn.std() < 13


def test_one_batch_has_like_lengths():
    """Source lengths are even from 4 to 12: 32 at random are padded to 12 and waste a third."""
    files = encode_pairs(REVERSE, tokenizer_of(REVERSE), joined=False, limit=MANY)
    batches = [files.batch(32, 32, 0, step, 0) for step in range(100)]
    padding = sum((batch.targets == IGNORED).sum() for batch in batches)
    assert padding < 0.1 * sum(batch.targets.size for batch in batches)
    assert len({batch.targets.shape[1] for batch in batches}) > 5


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("name", ["recall", "reverse"])
def test_validation_covers_every_item_once(joined, name):
    task = {"recall": RECALL, "reverse": REVERSE}[name]
    tokenizer = tokenizer_of(task)
    files = encode_pairs(task, tokenizer, joined=joined, limit=MANY)
    found, predicted = [], 0
    for batch in files.validation_batches(96, 1000):
        assert sum(array.size for array in batch.inputs if array.ndim == 2) <= 1000
        predicted += int((batch.targets != IGNORED).sum())
        found += [tokenizer.decode(ids[ids > 0]) for ids in batch.inputs[-1]]
    whole = [task.joined(item.source, item.target) if joined else item.target for item in task.validation]
    assert sorted(found) == sorted(whole)
    per_item = [len(i.target.split()) // 2 if name == "recall" else len(i.target) + 1 for i in task.validation]
    assert predicted == files.validation_count == sum(per_item)
    assert not files.validation_note


def test_a_row_wider_than_a_batch_stands_alone():
    files = encode_pairs(REVERSE, tokenizer_of(REVERSE), joined=False, limit=MANY)
    assert [len(batch.targets) for batch in files.validation_batches(32, 1)] == [1] * 1000


def test_characters_and_counts():
    files = encode_pairs(LETTERS, tokenizer_of(LETTERS), joined=True, limit=MANY)
    assert files.validation_count == 3  # c a end
    assert files.validation_characters == 3
    assert files.tokens_per_row(64) == 3  # (c end) and (c b a end)
    assert files.nats_per_character(2.0) == 2.0
    words = replace(WORDS, validation=[Item("a 2", "b 10 a", given=(0,))])
    files = encode_pairs(words, tokenizer_of(WORDS), joined=True, limit=MANY)
    assert files.validation_count == 3  # 10 a end
    assert files.validation_characters == len("10 a\n")
    assert files.nats_per_character(1.0) == 3 / 5


def test_validation_is_limited():
    files = encode_pairs(REVERSE, tokenizer_of(REVERSE), joined=False, limit=100)
    kept = len(files.validation.source)
    assert 100 - 13 < files.validation_count <= 100
    assert files.validation_count == sum(len(item.target) + 1 for item in REVERSE.validation[:kept])
    assert files.validation_characters == files.validation_count
    assert files.validation_capped
    assert files.validation_note == f"validation on the first {kept} of 1,000 items (--validation-tokens)"
    assert len(encode_pairs(REVERSE, tokenizer_of(REVERSE), joined=False, limit=1).validation.source) == 1


def test_too_short_a_context_is_refused_with_the_length_that_works():
    tokenizer = tokenizer_of(LETTERS)
    for joined, longest in ((False, 4), (True, 8)):  # end cba, and end abc→cba
        files = encode_pairs(LETTERS, tokenizer, joined=joined, limit=MANY)
        with pytest.raises(CorpusError, match=f"too short for a row of {longest} tokens; try --context {longest}") as e:
            files.batch(longest - 1, 2, 0, 0, 0)
        assert "\n" not in str(e.value)
        assert files.batch(longest, 2, 0, 0, 0).targets.shape[0] == 2
    with pytest.raises(CorpusError, match="--context 3 is too short for a row of 5"):
        list(encode_pairs(LETTERS, tokenizer, joined=True, limit=MANY).validation_batches(3, 100))


def test_a_long_joined_row_loses_the_end_of_its_source():
    tokenizer = tokenizer_of(LETTERS)
    files = encode_pairs(LETTERS, tokenizer, joined=True, limit=MANY, lengths="truncate")
    rows = {6: ("|ab→ac", "___ac|"), 5: ("|a→ac", "__ac|"), 4: ("|→ac", "_ac|"), 3: ("|→a", "_ac")}
    for context, (inputs, targets) in rows.items():
        row = find_row(files, 1, context)
        assert [shown(tokenizer, ids) for ids in row] == [inputs, targets]
    with pytest.raises(CorpusError, match="--context 1 leaves nothing to predict; try 2 or more"):
        find_row(files, 1, 1)


def test_long_sources_and_targets_apart_lose_their_ends():
    tokenizer = tokenizer_of(LETTERS)
    files = encode_pairs(LETTERS, tokenizer, joined=False, limit=MANY, lengths="truncate")
    source, length, inputs, targets = find_row(files, 1, 2)
    assert [shown(tokenizer, ids) for ids in (source, inputs, targets)] == ["ab", "|a", "ac"]
    assert length == 2


def test_a_language_model_is_asked_with_the_row_up_to_its_target():
    tokenizer = tokenizer_of(LETTERS)
    files = encode_pairs(LETTERS, tokenizer, joined=True, limit=MANY, lengths="truncate")
    for context, prompts in ((64, ["|a→", "|abb→"]), (6, ["|a→", "|ab→"]), (4, ["|a→", "|→"])):
        assert [shown(tokenizer, ids) for ids in files.prompts(context)] == prompts
        for rows, batch in files.test_batches(context, MANY):
            for row, start, labels in zip(rows, files.starts(rows, context), batch.targets, strict=True):
                assert start == len(files.prompts(context)[row]) - 1
                assert tokenizer.token(labels[start]) == LETTERS.test[row].target[0]


def test_a_tokenizer_that_cannot_be_the_tasks_is_refused():
    words = replace(LETTERS, tokenizer="word")
    with pytest.raises(ConfigError, match="counts in tokens of --tokenizer word; given --tokenizer char"):
        encode_pairs(WORDS, tokenizer_of(LETTERS), joined=True, limit=MANY)
    plain = train_tokenizer("word", replace(task_corpus(words), has_documents=False), 100)
    with pytest.raises(ConfigError, match="no end token"):
        encode_pairs(words, plain, joined=False, limit=MANY)
    other = train_tokenizer("char", replace(task_corpus(LETTERS), train=["abc"]), 100)
    encode_pairs(LETTERS, other, joined=False, limit=MANY)
    with pytest.raises(ConfigError, match="no →"):
        encode_pairs(LETTERS, other, joined=True, limit=MANY)


def test_empty_parts_and_items_are_refused():
    tokenizer = tokenizer_of(LETTERS)
    with pytest.raises(CorpusError, match="no item in its test part"):
        encode_pairs(replace(LETTERS, test=[]), tokenizer, joined=True, limit=MANY)
    with pytest.raises(CorpusError, match="item without a token: 'a' → ''"):
        encode_pairs(replace(LETTERS, test=[Item("a", "")]), tokenizer, joined=True, limit=MANY)
