import { describe, expect, it } from "vitest";
import { columnAt, endsOf, heightAt, hitFlow, layFlow, linesOf, NODE, reduceShares, tokenMiddle } from "../src/flowlayout.ts";
import { decode, isWhole, type Path, under, type Wanted } from "../src/flowsource.ts";
import { flowMove } from "../src/flowkeys.ts";
import { sharesTable } from "../src/flowshowing.ts";
import type { Axes, State } from "../src/state.ts";
import { columnName, foot, hitText, rank, sentence } from "../src/flowwords.ts";

/** Two layers over two tokens, by hand (as in tests/test_rollout.py). */
const PATH: Path = {
  layers: [0, 1],
  tokens: 2,
  done: 2,
  shares: [Float32Array.of(0.75, 0.25), Float32Array.of(0.5, 0.5), Float32Array.of(0, 1)],
  edges: [
    { queries: Int32Array.of(0, 1, 1), keys: Int32Array.of(0, 0, 1), shares: Float32Array.of(0.5, 0.25, 0.25) },
    { queries: Int32Array.of(1, 1), keys: Int32Array.of(0, 1), shares: Float32Array.of(0.5, 0.5) },
  ],
};
const TOKENS = ["I", "pizza"];

describe("a path", () => {
  it("is read from its bytes, wherever they start", () => {
    const data = new DataView(new ArrayBuffer(4 + 4 * 6 + 12 * 5));
    const put = (at: number, values: number[], whole: boolean): void =>
      values.forEach((value, i) => (whole ? data.setInt32(at + 4 * i, value, true) : data.setFloat32(at + 4 * i, value, true)));
    put(4, [0.75, 0.25, 0.5, 0.5, 0, 1], false);
    put(28, [0, 1, 1, 1, 1], true);
    put(48, [0, 0, 1, 0, 1], true);
    put(68, [0.5, 0.25, 0.25, 0.5, 0.5], false);
    expect(decode(data, 4, [0, 1], [3, 2], 2)).toEqual(PATH);
    expect(() => decode(data, 40, [0, 1], [3, 2], 2)).toThrow("bytes");
  });

  it("grows from the top, layer by layer", () => {
    const part = (place: number): Path => ({ ...PATH, layers: [place], done: 1, shares: PATH.shares.slice(place, place + 2), edges: [PATH.edges[place]!] });
    const upper = under([0, 1], null, part(1));
    expect(upper).toMatchObject({ layers: [0, 1], done: 1, shares: [new Float32Array(), ...PATH.shares.slice(1)] });
    expect(isWhole(upper)).toBe(false);
    expect(sentence(upper, TOKENS, 1, 0, null, "")).toBe("‘pizza’ draws on ‘I’ 0.5000 at the input of L1");
    const layout = layFlow(760, 3, 2, 1);
    expect(hitFlow(layout, upper, 24, 0, 4, tokenMiddle(layout, 0))).toBeNull();
    expect(under([0, 1], upper, part(0))).toEqual(PATH);
    expect(() => under([0, 1], upper, part(1))).toThrow("other layers");
  });

  it("is told in words", () => {
    expect(sentence(PATH, TOKENS, 1, 0, null, "")).toBe("‘pizza’ draws on ‘I’ 0.7500 at the input of L0");
    expect(sentence(PATH, TOKENS, 1, 0, 1, "")).toBe("‘pizza’ draws on ‘pizza’ 0.2500 at the input of L0");
    expect(sentence(null, TOKENS, 1, 0, null, "waiting for the kernel…")).toBe("‘pizza’: waiting for the kernel…");
    expect(hitText({ place: 1, line: { query: 1, key: 0, share: 0.5 } }, PATH, TOKENS)).toBe("L1: ‘pizza’ → ‘I’, share 0.5000");
    expect(hitText({ column: 1, token: 0 }, PATH, TOKENS)).toBe("‘I’ at the input of L1: share 0.5000");
    expect(columnName(PATH, 2)).toBe("the output of L1");
  });

  it("ranks tokens with a share, NaN last, and tells what was lost", () => {
    expect(rank(Float32Array.of(0.25, 0, Number.NaN, 0.5))).toEqual([3, 0, 2]);
    expect(foot(Float32Array.of(0.5, 0.5))).toBe("sum 1.000");
    expect(foot(Float32Array.of(0.5, 0.25))).toContain("the rest was lost");
    expect(foot(Float32Array.of(1, 1))).toContain("more than 1");
    expect(foot(Float32Array.of(1, Number.NaN))).toContain("NaN");
  });
});

