import { describe, expect, it } from "vitest";
import { type Axis, type CompareSpec, decodeThree, difference, goTo, perform, reduce, type State } from "../src/comparemodel.ts";
import { alignmentWords, captions, cellEntries, cellWords, rankDifferences, rowMoved, sentence, side, signed } from "../src/comparewords.ts";
import { type Head, MASKED, NOT_CAPTURED } from "../src/wire.ts";

const matrix = (keys: number, weights: number[], states?: number[]): Head => ({
  queries: weights.length / keys,
  keys,
  weights: Float32Array.from(weights),
  states: Uint8Array.from(states ?? weights.map(() => 0)),
  resting: null,
});
const left = matrix(4, [0.25, 0.75, 0, 0, 1, 0, 0, 0], [0, 0, MASKED, NOT_CAPTURED, 0, MASKED, MASKED, NOT_CAPTURED]);
const right = matrix(4, [0.5, 0.25, 0.25, 0, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 0, 0, MASKED, 0]);
const three = { left, right, difference: difference(left, right), step: 1 };
const names: [string, string] = ["one", "other"];
const same: Axis = { labels: ["I", "eat"], leftOnly: [], rightOnly: [], replaced: [] };
const axis: Axis = { labels: ["The", "dog / dogs", "old", "boats"], leftOnly: [3], rightOnly: [2], replaced: [1] };
const spec: CompareSpec = {
  title: "",
  names,
  axes: [same, axis],
  blocks: [
    { kind: "cross", heads: 2, rows: 0, columns: 1, step: 1 },
    { kind: "cross", heads: 1, rows: 0, columns: 0, step: 1 },
  ],
  sent: [],
  largest: null,
  live: true,
  note: "",
};
const state: State = { layer: 0, head: 1, query: 1, key: 3, mean: false, locked: true };

describe("a difference", () => {
  it("is right minus left, unknown where either is, masked where both are", () => {
    expect([...three.difference.weights]).toEqual([0.25, -0.5, 0.25, 0, -0.5, 0.5, 0, 0]);
    expect([...three.difference.states]).toEqual([0, 0, 0, NOT_CAPTURED, 0, 0, MASKED, NOT_CAPTURED]);
  });

  it("ranks the columns of a row by size, NaN last", () => {
    expect(rankDifferences(three, 0).map(({ key }) => key)).toEqual([1, 0, 2]);
    const odd = { ...three, difference: matrix(3, [Number.NaN, 0.1, -0.2]) };
    expect(rankDifferences(odd, 0).map(({ key }) => key)).toEqual([2, 1, 0]);
    expect(rowMoved(rankDifferences(three, 1))).toBe("moved 0.5000 of the row's weight");
  });

  it("is said with its sign", () => {
    expect([0.25, -0.25, 0, null, Number.NaN, Number.NEGATIVE_INFINITY].map(signed)).toEqual(["+0.2500", "−0.2500", "0", "NaN", "NaN", "−∞"]);
  });
});

describe("words", () => {
  it("tell both sides of a cell, and why there is none", () => {
    expect(cellWords(three, 0, names, [false, false])).toBe("one 0.2500, other 0.5000, difference +0.2500");
    expect(cellWords(three, 6, names, [false, false])).toBe("one masked, other masked");
    expect(cellWords(three, 3, names, [true, false])).toBe("one no counterpart, other 0");
    expect(side(left, 3, false)).toBe("not captured");
  });

  it("name the row and the column that differs most, or the one pointed at", () => {
    const told = (column: number | null): string => sentence("L0H1", three, same, axis, names, [0, column, 0], "not here");
    expect(told(null)).toBe("L0H1: ‘I’ at ‘dog / dogs’: one 0.7500, other 0.2500, difference −0.5000");
    expect(told(0)).toContain("‘The’: one 0.2500");
    expect(sentence("L0H1", null, same, axis, names, [0, null, 0], "not here")).toBe("L0H1: ‘I’: not here");
  });

  it("sum up the alignment", () => {
    expect(alignmentWords(same, names)).toBe("the same tokens");
    expect(alignmentWords(axis, names)).toBe("1 token alike, 1 replaced, 1 only in one, 1 only in other");
    expect(captions(names)[2]).toBe("other − one");
  });

  it("list the largest differences", () => {
    const [entry] = cellEntries([[0, 1, 1, 1, 0.5, 0.25, -0.25]], spec, { ...state, key: 1 });
    expect(entry).toEqual({ name: "L0H1 ‘eat’ at ‘dog / dogs’", value: 0.25, text: "−0.2500", current: true });
  });
});

describe("stepping", () => {
  it("keeps head, row and column within the layer", () => {
    expect(goTo(spec, state, { layer: 1 })).toMatchObject({ layer: 1, head: 0, query: 1, key: null, locked: true });
    expect(perform({ do: "layer", by: 9 }, spec, state, { row: 1, key: 0 })).toMatchObject({ layer: 1 });
    expect(perform({ do: "head", by: -9 }, spec, state, { row: 1, key: 0 })).toEqual({ head: 0, mean: false });
    expect(perform({ do: "key", by: -1 }, spec, state, { row: 1, key: 0 })).toMatchObject({ query: 1, key: 2 });
  });
});

describe("what is sent", () => {
  it("reads exact numbers at any offset", () => {
    const bytes = new Uint8Array(3 + 80);
    const view = new DataView(bytes.buffer);
    [...left.weights].forEach((weight, i) => view.setFloat32(3 + 4 * i, weight, true));
    bytes.set(left.states, 35);
    [...right.weights].forEach((weight, i) => view.setFloat32(43 + 4 * i, weight, true));
    bytes.set(right.states, 75);
    expect(decodeThree(spec, 0, view, 3)).toEqual(three);
  });

  it("reads pictures", () => {
    const reduced = { ...spec, blocks: [{ ...spec.blocks[0]!, step: 2 }] };
    const codes = Uint8Array.from([250, 251, 254, 255, 0, 252]);
    const read = decodeThree(reduced, 0, new DataView(codes.buffer));
    expect([...read.left.weights]).toEqual([1, 0]);
    expect([...read.right.states]).toEqual([MASKED, NOT_CAPTURED]);
    expect([...read.difference.weights]).toEqual([-1, Number.NaN]);
  });

  it("shrinks to what is farthest from zero", () => {
    const small = reduce(matrix(3, [0.1, -0.4, 0.2, 0.3, 0, Number.NaN]), 2);
    expect([small.queries, small.keys]).toEqual([1, 2]);
    expect([...small.weights]).toEqual([Math.fround(-0.4), Number.NaN]);
    expect([...reduce(matrix(2, [0, 0], [MASKED, NOT_CAPTURED]), 2).states]).toEqual([MASKED]);
  });
});
