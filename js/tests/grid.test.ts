import { describe, expect, it } from "vitest";
import { opaque } from "../src/colours.ts";
import { emptyLayer, type GridSpec, decodeGrid, type Layer, NOT_A_NUMBER, readFound, readMetric, scaleEnd, takePiece, ZERO } from "../src/griddata.ts";
import { flowColumns, hitGrid, layOutGrid, rowsInView, scrollTo } from "../src/gridlayout.ts";
import { byLayer, byValue, groupsOf, locate, nextPlace, type Place, steer } from "../src/gridorder.ts";
import { codesOf } from "../src/gridcodes.ts";
import { fitCells, makeInks, Painter, type Strip } from "../src/gridpaint.ts";
import type { Block, Frame } from "../src/model.ts";
import { MASKED, NOT_CAPTURED } from "../src/wire.ts";

const block = (heads: number, layer = 0): Block => ({ kind: "decoder", layer, heads, queries: 0, keys: 0 });
const size = { rows: 2, columns: 2, factor: 3, groups: 2 };

/** Bytes at an odd place in a larger buffer, as the comm may deliver them. */
function odd(content: Uint8Array): DataView {
  const buffer = new ArrayBuffer(content.length + 3);
  new Uint8Array(buffer, 3).set(content);
  return new DataView(buffer, 3);
}

const doubles = (...numbers: number[]): Uint8Array => new Uint8Array(Float64Array.from(numbers).buffer);

describe("what the kernel sends", () => {
  it("comes in pieces, with one plane of states for all heads or one each", () => {
    const layer = emptyLayer(size, 3, 2);
    const first = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 0);
    expect(takePiece(layer, { first: 0, heads: 2, planes: 1 }, [odd(first), 0], [odd(doubles(0.1, 0.2, 10, 20)), 0])).toEqual([12, 32]);
    expect([...layer.states.subarray(0, 8)]).toEqual([0, 1, 0, 0, 0, 1, 0, 0]);
    expect(readMetric(layer, 2, 0)).toEqual({ missing: "not here" });
    takePiece(layer, { first: 2, heads: 1, planes: 1 }, [odd(Uint8Array.of(9, 9, 9, 9, 3, 0, 0, 0)), 0], [odd(doubles(Number.NaN, 30)), 0]);
    expect(layer.have).toBe(3);
    expect([...layer.metrics]).toEqual([0.1, 0.2, Number.NaN, 10, 20, 30]);
    expect(readMetric(layer, 1, 1)).toEqual({ number: 20 });
    expect(readMetric(layer, 2, 0)).toEqual({ missing: "not a number" });
  });

  it("is refused out of turn or cut off", () => {
    const layer = emptyLayer(size, 3, 1);
    const pictures: [DataView, number] = [odd(new Uint8Array(40)), 0];
    expect(() => takePiece(layer, { first: 1, heads: 1, planes: 1 }, pictures, pictures)).toThrow("out of turn");
    expect(() => takePiece(layer, { first: 0, heads: 9, planes: 1 }, pictures, pictures)).toThrow("out of turn");
    expect(() => takePiece(layer, { first: 0, heads: 3, planes: 3 }, [odd(new Uint8Array(20)), 0], pictures)).toThrow("has 20");
    expect(() => takePiece(layer, { first: 0, heads: 3, planes: 1 }, pictures, [odd(new Uint8Array(23)), 0])).toThrow("cut off");
  });

  it("is decoded frame by frame", () => {
    const frame = (heads: number[]): Frame => ({ blocks: heads.map(block) }) as unknown as Frame;
    const grid: GridSpec = { side: 32, metrics: [{ name: "sink", title: "sink", about: "", share: true }], layers: [[size, size], [size, size]], sent: [[[1, 2]], [[0, 1]]] };
    const pictures = Uint8Array.from({ length: 16 + 8 }, (_, i) => i);
    const layers = decodeGrid(grid, [frame([1, 2]), frame([1, 2])], odd(pictures), odd(doubles(0.5, 0.25, 0.125)));
    expect([...layers.keys()]).toEqual(["0/1", "1/0"]);
    expect([...(layers.get("0/1")?.states ?? [])]).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
    expect([...(layers.get("1/0")?.levels ?? [])]).toEqual([16, 17, 18, 19]);
    expect([...(layers.get("1/0")?.metrics ?? [])]).toEqual([0.125]);
  });

  it("says why a cell has no number", () => {
    const found = { weights: Float32Array.of(0.5, 0, 0, Number.NaN), states: Uint8Array.of(0, MASKED, NOT_CAPTURED, 0) };
    const read = [0, 1, 2, 3].map((head) => readFound(found, head, true));
    expect(read).toEqual([{ number: 0.5 }, { missing: "masked" }, { missing: "not captured" }, { missing: "not a number" }]);
    expect(readFound(undefined, 0, true)).toEqual({ missing: "not here" });
    expect(readFound(found, 0, false)).toEqual({ missing: "other tokens" });
  });

  it("has a scale that ends at one or at the largest head", () => {
    expect(scaleEnd(true, [{ number: 0.2 }])).toBe(1);
    expect(scaleEnd(false, [{ number: 0.2 }, { missing: "masked" }, { number: 3.5 }])).toBe(3.5);
    expect(scaleEnd(false, [])).toBe(1);
  });
});

