import { describe, expect, it } from "vitest";
import { arc, columnMiddle, type Demand, hit, layOut, rowMiddle, stroke } from "../src/geometry.ts";

const demand = (change: Partial<Demand> = {}): Demand => ({
  width: 900,
  rows: 10,
  columns: 10,
  rowLabel: 50,
  columnLabel: 40,
  tail: 90,
  ratio: 1,
  ...change,
});

describe("layOut", () => {
  it("lays labels flat where every one of them fits its column", () => {
    const layout = layOut(demand());
    expect(layout.flat).toBe(true);
    expect(layout.cellWidth).toBeGreaterThanOrEqual(40);
    expect([layout.rowStep, layout.columnStep]).toEqual([1, 1]);
  });

  it("stands labels upright where they do not", () => {
    const layout = layOut(demand({ columnLabel: 104 }));
    expect(layout.flat).toBe(false);
    expect(layout.y).toBeGreaterThan(layout.arcs + 104);
  });

  it.each([1, 7, 64, 512, 4096])("keeps %i tokens within the width", (tokens) => {
    const layout = layOut(demand({ rows: tokens, columns: tokens }));
    expect(layout.width).toBeLessThanOrEqual(900);
    expect(layout.cellWidth * layout.columnStep).toBeGreaterThanOrEqual(9);
  });

  it.each([1, 1.25, 2])("makes cells of whole device pixels at ratio %d", (ratio) => {
    const layout = layOut(demand({ rows: 64, columns: 64, ratio }));
    expect((layout.cellWidth * ratio) % 1).toBeCloseTo(0, 9);
  });

  it("stretches few rows over many columns", () => {
    const layout = layOut(demand({ rows: 4, columns: 400 }));
    expect(layout.cellHeight).toBe(14);
  });
});

describe("hit", () => {
  const layout = layOut(demand());
  it("finds the cell in whose middle it points", () => {
    for (const [row, column] of [[0, 0], [9, 9], [3, 7]] as const) {
      expect(hit(layout, columnMiddle(layout, column), rowMiddle(layout, row))).toEqual({ row, column });
    }
  });

  it("takes labels for their row or column, and nothing outside", () => {
    expect(hit(layout, 5, rowMiddle(layout, 4))).toEqual({ row: 4, column: null });
    expect(hit(layout, columnMiddle(layout, 2), layout.y - 4)).toEqual({ row: null, column: 2 });
    expect(hit(layout, columnMiddle(layout, 2), 3)).toEqual({ row: null, column: null });
    expect(hit(layout, 5, layout.height + 20)).toEqual({ row: null, column: null });
  });
});

describe("arcs", () => {
  it("rise with distance, within the band", () => {
    // The top of a cubic with both controls at c stands at 3/4 of the way.
    const top = (from: number, to: number): number => 0.75 * (80 - arc(from, to, 80, 60).control);
    expect(top(0, 100)).toBeCloseTo(40);
    expect(top(0, 20)).toBeCloseTo(16);
    expect(top(0, 1000)).toBeCloseTo(60);
  });

  it("grow with the weight; none for next to nothing or NaN", () => {
    expect(stroke(0.009)).toBeNull();
    expect(stroke(Number.NaN)).toBeNull();
    expect(stroke(1)).toEqual({ width: 5, alpha: 1 });
    expect(stroke(7)).toEqual(stroke(1));
  });
});
