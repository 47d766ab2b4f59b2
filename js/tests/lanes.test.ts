import { describe, expect, it } from "vitest";
import { hitLane, layLanes, reach, reduceSigned } from "../src/lanes.ts";
import { columnsOf, layRow } from "../src/rowbars.ts";
import { MASKED } from "../src/wire.ts";

describe("lanes", () => {
  it("give few dimensions wide cells and many at least a device pixel", () => {
    expect(layLanes(1000, 8, 4, 1).cellWidth).toBe(64);
    const many = layLanes(424, 1024, 4, 1);
    expect(many.factor).toBe(6);
    expect(many.cellWidth * Math.ceil(1024 / many.factor)).toBeLessThanOrEqual(200);
  });

  it("are found under a point", () => {
    const layout = layLanes(1000, 8, 4, 1);
    expect(hitLane(layout, layout.x + 65, layout.y + layout.pitch + 1)).toEqual({ lane: 1, dim: 1 });
    expect(hitLane(layout, layout.x - 1, layout.y)).toBeNull();
    expect(hitLane(layout, layout.x + 8 * 64, layout.y)).toBeNull();
  });

  it("keep of several values the one furthest from zero", () => {
    expect([...reduceSigned(Float32Array.of(1, -3, 2, 0, Number.NaN, 9), 2)]).toEqual([-3, 2, Number.NaN]);
    expect(reach([1, -3, Number.NaN, Number.POSITIVE_INFINITY])).toBe(3);
    expect(reach([0])).toBe(1);
  });
});

describe("a row", () => {
  it("shows the strongest key of each column", () => {
    const row = { scores: null, weights: Float32Array.of(0.1, 0.5, 0, 0.4), states: Uint8Array.of(0, 0, MASKED, MASKED) };
    const { keys, weights, states } = columnsOf(row, [0, 1, 2, 3], 2);
    expect([keys, [...weights], [...states]]).toEqual([[1, 2], [0.5, 0], [0, MASKED]]);
  });

  it("of 4,096 keys fits", () => {
    const layout = layRow(1000, 4096, true, 40, 1);
    expect(layout.cellWidth * layout.columns).toBeLessThanOrEqual(776);
    expect(layout.columns * layout.factor).toBeGreaterThanOrEqual(4096);
  });
});
