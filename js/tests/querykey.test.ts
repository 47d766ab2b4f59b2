import { describe, expect, it } from "vitest";
import { dimension, keyText, lanesOf, steps } from "../src/querykeyreadout.ts";
import { order, type PackedHead, type Pair, running, softmaxOver, strongest, terms, total, unpack } from "../src/vectors.ts";
import { MASKED, NOT_CAPTURED } from "../src/wire.ts";

const REASONS = { weights: "only weights", outside: "had left", nothing: "nothing" };

/** Query (1, 2), keys (1, 0), (0, 1), (1, 1), all scores halved: 0.5, 1, 1.5; the row sees the first two. */
function packed(): [DataView, PackedHead] {
  const floats = [1, 2, 1, 0, 0, 1, 1, 1];
  const data = new DataView(new ArrayBuffer(4 * floats.length + 8));
  floats.forEach((x, i) => data.setFloat32(4 * i, x, true));
  data.setInt32(32, 0, true);
  data.setInt32(36, 2, true);
  const part = { row: 0, key: 0, queries: 1, keys: 3, kind: "dot_product" as const, dim: 2, scale: 0.5, q: 0, k: 8, start: 32, stop: 36 };
  return [data, { moment: 0, layer: 0, head: 0, parts: [part] }];
}

describe("a packed head", () => {
  const [data, head] = packed();
  const pair = unpack(data, head, 3, 0, 1, REASONS);

  it("gives the vectors, the scores and the softmax of a row", () => {
    expect([...(pair.q ?? [])]).toEqual([1, 2]);
    expect([...(pair.k ?? [])]).toEqual([0, 1]);
    expect([...(pair.scores ?? [])]).toEqual([0.5, 1, Number.NEGATIVE_INFINITY]);
    expect([...pair.states]).toEqual([0, 0, MASKED]);
    const share = 1 / (1 + Math.exp(-0.5));
    expect(pair.weights[1]).toBeCloseTo(share, 6);
    expect(pair.weights[0]).toBeCloseTo(1 - share, 6);
    expect(pair.weights[2]).toBe(0);
  });

  it("takes the strongest key where none is chosen", () => {
    expect(unpack(data, head, 3, 0, null, REASONS).key).toBe(1);
  });

  it("honours a mask, and a row in which everything is hidden", () => {
    const view = new DataView(new ArrayBuffer(data.byteLength + 4));
    new Uint8Array(view.buffer).set(new Uint8Array(data.buffer));
    const masked = { ...head, parts: head.parts.map((part) => ({ ...part, mask: data.byteLength })) };
    view.setUint8(data.byteLength, 1);
    expect([...unpack(view, masked, 3, 0, 0, REASONS).weights]).toEqual([1, 0, 0]);
    view.setUint8(data.byteLength, 0);
    expect([...unpack(view, masked, 3, 0, 0, REASONS).states]).toEqual([MASKED, MASKED, MASKED]);
  });

  it("says why a key has no vector and a row nothing", () => {
    const moved = { ...head, parts: head.parts.map((part) => ({ ...part, row: 4, key: 2 })) };
    const outside = unpack(data, moved, 5, 4, 0, REASONS);
    expect([outside.k, outside.reason, outside.states[0]]).toEqual([null, "had left", MASKED]);
    const nothing = unpack(data, moved, 5, 0, 0, REASONS);
    expect([nothing.reason, nothing.states[0]]).toEqual(["nothing", NOT_CAPTURED]);
  });

  it("keeps plain weights as they are", () => {
    const view = new DataView(new ArrayBuffer(12));
    [0.25, 0.75].forEach((x, i) => view.setFloat32(4 * i, x, true));
    view.setUint8(8, MASKED);
    const parts = [{ row: 0, key: 0, queries: 1, keys: 2, kind: "weights" as const, weights: 0, states: 8 }];
    const kept = unpack(view, { moment: 0, layer: 0, head: 0, parts }, 2, 0, 1, REASONS);
    expect([kept.scores, [...kept.weights], [...kept.states], kept.reason]).toEqual([null, [0.25, 0.75], [MASKED, 0], "only weights"]);
  });
});

const none = { q: null, k: null, v: null, b: null };
const PAIR: Pair = {
  query: 0, key: 1, kind: "dot_product", scale: 0.5,
  q: Float32Array.of(1, -2), k: Float32Array.of(3, 0.5), v: null, b: null,
  scores: Float32Array.of(0.5, 1, Number.NEGATIVE_INFINITY), weights: Float32Array.of(0.3775, 0.6225, 0), states: Uint8Array.of(0, 0, MASKED), reason: "",
};

describe("the arithmetic", () => {
  it("adds up", () => {
    const product = terms(PAIR)!;
    expect([...product]).toEqual([3, -1]);
    expect([...running(product)]).toEqual([3, 2]);
    expect(total(product) * 0.5).toBe(PAIR.scores?.[1]);
    expect(softmaxOver(PAIR)).toEqual({ top: 1, sum: 1 + Math.exp(-0.5), count: 2 });
    expect(steps(PAIR).map(({ op, text }) => `${op} ${text}`)).toEqual(["Σ 2.000", "× 0.5000", "= 1.000", "→ visible", "→ e^(1.000 − 1.000) ÷ 1.607", "= 0.6225"]);
  });

  it("of an additive score sums v · tanh(q + k + b)", () => {
    const additive: Pair = { ...PAIR, kind: "additive", scale: 1, v: Float32Array.of(1, 2), b: Float32Array.of(-4, 1.5) };
    expect([...terms(additive)!]).toEqual([0, 0]);
    expect(lanesOf(additive, "a", "b").map((lane) => lane.name)).toEqual(["query", "key", "bias b", "v", "terms"]);
    expect(dimension(additive, 1)).toBe("dimension 1: 2.000 · tanh(−2.000 + 0.5000 + 1.500) = 0");
  });

  it("of a masked key ends at the mask, of plain weights starts there", () => {
    const masked = { ...PAIR, key: 2, k: Float32Array.of(1, 1) };
    expect(steps(masked).map((step) => step.text)).toEqual(["−1.000", "0.5000", "−0.5000", "masked, −∞", "0"]);
    const plain: Pair = { ...PAIR, ...none, kind: "weights", scale: null, scores: null };
    expect(steps(plain).map((step) => step.text)).toEqual(["not kept", "visible", "0.6225"]);
    expect(steps({ ...plain, states: Uint8Array.of(0, NOT_CAPTURED, 0) }).map((step) => step.text)).toEqual(["not kept", "not captured"]);
    expect(keyText(PAIR, 2, "x")).toBe("‘x’: masked");
  });

  it("is NaN where a score is", () => {
    const odd = { ...PAIR, scores: Float32Array.of(Number.NaN, 1, 0) };
    expect(softmaxOver(odd)?.sum).toBeNaN();
  });
});

describe("the order of keys", () => {
  const row = { scores: null, weights: Float32Array.of(0.1, 0.5, Number.NaN, 0, 0.5), states: Uint8Array.of(0, 0, 0, MASKED, 0) };

  it("is by weight, NaN and what has none last, or as they stand", () => {
    expect(order(row, true)).toEqual([1, 4, 0, 2, 3]);
    expect(order(row, false)).toEqual([0, 1, 2, 3, 4]);
    expect(strongest(row)).toBe(1);
  });
});
