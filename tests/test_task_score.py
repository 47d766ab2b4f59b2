"""Scores of a task: what counts as right, in one pass over right answers or by writing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import attn_widgets
from attn_widgets.config import GenerateConfig, ModelConfig, TrainConfig
from attn_widgets.generation.answers import greedy_answers
from attn_widgets.generation.beam import translate
from attn_widgets.generation.decode import generate_tokens
from attn_widgets.generation.tasks import score_task
from attn_widgets.models import MODELS
from attn_widgets.text.corpus import task_corpus
from attn_widgets.text.metrics import exact_match
from attn_widgets.text.pair_files import PairFiles
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.rare import rare_spans
from attn_widgets.text.tasks import Item, Task, make_task, parallel_task, rare_words
from attn_widgets.text.tokenizers import Kind, train_tokenizer
from attn_widgets.training import fit
from attn_widgets.training.counting import score_counts

COPY = make_task("copy", size=300)
LANGUAGE_MODELS: list[dict[str, Any]] = [
    {"model": "transformer"},
    {"model": "transformer", "positions": "learned"},
    {"model": "transformer", "attention": "lsh"},
    {"model": "recurrent", "attention": "additive"},
    {"model": "ngram"},
]


def word_task(train: list[Item], test: list[Item]) -> Task:
    return Task("words", "", "word", "a", "exact_match", train, train, test)


def files_of(task: Task, kind: Kind = "word", vocabulary: int = 300, *, joined: bool, **options: Any) -> PairFiles:
    tokenizer = train_tokenizer(kind, task_corpus(task), vocabulary)
    return encode_pairs(task, tokenizer, joined=joined, limit=1000, **options)


def counted(files: PairFiles) -> Any:
    """The n-gram model of a task: what it has seen it knows by heart."""
    model = MODELS["ngram"](ModelConfig(model="ngram", context=32), files.tokenizer.vocab_size)
    score_counts(model, files)
    return model


def taught(files: PairFiles, folder: Path, steps: int = 60) -> Any:
    """A small model that reads a source and writes a target, and knows its task by heart."""
    config = ModelConfig(model="seq2seq", attention="dot", layers=1, heads=2, dim=32, context=32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS["seq2seq"](config, files.tokenizer.vocab_size)
    options = TrainConfig(steps=steps, batch=8, validate_every=steps, mixed_precision="no", moments=0)
    fit(model, files, options, folder=folder, report=lambda progress: None)
    return model


@pytest.mark.parametrize("joined", [False, True])
def test_an_unknown_token_is_never_right(joined: bool, tmp_path: Path) -> None:
    """The vocabulary holds no answer, so that every answer is learnt to be ‹unknown›."""
    items = [Item("say", f"word{at}") for at in range(40)]
    task = word_task(items, items[:10])
    files = files_of(task, vocabulary=4, joined=joined)
    model = counted(files) if joined else taught(files, tmp_path / "run")
    assert set(greedy_answers(model.eval(), files, task)) == {"‹unknown›"}
    score = score_task(model, files, task)
    assert score.accuracy == 0
    assert score.tokens == {"": 0.5}  # where the answer ends is right
    assert score.rare == 0


SEVERAL = word_task(
    [Item("go", "va !"), Item("run", "cours vite !"), Item("stop", "arrête .")] * 4,
    [
        Item("go", "marche .", references=("marche .", "va !")),
        Item("run", "cours vite !", references=("cours vite !",)),
        Item("stop", "halte !", references=("halte !", "cesse .")),
    ],
)


@pytest.mark.parametrize("joined", [False, True])
def test_any_of_the_references_is_right(joined: bool, tmp_path: Path) -> None:
    files = files_of(SEVERAL, joined=joined)
    model = counted(files) if joined else taught(files, tmp_path / "run")
    assert greedy_answers(model.eval(), files, SEVERAL) == ["va !", "cours vite !", "arrête ."]
    assert score_task(model, files, SEVERAL).accuracy == pytest.approx(2 / 3)


def test_a_run_is_scored_by_all_translations_of_a_sentence(tmp_path: Path) -> None:
    """Test sentences get another translation in front of the one that is learnt from the other sentences."""
    path, words = tmp_path / "pairs.tsv", {"cat": "chat", "dog": "chien", "bird": "oiseau", "fish": "poisson"}
    lines = {f"a {one} , a {two}": f"un {words[one]} , un {words[two]}" for one in words for two in words}
    path.write_text("\n".join("\t".join(pair) for pair in lines.items()), encoding="utf-8")
    asked = {item.source for item in parallel_task(path).test}
    more = [f"{source}\tvoilà\n{source}\t{target}" for source, target in lines.items() if source in asked]
    rest = [f"{source}\t{target}" for source, target in lines.items() if source not in asked]
    order = {source: at for at, source in enumerate(lines)}
    path.write_text("\n".join(sorted([*more, *rest], key=lambda line: order[line.split("\t")[0]])), encoding="utf-8")
    run = attn_widgets.train(
        str(path), model="seq2seq", attention="additive", layers=1, heads=1, dim=48, steps=150, batch=16, context=16,
        runs=str(tmp_path / "runs"), show=False, seed=1, mixed_precision="no",
    )  # fmt: skip
    task = parallel_task(path)
    assert [item.target for item in task.test] == ["voilà"] * len(asked)
    written = [run.generate(item.source, trace=False).text for item in task.test]
    assert exact_match(written, task.test).mean() == run.score().accuracy > 0


@pytest.mark.parametrize("options", LANGUAGE_MODELS, ids=lambda options: "-".join(options.values()))
def test_answers_of_a_language_model_are_its_greedy_generations(options: dict[str, Any]) -> None:
    task = Task("copy", "", "word", "a", "exact_match", COPY.train, COPY.validation, COPY.test[:20])
    files = files_of(task, joined=True, vocabulary=200)
    torch.manual_seed(1)
    config = ModelConfig(layers=1, heads=2, dim=16, context=64, **options)
    model = counted(files) if config.model == "ngram" else MODELS[config.model](config, files.tokenizer.vocab_size)
    model.eval()
    tokenizer, longest = files.tokenizer, max(len(item.target.split()) for item in task.test)
    wanted = GenerateConfig(max_new_tokens=longest + 1, greedy=True)
    for item, answer in zip(task.test, greedy_answers(model, files, task), strict=True):
        prompt = tokenizer.encode_prompt(task.joined(item.source)).tolist()
        room = min(wanted.max_new_tokens, model.config.context - len(prompt) + 1)
        alone = generate_tokens(model, prompt, wanted, end_id=tokenizer.end_id, decode=tokenizer.decode, trace=False)
        assert answer == tokenizer.decode(alone.ids[:room])


@pytest.mark.parametrize("lengths", ["truncate", "slide"])
def test_answers_side_by_side_are_those_of_each_source_alone(lengths: str) -> None:
    test = [item._replace(target=" ".join(item.target.split()[:5])) for item in COPY.test[::60]]
    task = Task("copy", "", "word", "a", "exact_match", COPY.train, COPY.validation, test)
    files = files_of(task, joined=False, vocabulary=200, lengths=lengths)
    torch.manual_seed(1)
    config = ModelConfig(model="seq2seq", attention="dot", layers=1, dim=16, heads=2, context=16, lengths=lengths)
    model = MODELS["seq2seq"](config, files.tokenizer.vocab_size).eval()
    end, most = files.tokenizer.end_id, 16 if lengths == "truncate" else 24
    assert end is not None
    for item, answer in zip(task.test, greedy_answers(model, files, task), strict=True):
        ids = torch.from_numpy(files.tokenizer.encode(item.source)).long()[None, :most]
        (alone,) = translate(model, ids, torch.tensor([ids.shape[1]]), end_id=end, max_new_tokens=6)
        assert answer == files.tokenizer.decode(alone.ids)


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_rare_words_are_found_in_tokens_of_every_kind(kind: Kind, joined: bool) -> None:
    train = [Item("a", "l ' été arrive , enfin !")] * 6 + [Item("b", "l ' hiver part , enfin !")]
    task = word_task(train, [Item("c", "enfin , l ' hiver , l ' été part !"), Item("d", "enfin !")])
    files = files_of(task, kind, joined=joined)
    assert rare_words(task) == {"hiver", "part"}
    spans = rare_spans(task, files.tokenizer, joined=joined)
    assert list(spans) == [0]
    target = files.test.inputs[0][files.test.start[0] + 1 :]
    found = [files.tokenizer.decode(target[first:stop]).strip() for first, stop in spans[0]]
    assert found == ["hiver", "part"]


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_a_rare_word_is_right_when_all_its_tokens_are(kind: Kind) -> None:
    """After b the word zebra is likelier than zebro, which begins alike."""
    train = [Item("b", "zebra")] * 3 + [Item("b", "zebro")] + [Item("x", "mer")] * 20
    task = word_task(train, [Item("b", "zebra"), Item("b", "zebro"), Item("x", "mer")])
    files = files_of(task, kind, 262, joined=True)
    assert (len(files.tokenizer.encode(" zebra")) > 1) == (kind != "word")
    score = score_task(counted(files), files, task)
    assert score.rare == 0.5
    assert "rare words: 0.500 right" in repr(score)


def test_what_is_given_of_a_target_is_no_rare_word_to_predict() -> None:
    items = [Item("a 1", "a 1", given=(0, 2)), Item("b 2", "b 2", given=(0, 2))]
    task = word_task(items, items)
    files = files_of(task, joined=True)
    score = score_task(counted(files), files, task)
    assert rare_words(task) == {"a", "b", "1", "2"}
    assert score.rare == score.tokens[""]  # of the numbers, all that is predicted
