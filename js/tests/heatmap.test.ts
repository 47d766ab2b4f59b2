import { expect, it } from "vitest";
import { stepFor, type Layout } from "../src/geometry.ts";
import { crop, reduced } from "../src/heatmap.ts";
import { type Head, HIDDEN, MASKED, NOT_CAPTURED } from "../src/wire.ts";

const head = (queries: number, keys: number, weights: number[], states: number[] = []): Head => ({
  queries,
  keys,
  weights: Float32Array.from(weights),
  states: Uint8Array.from(weights, (_, i) => states[i] ?? 0),
  resting: null,
});

it("a reduced head shows the maximum of its cells, also at ragged edges", () => {
  const small = reduced(head(3, 3, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, -2, -3, 0.9]), 2);
  expect([small.queries, small.keys]).toEqual([2, 2]);
  expect(Array.from(small.weights, (w) => Number(w.toFixed(3)))).toEqual([0.5, 0.6, -2, 0.9]);
});

it("a NaN wins, and a state is that of a cell only where none has a value", () => {
  const small = reduced(head(2, 6, [0.1, Number.NaN, 0, 0, 0, 0, 0.4, 0.5, 0, 0.3, 0, 0], [0, 0, MASKED, HIDDEN, NOT_CAPTURED, HIDDEN, 0, 0, MASKED, 0, HIDDEN, MASKED]), 2);
  expect(small.weights[0]).toBeNaN();
  expect(small.weights[1]).toBeCloseTo(0.3);
  expect([...small.states]).toEqual([0, 0, MASKED]);
});

it("no cell is narrower than a pixel, and none is joined that need not be", () => {
  const at = (cellWidth: number, cellHeight = cellWidth): Layout => ({ cellWidth, cellHeight }) as Layout;
  expect([stepFor(at(3), 1), stepFor(at(1), 1), stepFor(at(0.5), 2), stepFor(at(0.5), 1), stepFor(at(9, 0.3), 1), stepFor(at(0.24), 2)]).toEqual([1, 1, 1, 2, 4, 4]);
});

it("a part keeps its place", () => {
  const part = crop(head(3, 3, [1, 2, 3, 4, 5, 6, 7, 8, 9]), { row0: 1, column0: 1, rows: 2, columns: 1 });
  expect([...part.weights]).toEqual([5, 8]);
});
