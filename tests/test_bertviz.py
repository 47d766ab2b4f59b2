"""The same model and text in bertviz: the numbers in its page are those of our panel's."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from bertviz import head_view
from transformers import GPT2Config, GPT2LMHeadModel

from attn_widgets import HeadPanel
from attn_widgets.capture import capture_trace
from attn_widgets.models import from_gpt2
from tests.panel_traces import Wire


# bertviz leaves its own script files open.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("length", [1, 7, 40])
def test_the_panel_holds_what_bertviz_draws(length: int) -> None:
    torch.manual_seed(length)
    config = GPT2Config(
        attn_implementation="eager",
        vocab_size=90,
        n_positions=64,
        n_embd=32,
        n_layer=3,
        n_head=4,
        initializer_range=0.3,
    )
    theirs = GPT2LMHeadModel(config).eval()
    ids = torch.randint(90, (1, length))
    tokens = [f"t{i}" for i in ids[0].tolist()]
    with torch.no_grad():
        attention = theirs(ids, output_attentions=True).attentions
    page = head_view(attention, tokens, html_action="return").data
    found = re.search(r"const params = (\{.*?\}); // HACK", page)
    assert found is not None
    (drawn,) = json.loads(found[1])["attention"]
    trace = capture_trace(from_gpt2(theirs), ids[0], tokens, "t{}".format)
    panel = Wire(HeadPanel(trace))
    for layer, heads in enumerate(drawn["attn"]):
        for head, rows in enumerate(heads):
            reply = panel.ask({"id": "v-1", "ask": "head", "moment": 0, "layer": layer, "head": head})
            assert reply is not None
            ours = np.frombuffer(reply[1][0], "<f4").reshape(length, length)
            np.testing.assert_allclose(ours, np.array(rows), atol=2e-6)
