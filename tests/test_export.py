"""The exported page as a file: whole, within its budget, and with nothing in it that runs but our scripts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_widgets.errors import ConfigError
from attn_widgets.panels import export
from attn_widgets.panels.heads import HeadPanel
from attn_widgets.trace import AttentionTrace
from tests.panel_traces import causal_trace

HOSTILE = ("</script><script>alert(1)</script>", "<!--", "\u2028", "&quot;", "\ud800", "{title}")


def parts(path: Path) -> tuple[dict[str, Any], str]:
    """The data of a page, and the page."""
    content = path.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="attn-data">(.*?)</script>', content, re.DOTALL)
    assert found is not None
    return json.loads(found[1]), content


def test_the_page_holds_all_heads(tmp_path: Path) -> None:
    trace = causal_trace()
    path = HeadPanel(trace, layer=1, head=3, moments=[(1, causal_trace(seed=1))]).to_html(tmp_path / "page.html")
    data, _ = parts(path)
    assert path == tmp_path / "page.html"
    assert (data["traits"]["layer"], data["traits"]["head"]) == (1, 3)
    weights = np.frombuffer(base64.b64decode(data["buffers"]["_weights"]), "<f4").reshape(2, 2, 4, 10, 10)
    np.testing.assert_array_equal(weights[1, 1, 3], trace.weights(1, 3))
    assert data["traits"]["_spec"]["note"] == ""


def test_every_script_that_runs_is_named_by_its_hash(tmp_path: Path) -> None:
    _, content = parts(HeadPanel(causal_trace()).to_html(tmp_path / "page.html"))
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", content, re.DOTALL)
    running = [body for attributes, body in scripts if "type=" not in attributes]
    assert len(scripts) == 3
    assert len(running) == 1
    digest = base64.b64encode(hashlib.sha256(running[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}' blob:;" in content
    assert "default-src 'none'" in content


def test_no_address_is_loaded(tmp_path: Path) -> None:
    _, content = parts(HeadPanel(causal_trace()).to_html(tmp_path / "page.html"))
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", content)


def test_hostile_tokens_and_titles_open_no_element(tmp_path: Path) -> None:
    panel = HeadPanel(causal_trace(tokens=HOSTILE), title=HOSTILE[0])
    data, content = parts(panel.to_html(tmp_path / "page.html"))
    assert content.count("<script") == 3
    assert "\u2028" not in content
    assert data["traits"]["_spec"]["frames"][0]["tokens"][0][0] == HOSTILE[0]


def test_what_does_not_fit_is_left_out_and_said(tmp_path: Path) -> None:
    trace = causal_trace(2, 4, tuple(f"t{i}" for i in range(128)))
    panel = HeadPanel(trace, layer=1, moments=[(1, trace), (2, causal_trace(2, 4, trace.tokens, seed=1))])
    budget = 600_000
    data, _ = parts(panel.to_html(tmp_path / "page.html", budget=budget))
    size = (tmp_path / "page.html").stat().st_size
    spec = data["traits"]["_spec"]
    assert 0.7 * budget < size <= budget
    assert spec["frames"][-1]["sent"][-4:] == [4, 5, 6, 7]
    assert [frame["sent"] for frame in spec["frames"][:-1]] == [[], []]
    missing = 8 - len(spec["frames"][-1]["sent"])
    assert spec["note"] == f"Left out to keep this page under 0.572 MB: {missing} of 8 heads and 2 of 2 moments."


def test_a_budget_that_holds_no_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="budget=1000 does not hold one head"):
        HeadPanel(causal_trace()).to_html(tmp_path / "page.html", budget=1000)
    assert not list(tmp_path.iterdir())


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "page.html"
    target.write_text("before")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(export.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        HeadPanel(causal_trace()).to_html(target)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder that exists"):
        HeadPanel(causal_trace()).to_html(tmp_path / "missing" / "page.html")


def test_weights_that_are_no_numbers_can_be_exported(tmp_path: Path) -> None:
    trace = AttentionTrace.from_arrays(np.array([[np.nan, np.inf], [0, 1]], np.float32))
    data, _ = parts(HeadPanel(trace).to_html(tmp_path / "page.html"))
    weights = np.frombuffer(base64.b64decode(data["buffers"]["_weights"]), "<f4")
    np.testing.assert_array_equal(weights, [np.nan, np.inf, 0, 1])