describe("the order", () => {
  const blocks = [block(3), block(2, 1)];
  const value = new Map([["0,0", 0.2], ["0,1", Number.NaN], ["0,2", 0.9], ["1,0", 0.9], ["1,1", 0.1]]);
  const sorted = byValue(blocks, 2, (layer, head) => ({ number: value.get([layer, head].join()) ?? 0 }));

  it("is a layer a row", () => {
    expect(byLayer(blocks)).toEqual([[[0, 0], [0, 1], [0, 2]], [[1, 0], [1, 1]]]);
  });

  it("is by falling value, equals in reading order, what has none last", () => {
    expect(sorted).toEqual([[[0, 2], [1, 0]], [[0, 0], [1, 1]], [[0, 1]]]);
    expect(locate(sorted, 1, 1)).toEqual([1, 1]);
  });

  it.each<[string, Place, boolean, Place]>([
    ["ArrowRight", [0, 2], true, [1, 0]],
    ["ArrowRight", [1, 0], true, [0, 0]],
    ["ArrowRight", [1, 0], false, [1, 0]],
    ["ArrowLeft", [0, 0], true, [1, 0]],
    ["ArrowLeft", [0, 2], true, [0, 2]],
    ["ArrowDown", [1, 1], true, [0, 1]],
    ["ArrowUp", [0, 1], true, [0, 0]],
    ["End", [0, 2], false, [1, 0]],
    ["Home", [1, 1], false, [0, 0]],
    ["PageDown", [0, 2], false, [0, 1]],
    ["PageUp", [0, 1], false, [0, 2]],
  ])("%s from %j leads to its place", (key, from, flow, to) => {
    expect(steer(key, sorted, from, flow, 5)).toEqual(to);
  });

  it("leaves other keys to the page, and plays from the end to the start", () => {
    expect(steer("x", sorted, [0, 0], true, 1)).toBeNull();
    expect(nextPlace(sorted, [0, 1])).toEqual([0, 2]);
  });

  it("brackets query heads that share a key", () => {
    expect(groupsOf(6, 2)).toEqual([[0, 2], [3, 5]]);
    expect(groupsOf(6, 6)).toEqual([]);
  });
});

describe("the layout", () => {
  const demand = { width: 1000, tallest: 640, rows: 12, columns: 12, label: 20, brackets: "none" as const, named: false, ratio: 1 };

  it("shrinks with the number of heads, whole in device pixels", () => {
    const sides = [[4, 8], [12, 12], [48, 64]].map(([rows = 1, columns = 1]) => layOutGrid({ ...demand, rows, columns, ratio: 1.5 }));
    expect(sides[0]!.side).toBeGreaterThan(sides[1]!.side);
    expect(sides[1]!.side).toBeGreaterThan(sides[2]!.side);
    for (const { pitch, side, width } of sides) {
      expect(pitch * 1.5).toBeCloseTo(Math.round(pitch * 1.5), 9);
      expect(side).toBeLessThan(pitch);
      expect(width).toBeLessThanOrEqual(1000);
    }
  });

  it("finds the cell under a point, also when scrolled", () => {
    const layout = layOutGrid({ ...demand, rows: 48, columns: 64 });
    const x = layout.x + 5.5 * layout.pitch;
    const y = layout.y + 2.5 * layout.pitchY;
    expect(hitGrid(layout, x, y, 0)).toEqual([2, 5]);
    expect(hitGrid(layout, x, y, 4 * layout.pitchY)).toEqual([6, 5]);
    expect(hitGrid(layout, 2, y, 0)).toBeNull();
    expect(hitGrid(layout, x, layout.y - 1, 0)).toBeNull();
  });

  it("paints only what is in view and scrolls to what is not", () => {
    const layout = layOutGrid({ ...demand, rows: 200, columns: 12 });
    const [first, last] = rowsInView(layout, 1000);
    expect(first).toBe(Math.floor(1000 / layout.pitchY));
    expect(last).toBeLessThan(first + 640 / layout.pitchY + 1);
    expect(rowsInView(layout, 1e6)[1]).toBe(199);
    expect(scrollTo(layout, first + 2, 1000)).toBe(1000);
    expect(scrollTo(layout, 0, 1000)).toBe(0);
    const down = scrollTo(layout, 199, 0);
    expect(rowsInView(layout, down)[1]).toBe(199);
  });

  it("lays sorted heads so that all are seen", () => {
    for (const heads of [1, 32, 144, 3072]) {
      const columns = flowColumns(heads, 1000, 640);
      const layout = layOutGrid({ ...demand, rows: Math.ceil(heads / columns), columns, label: 0, named: true });
      expect(layout.whole).toBeLessThanOrEqual(640);
    }
  });
});

