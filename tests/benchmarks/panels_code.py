"""What the benchmark of the panels runs elsewhere: in the kernel, in a process of bertviz's, and in the page."""

from __future__ import annotations

DIM = 64

SET_UP = """
import os, resource, time
import numpy as np
from attn_widgets import AttentionTrace, {panel} as Shown
from attn_widgets.trace.blocks import Block
from attn_widgets.trace.dot_product import DotProductRecord
from attn_widgets.trace.records import causal_range

answered = []
receive = Shown._receive
def timed(self, *message):
    start = time.perf_counter()
    receive(self, *message)
    answered.append(time.perf_counter() - start)
Shown._receive = timed

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

def random_trace(tokens, layers, heads, dim={dim}):
    rng = np.random.default_rng(0)
    names = tuple(f"t{{i}}" for i in range(tokens))
    start, stop = causal_range(tokens, tokens)
    blocks = []
    for layer in range(layers):
        query, key = (rng.standard_normal((heads, tokens, dim), np.float32).astype(np.float16) for _ in range(2))
        blocks.append(Block("decoder", layer, names, names, DotProductRecord(query, key, dim ** -0.5 * 2, start, stop)))
    return AttentionTrace(tuple(blocks))
"""

SHOW = """
trace = random_trace({tokens}, {layers}, {heads})
before = resident()
begun = time.perf_counter()
panel = Shown(trace)
display(panel)
made = time.perf_counter() - begun
"""

BERTVIZ = """
import json, resource, sys, time
import torch
from bertviz import head_view
tokens, layers, heads = map(int, sys.argv[1:])
generator = torch.Generator().manual_seed(0)
scores = torch.randn(layers, 1, heads, tokens, tokens, generator=generator)
causal = torch.ones(tokens, tokens).tril().bool()
attention = list(scores.masked_fill(~causal, -torch.inf).softmax(-1))
begun = time.perf_counter()
html = head_view(attention, [f"t{i}" for i in range(tokens)], html_action="return")
seconds = time.perf_counter() - begun
print(json.dumps({"seconds": seconds, "bytes": len(html.data.encode())}))
"""

STEP = """async ([key, name]) => {
  let canvas;
  for (const host of document.querySelectorAll("*")) {
    canvas ??= host.shadowRoot?.querySelector(".attn-figure canvas[data-step]");
  }
  const drawn = () => {
    const label = canvas.getAttribute("aria-label") ?? "";
    return label.startsWith(name + ":") && !label.includes("waiting") && canvas.dataset.step !== "0";
  };
  let work = 0;
  const real = window.requestAnimationFrame;
  window.requestAnimationFrame = (draw) => real((now) => {
    const begun = performance.now();
    draw(now);
    work += performance.now() - begun;
  });
  const begun = performance.now();
  const came = new Promise((done, failed) => {
    const observer = new MutationObserver(() => drawn() && (observer.disconnect(), done(performance.now() - begun)));
    observer.observe(canvas, {attributes: true});
    setTimeout(() => failed(new Error(`${name} did not come: ${canvas.getAttribute("aria-label")}`)), 20000);
  });
  canvas.parentElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, composed: true}));
  work += performance.now() - begun;
  const waited = await came;
  await new Promise((done) => setTimeout(done, 50));
  window.requestAnimationFrame = real;
  return [waited, work];
}"""

FRAMES = """async ([seconds]) => {
  let canvas;
  for (const host of document.querySelectorAll("*")) {
    canvas ??= host.shadowRoot?.querySelector(".attn-figure canvas[data-step]");
  }
  const box = canvas.getBoundingClientRect();
  const times = [];
  let on = true, turn = 0;
  const tick = (now) => {
    times.push(now);
    if (!on) return;
    const clientX = box.left + box.width * (0.4 + 0.2 * Math.sin(turn / 9));
    const deltaY = turn++ % 40 < 20 ? -50 : 50;
    const flags = {ctrlKey: true, bubbles: true, composed: true, cancelable: true};
    canvas.dispatchEvent(new WheelEvent("wheel", {deltaY, clientX, clientY: box.top + box.height * 0.6, ...flags}));
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  on = false;
  const gaps = times.slice(1).map((now, i) => now - times[i]);
  return {frames: gaps.length / ((times.at(-1) - times[0]) / 1000), slowest: Math.max(...gaps)};
}"""
