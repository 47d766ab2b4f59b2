"""Loading the extension is light, and works where torch does not. Each test is a fresh Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "ipywidgets",
    "anywidget",
    "transformers",
    "accelerate",
    "altair",
    "numpy",
    "tokenizers",
    "safetensors",
)

IMPORT = "import attn_widgets"
LOAD = """
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
before = set(sys.modules)
start = time.perf_counter()
shell.run_line_magic("load_ext", "attn_widgets")
"""


def child(code: str, folder: Path, **env: str) -> str:
    """Run code in a fresh Python, in an empty folder; its standard output."""
    paths = os.pathsep.join(filter(None, [env.pop("first_on_path", ""), str(Path(__file__).parents[1])]))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "IPYTHONDIR": str(folder / "ipython"), **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("code", [IMPORT, LOAD], ids=["import", "load_ext"])
def test_nothing_heavy_is_imported(code: str, tmp_path: Path) -> None:
    script = f"import sys, time\nbefore = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"
    loaded = child(script, tmp_path).split()
    assert "attn_widgets" in loaded
    assert not set(HEAVY) & set(loaded)


@pytest.mark.parametrize("code", [IMPORT, LOAD], ids=["import", "load_ext"])
def test_it_takes_at_most_three_tenths_of_a_second(code: str, tmp_path: Path) -> None:
    """The fastest of five, because other processes may be busy."""
    script = f"import sys, time\nstart = time.perf_counter()\n{code}\nprint(time.perf_counter() - start)"
    assert min(float(child(script, tmp_path)) for _ in range(5)) <= 0.3


def test_lazy_names_are_all_there(tmp_path: Path) -> None:
    code = "import attn_widgets as a; print(*(getattr(a, name).__name__ for name in a.__all__))"
    assert child(code, tmp_path).split() == [
        "AttentionTrace", "AttnError", "ComparePanel", "Comparison", "CrossPanel", "Explorer", "FlowPanel",
        "Generation", "GridPanel", "HeadPanel", "QueryKeyPanel", "Run", "Traces", "TrainingPanel", "compare",
        "generate", "last_run", "train", "view",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("raise ImportError('libtorch_cpu.so: cannot open shared object file')", "libtorch_cpu.so: cannot open"),
        ("raise OSError('undefined symbol: iJIT_NotifyEvent')", "undefined symbol: iJIT_NotifyEvent"),
    ],
)
def test_a_broken_torch_is_one_line(tmp_path: Path, broken: str, reason: str) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(broken + "\n")
    code = f"import sys, time\n{LOAD}\nresult = shell.run_cell('%attn_train')\nassert result.error_in_exec is not None"
    (line,) = child(code, tmp_path, first_on_path=str(tmp_path)).splitlines()
    assert "AttnError: PyTorch cannot be imported" in line
    assert reason in line
    assert "pip install" in line
    assert not (tmp_path / "attn_runs").exists()