describe("painting", () => {
  const grey = Array.from({ length: 256 }, (_, i) => [i, i, i] as const);
  const inks = makeInks({ palette: grey, nan: "#ff0000", unknown: "#00ff00", hatch: "#0000ff" }, 1);
  const layer = (rows: number, columns: number, levels: number[], states: number[]): Layer => ({
    ...emptyLayer({ rows, columns, factor: 1, groups: 1 }, 1, 1),
    levels: Uint8Array.from(levels),
    states: Uint8Array.from(states),
    have: 1,
  });
  const strip = (width: number, height: number): Strip => ({ pixels: new Uint32Array(width * height), width });

  it("joins cells to their maximum where there are more cells than pixels", () => {
    const levels = Array.from({ length: 64 }, (_, i) => (i * 37) % 251);
    const small = new Painter(layer(8, 8, levels, new Array(64).fill(0)), 3, inks);
    expect(small.fit).toEqual({ factor: 3, rows: 3, columns: 3, width: 3, height: 3 });
    const out = strip(3, 3);
    small.paint(out, 0, 0);
    for (let row = 0; row < 3; row++) {
      for (let column = 0; column < 3; column++) {
        let most = 0;
        for (let r = 3 * row; r < Math.min(8, 3 * row + 3); r++) for (let c = 3 * column; c < Math.min(8, 3 * column + 3); c++) most = Math.max(most, levels[r * 8 + c]!);
        expect(out.pixels[row * 3 + column]).toBe(opaque(grey[most]!));
      }
    }
  });

  it("gives every cell a pixel of its own where there is room, whatever the shape", () => {
    for (const [rows, columns, side] of [[1, 1, 13], [5, 7, 13], [32, 32, 33], [3, 30, 40], [32, 1, 32]] as const) {
      const levels = Array.from({ length: rows * columns }, (_, i) => i % 256);
      const painter = new Painter(layer(rows, columns, levels, levels.map(() => 0)), side, inks);
      const out = strip(side, side);
      painter.paint(out, 0, 0);
      const seen = new Set(out.pixels);
      for (const value of levels) expect(seen.has(opaque(grey[value]!))).toBe(true);
      expect(Math.max(painter.fit.width, painter.fit.height)).toBe(side);
    }
  });

  it("lets what is not a number prevail, then values, zero, masked, not captured", () => {
    const prevails = (states: number[]): number => {
      const out = strip(1, 1);
      new Painter(layer(1, states.length, states.map(() => 0), states), 1, inks).paint(out, 0, 0);
      return out.pixels[0]!;
    };
    expect(prevails([0, NOT_A_NUMBER, MASKED])).toBe(inks.nan);
    expect(prevails([NOT_CAPTURED, 0, MASKED, ZERO])).toBe(inks.steps[0]);
    expect(prevails([NOT_CAPTURED, MASKED])).toBe(inks.hatch);
    expect(prevails([NOT_CAPTURED])).toBe(inks.unknown);
  });

  it("hatches what is masked and leaves the rest of it clear", () => {
    const out = strip(10, 10);
    new Painter(layer(1, 1, [0], [MASKED]), 10, inks).paint(out, 0, 0);
    expect(new Set(out.pixels)).toEqual(new Set([0, inks.hatch]));
  });

  it("dots zeros where cells are large", () => {
    const out = strip(20, 20);
    new Painter(layer(1, 1, [0], [ZERO]), 20, inks).paint(out, 0, 0);
    expect([...out.pixels].filter((pixel) => pixel === inks.unknown)).toHaveLength(4);
    expect(fitCells(2, 2, 20).width).toBe(20);
  });

  it("joins cells once for every order and size, and again when more heads came", () => {
    const one = layer(8, 8, new Array(64).fill(9), new Array(64).fill(0));
    const codes = codesOf(one, 3);
    expect(codes.of(0)).toBe(0);
    expect(codesOf(one, 3)).toBe(codes);
    expect(codesOf(one, 2)).not.toBe(codes);
    one.version += 1_000;
    expect(codesOf(one, 2).version).toBe(one.version);
  });
});
