"""The magics in a real IPython shell: what they return, print, display and refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from attn_widgets import api
from attn_widgets.api import state
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.run import Generation, Run
from tests.magic_cells import left_behind, run_cell
from tests.tiny import FLAGS, TEXT


def test_train_returns_the_run(shell: InteractiveShell) -> None:
    cell = run_cell(shell, f"run = %attn_train {FLAGS} --name mine   # it's only a moment")
    run = shell.user_ns["run"]
    assert isinstance(run, Run)
    assert (run.name, cell.error, cell.displayed) == ("mine", None, [])
    assert cell.out.startswith("trained on sentences: 3 steps\n")
    assert api.last_run() is run


def test_train_unassigned_displays_the_run_unless_silenced(shell: InteractiveShell) -> None:
    assert isinstance(run_cell(shell, f"%attn_train {FLAGS}").value, Run)
    assert run_cell(shell, f"%attn_train {FLAGS};").value is None


def test_run_all_twice_works(shell: InteractiveShell) -> None:
    cells = [f"run = %attn_train {FLAGS}", '%attn_generate "I love to eat pizza"', "panel = %attn_view"]
    for _ in range(2):
        assert [run_cell(shell, cell).error for cell in cells] == [None, None, None]
    assert sorted(p.parent.name for p in Path("attn_runs").glob("*/run.json")) == ["sentences", "sentences-2"]


def test_a_cells_body_is_the_corpus(shell: InteractiveShell) -> None:
    assert run_cell(shell, f"%%attn_train {FLAGS}\n{TEXT}").error is None
    run = api.last_run()
    assert run.corpus.name == "text"
    assert run.corpus.source == f"{len(TEXT) + 1:,} characters of text"


def test_a_variable_is_the_corpus(shell: InteractiveShell) -> None:
    shell.user_ns["texts"] = [TEXT, TEXT.upper(), TEXT.title()]
    shell.user_ns["n"] = 2
    assert run_cell(shell, f"%attn_train $texts {FLAGS} --steps $n").error is None
    run = api.last_run()
    assert run.tokenizer.end_id is not None, "three documents"
    assert len(run.history.train) == 2


def test_files_are_the_corpus(shell: InteractiveShell) -> None:
    for name in ("one two.txt", "b.txt"):
        Path(name).write_text(TEXT)
    assert run_cell(shell, f'%attn_train "one two.txt" {FLAGS}').error is None
    assert api.last_run().corpus.name == "one-two"
    assert run_cell(shell, f"%attn_train *.txt {FLAGS}").error is None
    assert api.last_run().corpus.source.startswith("2 files")


@pytest.mark.parametrize(
    "line", ["%attn_train --help", "%attn_train --help-all", "%attn_generate -h", "%attn_view --help"]
)
def test_help_is_printed_and_nothing_starts(shell: InteractiveShell, line: str) -> None:
    cell = run_cell(shell, line)
    assert cell.out.startswith(line.split()[0])
    assert ("--kv-heads" in cell.out) == line.endswith("all")
    assert (cell.value, cell.error, left_behind()) == (None, None, [])


def test_generate_prints_the_text_once(shell_with_run: InteractiveShell) -> None:
    cell = run_cell(shell_with_run, '%attn_generate "I love to eat" --max-new-tokens 5 --ignore-end')
    assert isinstance(cell.value, Generation)
    assert cell.out == f"{cell.value.text.lstrip()}\nOut[0]: {cell.value!r}\n"


def test_generate_assigned_is_displayed_when_asked_for(shell_with_run: InteractiveShell) -> None:
    run_cell(shell_with_run, "generation = %attn_generate I love to eat --max-new-tokens 5 --ignore-end")
    generation = shell_with_run.user_ns["generation"]
    assert isinstance(generation, Generation)
    assert generation.prompt == "I love to eat"
    assert run_cell(shell_with_run, "generation").out == f"Out[0]: {generation!r}\n"


def test_generate_takes_words_a_body_or_a_variable(shell_with_run: InteractiveShell) -> None:
    shell_with_run.user_ns["prompt"] = "I love"
    prompts = []
    for cell in (
        "%attn_generate I --seed 3 love",
        '%attn_generate "I love"',
        "%attn_generate $prompt",
        "%%attn_generate\nI love\n",
    ):
        prompts.append(run_cell(shell_with_run, cell).value.prompt)
    assert prompts == ["I love"] * 4
    assert run_cell(shell_with_run, "%attn_generate").value.prompt == "I love to eat pizza"


def test_prose_is_never_expanded(shell_with_run: InteractiveShell) -> None:
    shell_with_run.user_ns["x"] = "EXPANDED"
    assert run_cell(shell_with_run, '%attn_generate "{x} $x"').value.prompt == "{x} $x"


def test_unknown_words_are_said(shell_with_run: InteractiveShell) -> None:
    out = run_cell(shell_with_run, "_ = %attn_generate I love zebras").out
    assert out.endswith("note: the prompt has words that the model never saw, read as ‹unknown›: 'zebras'\n")


def test_generate_by_the_name_of_a_run(shell_with_run: InteractiveShell) -> None:
    state._last = None
    cell = run_cell(shell_with_run, "%attn_generate I love --run sentences --ablate L0H1 --max-new-tokens 3")
    assert cell.error is None
    assert api.last_run().name == "sentences"


def test_view_returns_the_panel_and_displays_it_only_unassigned(shell_with_run: InteractiveShell) -> None:
    assigned = run_cell(shell_with_run, 'panel = %attn_view "I love to eat pizza" --head 1')
    panel = shell_with_run.user_ns["panel"]
    assert isinstance(panel, HeadPanel)
    assert (panel.head, assigned.displayed) == (1, [])
    shown = run_cell(shell_with_run, '%attn_view "I love to eat pizza"')
    assert isinstance(shown.value, HeadPanel)
    kinds = [kind for output in shown.displayed for kind in output.data]
    assert kinds.count("application/vnd.jupyter.widget-view+json") == 1
    assert kinds.count("text/html") == 1


def test_view_writes_a_page(shell_with_run: InteractiveShell) -> None:
    cell = run_cell(shell_with_run, "panel = %attn_view I love --html page.html")
    assert cell.out.endswith("page.html\n")
    assert Path("page.html").stat().st_size > 1000


def test_config_changes_defaults_and_the_line_wins(shell: InteractiveShell) -> None:
    for line in ("steps = 2", "heads = 1", "dim = 16", "minutes = 60."):
        run_cell(shell, f"%config AttnMagics.{line}")
    shell.user_ns["text"] = TEXT
    assert run_cell(shell, "run = %attn_train $text --layers 1 --context 16 --batch 2 --steps 2 --name a").error is None
    run = shell.user_ns["run"]
    assert (run.model_config.heads, run.train_config.steps, run.train_config.minutes) == (1, 2, None)
    run_cell(shell, "%config AttnMagics.heads = 2")
    assert run_cell(shell, "run = %attn_train $text --resume --name a --steps 3").error is None
    assert shell.user_ns["run"].model_config.heads == 1, "a resumed run keeps its own options"
    run_cell(shell, "%config AttnMagics.name = 'a'")
    assert run_cell(shell, "run = %attn_train $text --resume --steps 4").error is None
    assert (shell.user_ns["run"].name, len(shell.user_ns["run"].history.train)) == ("a", 4)
