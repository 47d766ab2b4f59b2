"""Texts longer than the context: windows against one reading each, shortening against torch's strided convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attn_widgets.config import ModelConfig
from attn_widgets.errors import ConfigError
from attn_widgets.models import Seq2Seq
from attn_widgets.models.encoder import Encoder
from attn_widgets.models.lengths import Halving, SlidRecord
from attn_widgets.models.pooling import Classifier
from attn_widgets.text.lengths import central_windows, halvings, span_tokens, window_starts

CONTEXT = 6
LENGTHS = [17, 6, 7, 1, 12]


def config(**options: Any) -> ModelConfig:
    return ModelConfig(**{"layers": 2, "heads": 2, "dim": 16, "context": CONTEXT, **options})


def seq2seq(**options: Any) -> Seq2Seq:
    torch.manual_seed(0)
    return Seq2Seq(config(model="seq2seq", **options), 30).double().eval()


def classifier(**options: Any) -> Classifier:
    torch.manual_seed(0)
    model = Classifier(config(model="encoder", **options), 30, 3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.double().eval()


def texts(width: int = 17) -> tuple[Tensor, Tensor]:
    ids = torch.randint(1, 30, (len(LENGTHS), 17), generator=torch.Generator().manual_seed(1))
    return F.pad(ids, (0, width - 17)), torch.tensor(LENGTHS)


@pytest.mark.parametrize("context", [1, 2, 5, 6])
@pytest.mark.parametrize("length", [1, 2, 5, 6, 7, 9, 30])
def test_windows_cover_a_text_and_each_position_has_the_one_it_is_most_central_in(length: int, context: int) -> None:
    starts = window_starts(length, context)
    assert starts[0] == 0
    assert starts[-1] == max(0, length - context)
    assert all(0 < step <= max(1, context // 2) for step in np.diff(starts))
    for position, window in enumerate(central_windows(starts, length, context)):
        holding = [start for start in starts if start <= position < start + context]
        edge = [min(position - start, start + context - 1 - position) for start in holding]
        start = starts[window]
        assert min(position - start, start + context - 1 - position) == max(edge)


def test_columns_are_named_by_what_they_stand_for() -> None:
    assert span_tokens(list("abcde"), 5) == ("a", "b", "c", "d", "e")
    assert span_tokens(list("abcde"), 3) == ("a…b", "c…d", "e")
    assert span_tokens(list("abcde"), 2) == ("a…d", "e")
    assert [halvings(n, 4) for n in (1, 4, 5, 8, 9, 16, 17)] == [0, 0, 1, 1, 2, 2, 3]


def test_shortening_is_torchs_strided_convolution_as_often_as_it_takes() -> None:
    torch.manual_seed(0)
    part = Halving(4, CONTEXT).double()
    kernel = part.join.weight.view(4, 2, 4).transpose(1, 2)  # (out, in, width)
    x, lengths = torch.randn(len(LENGTHS), 17, 4, dtype=torch.float64), torch.tensor(LENGTHS)
    found, shorter = part(x, lengths)
    for row, length in enumerate(LENGTHS):
        alone = x[row, :length].T[None]
        while alone.shape[2] > CONTEXT:
            alone = F.conv1d(F.pad(alone, (0, alone.shape[2] % 2)), kernel, stride=2)
        assert shorter[row] == alone.shape[2]
        torch.testing.assert_close(found[row, : shorter[row]], alone[0].T, atol=1e-12, rtol=0)
    assert found.shape[1] <= CONTEXT
    spread = Halving(256, 4)(torch.randn(8, 16, 256), torch.full((8,), 16))[0]
    assert float(spread.detach().std()) == pytest.approx(1, abs=0.1)  # of two halvings


@pytest.mark.parametrize("attention", ["additive", "none"])
def test_sliding_sources_are_their_windows_read_one_by_one(attention: Any) -> None:
    model = seq2seq(lengths="slide", attention=attention)
    source, lengths = texts()
    memory = model.encode(source, lengths)
    for row, length in enumerate(LENGTHS):
        starts = window_starts(length, CONTEXT)
        read = [model.encoder(model.embedding(source[row : row + 1, at : min(at + CONTEXT, length)])) for at in starts]
        summary = torch.cat((read[-1][1][:, -2], read[0][1][:, -1]), -1)
        torch.testing.assert_close(memory.summary[row], summary[0], atol=1e-12, rtol=0)
        if model.attention is None or memory.key is None:
            continue
        of = central_windows(starts, length, CONTEXT)
        outputs = torch.stack([read[window][0][0, p - starts[window]] for p, window in enumerate(of)])
        torch.testing.assert_close(
            memory.key[row, :, :length], model.attention.remember(outputs[None])[0][0], atol=1e-12, rtol=0
        )


@pytest.mark.parametrize("lengths", ["slide", "convolve"])
@pytest.mark.parametrize("make", [seq2seq, classifier])
def test_a_text_is_read_the_same_whatever_is_beside_and_behind_it(make: Any, lengths: str) -> None:
    model = make(lengths=lengths)
    more = () if make is classifier else (torch.tensor([[3, 4]] * len(LENGTHS)),)
    source, sizes = texts()
    output = model(source, sizes, *more, record=True)
    torch.testing.assert_close(model(*texts(23), *more).logits, output.logits, atol=1e-12, rtol=0)
    for row, size in enumerate(LENGTHS):
        alone = model(source[row : row + 1, :size], sizes[row : row + 1], *(part[:1] for part in more))
        torch.testing.assert_close(alone.logits[0], output.logits[row], atol=1e-12, rtol=0)
    cross = output.records[-1].weights()
    columns = 17 if lengths == "slide" else 6  # the longest text that fits is not shortened
    assert cross.shape[-1] == columns
    torch.testing.assert_close(cross.sum(-1), torch.ones_like(cross.sum(-1)), atol=1e-12, rtol=0)
    plain = make()  # where every text fits, neither option changes anything
    torch.testing.assert_close(
        make(lengths="slide")(source[:, :6], sizes.clamp(max=6), *more).logits,
        plain(source[:, :6], sizes.clamp(max=6), *more).logits, atol=1e-12, rtol=0,
    )  # fmt: skip


@pytest.mark.parametrize("lengths", ["slide", "convolve"])
@pytest.mark.parametrize("make", [seq2seq, classifier])
def test_every_token_of_a_long_text_matters_and_gets_a_gradient(make: Any, lengths: str) -> None:
    model = make(lengths=lengths)
    more = () if make is classifier else (torch.tensor([[3, 4]]),)
    source, sizes = texts()
    source, sizes = source[:1], sizes[:1]
    before = model(source, sizes, *more).logits
    for position in range(17):
        changed = source.clone()
        changed[0, position] = (changed[0, position] + 1) % 30
        assert (model(changed, sizes, *more).logits - before).abs().max() > 1e-9
    before.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in model.parameters())
    grouped = model.parameter_groups()
    assert sum(map(len, grouped.values())) == len(list(model.parameters()))


def test_records_of_windows_are_those_of_one_window_each() -> None:
    model = classifier(lengths="slide")
    source, sizes = texts()
    output = model(source, sizes, record=True)
    assert model.kinds() == ("encoder", "encoder", "cross")
    for layer, record in enumerate(output.records[:2]):
        assert isinstance(record, SlidRecord)
        weights, seen = record.weights(), record.visible()
        assert not weights[~seen.expand_as(weights)].any()
        for row, length in enumerate(LENGTHS):
            starts = window_starts(length, CONTEXT)
            for position, window in enumerate(central_windows(starts, length, CONTEXT)):
                start = starts[window]
                stop = min(start + CONTEXT, length)
                piece = model.states(source[row : row + 1, start:stop], None, True, {})[1][layer].weights()
                torch.testing.assert_close(
                    weights[row, :, position, start:stop], piece[0, :, position - start], atol=1e-12, rtol=0
                )
                assert seen[row, 0, position].nonzero().flatten().tolist() == list(range(start, stop))


def test_a_hidden_token_is_told_in_its_window_and_cannot_be_joined() -> None:
    torch.manual_seed(0)
    model = Encoder(config(model="encoder", lengths="slide"), 30).double().eval()
    ids = texts()[0][:1]
    alone = torch.cat([model(ids[:, start : start + CONTEXT]).logits for start in window_starts(17, CONTEXT)], 1)[0]
    starts = window_starts(17, CONTEXT)
    places = [w * CONTEXT + p - starts[w] for p, w in enumerate(central_windows(starts, 17, CONTEXT))]
    torch.testing.assert_close(model(ids).logits[0], alone[places], atol=1e-12, rtol=0)
    with pytest.raises(ConfigError, match=r"--lengths convolve joins tokens.*try --lengths slide"):
        Encoder(config(model="encoder", lengths="convolve"), 30)
    with pytest.raises(ConfigError, match="--lengths slide does not work with --model transformer; it does with"):
        config(lengths="slide")
