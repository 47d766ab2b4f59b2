import { describe, expect, it } from "vitest";
import type { Spec } from "../src/model.ts";
import { action, click, move, NOTHING, perform, withPin, withRow } from "../src/selection.ts";
import { canAblate, goTo, nextHead, type State } from "../src/state.ts";

const tokens = [["a", "b", "c"]];
const block = (layer: number, heads: number) => ({ kind: "decoder" as const, layer, heads, queries: 0, keys: 0 });
const frame = { step: null, tokens, blocks: [block(0, 4), block(1, 2)], words: [null], special: [[]], predictions: null, sent: [], planes: [], resting: [] };
const spec: Spec = { title: "", frames: [{ ...frame, step: 5 }, frame], live: false, ablate: true, ablations: {}, note: "" };
const state: State = {
  moment: 1, layer: 0, head: 3, query: null, key: null, mean: false, locked: false, ablated: false,
  how: "mean", over: "layer", pinned: [], selected: [], value: "weight", words: false, hide_special: false,
  by_weight: false, threshold: 0, top: 0, last: 0,
};
const shown = { row: 2, key: 1, rows: 3, columns: 3 };
const press = (key: string, shift = false, from = state): Partial<State> => {
  const wish = action(key, shift);
  return wish ? perform(wish, spec, from, from, shown) : {};
};

describe("click", () => {
  it("locks a row, then its cell, and unlocks on the same again", () => {
    const row = click(NOTHING, 1, null);
    expect(row).toEqual({ query: 1, key: null, locked: true });
    const cell = click(row, 1, 2);
    expect(cell).toEqual({ query: 1, key: 2, locked: true });
    expect(click(cell, 1, 2)).toEqual(NOTHING);
  });
});

describe("keys", () => {
  it("step heads and layers, and stop at the ends", () => {
    expect(press("ArrowLeft")).toEqual({ head: 2, mean: false });
    expect(press("ArrowRight")).toEqual({ head: 3, mean: false });
    expect(press("ArrowDown")).toEqual({ layer: 1 });
    expect(press("ArrowUp")).toEqual({ layer: 0 });
    expect([press("Home"), press("End")]).toEqual([{ head: 0, mean: false }, { head: 3, mean: false }]);
  });

  it("with Shift move the row and the column, from what is on show", () => {
    expect(press("ArrowUp", true)).toEqual({ query: 2, key: null, locked: true });
    expect(press("ArrowUp", true, { ...state, query: 2 })).toMatchObject({ query: 1 });
    expect(press("ArrowRight", true)).toEqual({ query: 2, key: 1, locked: true });
    expect(move({ query: 2, key: 2, locked: true }, "key", 1, 3, 0)).toMatchObject({ key: 2 });
  });

  it("Enter locks what is on show, Escape lets go", () => {
    expect(press("Enter")).toEqual({ query: 2, key: null, locked: true });
    expect(press("Escape")).toEqual(NOTHING);
  });

  it("zoom, and show all again", () => {
    expect(["+", "-", "0"].map((key) => action(key, false)?.do)).toEqual(["closer", "farther", "whole"]);
    expect(press("+")).toEqual({});
  });

  it("leave all others to the page", () => expect(action("x", false)).toBeNull());
});

describe("stepping", () => {
  it("keeps the head within a layer that has fewer", () => {
    expect(goTo(spec, state, { layer: 1 })).toMatchObject({ layer: 1, head: 1 });
  });

  it("lets go of a locked row that the layer lacks", () => {
    const short = { ...frame, tokens: [...tokens, ["a", "b"]], blocks: [block(0, 4), { ...block(1, 4), queries: 1 }] };
    const locked = { ...state, moment: 0, query: 2, key: 2, locked: true };
    const there = { ...spec, frames: [short] };
    expect(goTo(there, locked, { layer: 1 })).toMatchObject({ query: null, key: 2, locked: false });
    expect(goTo(there, { ...locked, query: 1 }, { layer: 1 })).toMatchObject({ query: 1, locked: true });
  });

  it("plays all heads in order and starts again", () => {
    expect(nextHead(spec, state)).toMatchObject({ layer: 1, head: 0 });
    expect(nextHead(spec, { ...state, layer: 1, head: 1 })).toMatchObject({ layer: 0, head: 0 });
    expect(nextHead(spec, { ...state, head: 0 })).toEqual({ head: 1 });
  });

  it("switches heads off only where there is a model to ask", () => {
    expect(canAblate(spec, state)).toBe(true);
    expect(canAblate(spec, { ...state, moment: 0 })).toBe(false);
    expect(canAblate(spec, { ...state, mean: true })).toBe(false);
  });
});

describe("rows summed and heads pinned", () => {
  const at = (patch: Partial<State>): State => ({ query: null, selected: [], pinned: [], layer: 1, head: 2, ...patch }) as State;

  it("a row is added to the one that is locked, and taken away again", () => {
    expect(withRow(at({}), 4)).toEqual({ query: 4, key: null, locked: true });
    expect(withRow(at({ query: 4, selected: [1] }), 2)).toEqual({ locked: true, selected: [1, 2] });
    expect(withRow(at({ query: 4, selected: [1, 2] }), 1)).toEqual({ locked: true, selected: [2] });
    expect(withRow(at({ query: 4 }), 4)).toEqual({});
  });

  it("eight heads are pinned at most, the oldest leaves", () => {
    const eight = Array.from({ length: 8 }, (_, i): [number, number] => [0, i]);
    expect(withPin(at({ pinned: eight }), true).pinned).toEqual([...eight.slice(1), [1, 2]]);
    expect(withPin(at({ pinned: [[1, 2], [0, 0]] }), false).pinned).toEqual([[0, 0]]);
    expect(withPin(at({ pinned: [[1, 2], [0, 0]] }), true).pinned).toEqual([[0, 0], [1, 2]]);
  });
});
