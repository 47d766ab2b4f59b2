"""Two processes under ``accelerate launch`` are one with twice as many micro-batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from attn_widgets.training import load_weights
from tests.small_runs import train

OPTIONS = {"optimizer": "adamw", "learning_rate": 0.01, "steps": 5}
SCRIPT = f"""
import json, os, sys
from pathlib import Path
import torch
from attn_widgets.history import Progress
from attn_widgets.training import RunLock, fit
from tests.small_runs import small_config, small_model, small_tokens
torch.manual_seed(int(os.environ["RANK"]))
folder, reports = Path(sys.argv[1]), []
with RunLock(folder):
    history = fit(
        small_model(), small_tokens(), small_config(**{OPTIONS}), folder=folder, report=reports.append
    )
result = [history.to_dict(), [r.phase for r in reports][:1], reports[0].note if reports else ""]
Path(sys.argv[1] + os.environ["RANK"]).write_text(json.dumps(result))
"""


@pytest.mark.slow
def test_two_processes_share_the_micro_batches(tmp_path: Path) -> None:
    script, folder = tmp_path / "train.py", tmp_path / "run"
    script.write_text(SCRIPT)
    # --multi_gpu means several processes; accelerate's --cpu starts a second one only through MPI.
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    env = os.environ | {"PYTHONPATH": os.getcwd()}
    command = [sys.executable, *launch, str(script), str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (first, phases, note), (second, silence, _) = (json.loads(Path(f"{folder}{i}").read_text()) for i in range(2))
    assert first == second
    assert (phases, silence) == (["start"], [])
    assert note.startswith("2 processes on cpu; ")
    alone = train(tmp_path / "alone", accumulate=2, **OPTIONS)
    assert [p["loss"] for p in first["train"]] == pytest.approx([p.loss for p in alone.train], abs=1e-5)
    assert [v["loss"] for v in first["validation"]] == pytest.approx([v.loss for v in alone.validation], abs=1e-5)
    weights, expected = load_weights(folder, "last"), load_weights(tmp_path / "alone", "last")
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, expected[name], atol=1e-5, rtol=0)
