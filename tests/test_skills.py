"""Skills, scored at once, against greedy generation and traces of one item at a time."""

from __future__ import annotations

import numpy as np
import pytest

from attn_widgets.generation.skills import SkillScore, SkillTable, format_skills, score_skills
from attn_widgets.run import Run
from attn_widgets.text.sentences import SkillItem, skill_items
from attn_widgets.trace import parse_head
from tests.trained_runs import train_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_run(tmp_path_factory.mktemp("runs") / "skilled")


def answers(run: Run, item: SkillItem, ablate: tuple[str, ...]) -> bool:
    """Whether greedy generation writes what is expected."""
    words = len(item.expected.split(" "))
    return run.generate(item.prompt, max_new_tokens=words, ablate=ablate, trace=False).text == f" {item.expected}"


def masses(run: Run, item: SkillItem, ablate: tuple[str, ...]) -> np.ndarray:
    """Weight of each head on the right words, (row, layer, head)."""
    trace = run.trace(f"{item.prompt} {item.expected}", ablate)
    rows = []
    for query, keys in zip(item.queries, item.keys, strict=True):
        weights = [trace.weights(*head, queries=query + 1)[0] for head in trace.iter_heads()]
        rows.append([sum(row[key + 1] for key in keys) for row in weights])
    return np.array(rows).reshape(-1, trace.layers, 4)


@pytest.mark.parametrize("ablate", [(), ("L0H0", "L0H1", "L1H3")])
def test_scores_equal_generating_and_looking(run: Run, ablate: tuple[str, ...]) -> None:
    items = skill_items(count=12, seed=3)
    scores = score_skills(run.model, run.tokenizer, items, [parse_head(head) for head in ablate])
    assert [score.skill for score in scores] == ["taste", "agreement", "list", "people"]
    for score in scores:
        mine = [item for item in items if item.skill == score.skill]
        assert score.count == len(mine) == 12
        assert score.accuracy == pytest.approx(np.mean([answers(run, item, ablate) for item in mine]))
        mean = np.concatenate([masses(run, item, ablate) for item in mine]).mean(0)
        assert parse_head(score.best_head) == np.unravel_index(mean.argmax(), mean.shape)
        assert score.weight == pytest.approx(mean.max(), abs=1e-5)
    assert len({score.accuracy for score in scores}) > 1  # the items tell something apart


def test_batches_do_not_matter(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    items = skill_items(count=30, seed=1)
    whole = score_skills(run.model, run.tokenizer, items)
    monkeypatch.setattr("attn_widgets.generation.skills.BATCH", 7)
    for one, other in zip(whole, score_skills(run.model, run.tokenizer, items[::-1])[::-1], strict=True):
        assert (one.skill, one.accuracy, one.best_head) == (other.skill, other.accuracy, other.best_head)
        assert one.weight == pytest.approx(other.weight, abs=1e-6)


def test_the_mode_of_the_model_stays(run: Run) -> None:
    model = run.model.train()
    score_skills(model, run.tokenizer, skill_items(count=2))
    assert model.training
    model.eval()


def test_table() -> None:
    scores = SkillTable(
        [SkillScore("taste", 1.0, "L0H3", 0.987, 200), SkillScore("agreement", 0.825, "L10H11", 0.5, 200)]
    )
    assert repr(scores) == format_skills(scores)
    assert format_skills(scores).splitlines() == [
        "skill      accuracy  head    weight",
        "taste         1.000  L0H3      0.99",
        "agreement     0.825  L10H11    0.50",
    ]
    assert SkillTable.from_dicts(scores.to_dicts()) == scores
