import { describe, expect, it } from "vitest";
import fixture from "../../tests/data/lens.json";
import { byWeight, combine, filtered, placeOf, regroup, shownAxis } from "../src/lens.ts";
import { type Head, HIDDEN, MASKED, VALUE } from "../src/wire.ts";

/** Where words begin, and what is no text, as the kernel tells of these tokens. */
const WORDS = [0, 1, 2, 5, 6];
const SPECIAL = [0, 6];

const heads: Head[] = fixture.heads.map((rows) => ({
  queries: rows.length,
  keys: rows.length,
  weights: Float32Array.from(rows.flat().map(Number)),
  states: Uint8Array.from(fixture.states.flat()),
  resting: null,
}));

interface Given {
  heads: number[][];
  how?: "mean" | "max";
  words?: boolean;
  hide_special?: boolean;
  value?: "weight" | "log";
  threshold?: number;
  top?: number;
}

describe("the lens makes of heads what the kernel makes of them", () => {
  it.each(fixture.cases.map((each) => [JSON.stringify(each.lens), each] as const))("%s", (_, { lens, tokens, values, states }) => {
    const { how = "mean", words = false, hide_special = false, value = "weight", threshold = 0, top = 0, heads: chosen } = lens as Given;
    const axis = shownAxis(fixture.tokens, words ? WORDS : null, hide_special ? SPECIAL : null);
    expect(axis.tokens).toEqual(tokens);
    const base = combine(chosen.map(([, head]) => heads[head!]!), how);
    const made = filtered(regroup(base, axis, axis), { value, threshold, top });
    expect([...made.states]).toEqual(states.flat());
    values.flat().map(Number).forEach((expected, i) => {
      const got = made.weights[i]!;
      if (Number.isFinite(expected)) expect(got).toBeCloseTo(expected, 5);
      else expect(got).toBe(expected);
    });
  });
});

describe("places", () => {
  it("of tokens that were merged or left out are those that stand for them", () => {
    const axis = shownAxis(fixture.tokens, WORDS, SPECIAL);
    expect([1, 2, 3, 4, 5].map((token) => placeOf(axis, token))).toEqual([0, 1, 1, 1, 2]);
    expect(placeOf(shownAxis(fixture.tokens, null, null), 3)).toBe(3);
  });
});

describe("columns by weight", () => {
  const head: Head = {
    queries: 2, keys: 4, resting: null,
    weights: Float32Array.from([0.1, 0.4, Number.NaN, 0, 1, 2, 3, 4]),
    states: Uint8Array.from([VALUE, VALUE, VALUE, MASKED, VALUE, VALUE, HIDDEN, VALUE]),
  };
  it("stand by one row, and all rows follow", () => {
    const [made, axis] = byWeight(head, shownAxis(["a", "b", "c", "d"], null, null), 0);
    expect(axis.tokens).toEqual(["b", "a", "c", "d"]);
    expect([...made.weights.slice(4)]).toEqual([2, 1, 3, 4]);
    expect([...made.states.slice(4)]).toEqual([VALUE, VALUE, HIDDEN, VALUE]);
    expect(placeOf(axis, 1)).toBe(0);
  });
});
