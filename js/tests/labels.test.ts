import { expect, it } from "vitest";
import { along, beside, spread } from "../src/labels.ts";

const bounds = { left: 0, top: 0, right: 200, bottom: 100 };

it("leaves heights alone that are far apart, and spreads the others in their order", () => {
  expect(spread([90, 10, 50], 13, 0, 100)).toEqual([90, 10, 50]);
  expect(spread([50, 52, 51], 10, 0, 100)).toEqual([41, 61, 51]);
  expect(spread([20, 24, 40], 10, 0, 100)).toEqual([17, 27, 40]);
  expect(spread([20, 24, 30], 10, 0, 100).map((height) => Math.round(10 * height) / 10)).toEqual([14.7, 24.7, 34.7]);
});

it("keeps labels within bounds", () => {
  expect(spread([99, 98, 97], 10, 0, 100)).toEqual([100, 90, 80]);
  expect(spread([0, 0], 10, 5, 100)).toEqual([5, 15]);
  expect(spread([], 10, 0, 100)).toEqual([]);
});

it("puts a label below its point, or where no curve is", () => {
  expect(beside([100, 50], 40, 12, bounds, [], [])).toEqual([100, 64]);
  const below = along([[60, 64], [140, 64]]);
  expect(beside([100, 50], 40, 12, bounds, below, [])).toEqual([100, 36]);
  expect(beside([100, 50], 40, 12, bounds, below, [36])[1]).not.toBe(36);
});

it("keeps a label within bounds and off its own point", () => {
  const [x, y] = beside([198, 98], 40, 12, bounds, [], []);
  expect(x).toBe(180);
  expect(y).toBeLessThan(98 - 11);
});

it("fills lines with points", () => {
  expect(along([[0, 0], [12, 6]], 6)).toEqual([[0, 0], [6, 3], [12, 6]]);
  expect(along([])).toEqual([]);
});