describe("the layout", () => {
  it("draws the widest lines down to the least share", () => {
    expect(linesOf(PATH.edges[0]!, 2, 0)).toHaveLength(2);
    expect(linesOf(PATH.edges[0]!, 9, 0.3)).toEqual([{ query: 0, key: 0, share: 0.5 }]);
  });

  it("fits any number of tokens and layers", () => {
    for (const [columns, tokens] of [[2, 1], [13, 64], [49, 512], [13, 4096]] as const) {
      const layout = layFlow(760, columns, tokens, 1);
      expect(columnAt(layout, columns - 1) + layout.node).toBeLessThanOrEqual(760);
      expect(layout.node).toBeLessThanOrEqual(NODE);
      expect(layout.node).toBeLessThan(layout.pitch);
      expect(layout.height).toBeLessThan(620);
      expect(tokenMiddle(layout, tokens - 1)).toBeLessThan(layout.height);
    }
  });

  it("runs its lines from end to end", () => {
    expect(heightAt([10, 30], 0)).toBeCloseTo(10, 3);
    expect(heightAt([10, 30], 0.5)).toBeCloseTo(20, 3);
    expect(heightAt([10, 30], 1)).toBeCloseTo(30, 3);
  });

  it("finds tokens and lines under a point", () => {
    const layout = layFlow(760, 3, 2, 1);
    expect(hitFlow(layout, PATH, 24, 0, columnAt(layout, 1) + 3, tokenMiddle(layout, 1))).toEqual({ column: 1, token: 1 });
    expect(hitFlow(layout, PATH, 24, 0, 4, tokenMiddle(layout, 0))).toEqual({ column: 0, token: 0 });
    const { left, right } = endsOf(layout, 1, { query: 1, key: 0, share: 0.5 });
    const middle: [number, number] = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2];
    expect(hitFlow(layout, PATH, 24, 0, ...middle)).toEqual({ place: 1, line: { query: 1, key: 0, share: 0.5 } });
    expect(hitFlow(layout, PATH, 24, 0, middle[0], layout.height + 50)).toBeNull();
  });

  it("keeps of tokens that share a cell the largest share", () => {
    expect([...reduceShares(Float32Array.of(0.1, 0.4, 0.2, Number.NaN, 0.3), 2)]).toEqual([Math.fround(0.4), Number.NaN, Math.fround(0.3)]);
  });
});

it("shares are copied a token a row", () => {
  const { columns, rows } = sharesTable(PATH, TOKENS);
  expect(columns).toEqual(["the input of L0", "the input of L1", "the output of L1"]);
  expect([...rows][1]).toEqual({ name: "pizza", cells: [0.25, 0.5, 1] });
});

describe("keys", () => {
  const axes = { frame: { blocks: [{}, {}] }, block: { heads: 2 }, rows: TOKENS, columns: TOKENS } as unknown as Axes;
  const state = { layer: 1, head: 0, key: null, locked: false } as State;
  const wanted = { heads: "mean", query: 1 } as Wanted;
  const move = (wish: Parameters<typeof flowMove>[0], to = wanted): unknown => flowMove(wish, axes, state, to, PATH, [1, 0]);

  it("step layers, or heads where one is followed", () => {
    expect(move({ do: "head", by: -1 })).toEqual({ layer: 0 });
    expect(move({ do: "head", by: 1 }, { ...wanted, heads: "head" })).toEqual({ head: 1 });
    expect(move({ do: "layer", by: 1 })).toEqual({ layer: 1 });
    expect(move({ do: "first" })).toEqual({ layer: 0 });
  });

  it("choose and mark tokens", () => {
    expect(move({ do: "query", by: -1 })).toEqual({ query: 0, locked: true });
    expect(move({ do: "key", by: 1 })).toEqual({ key: 1 });
    expect(move({ do: "lock" })).toEqual({ query: 1, locked: true });
  });
});
