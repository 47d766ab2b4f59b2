import { describe, expect, it } from "vitest";
import { follow, isWhole, pan, wholeWindow, zoom } from "../src/zoom.ts";

describe("the window of a matrix", () => {
  it("is all of it, or its last rows", () => {
    expect(wholeWindow(100, 50)).toEqual({ row: 0, column: 0, rows: 100, columns: 50 });
    expect(wholeWindow(100, 50, 10)).toEqual({ row: 90, column: 0, rows: 10, columns: 50 });
    expect(wholeWindow(5, 50, 10)).toMatchObject({ row: 0, rows: 5 });
  });

  it("keeps the place that is zoomed about, and stays inside", () => {
    const closer = zoom(wholeWindow(4096, 4096), 0.5, { row: 1024, column: 4095 }, 4096, 4096);
    expect(closer).toEqual({ row: 512, column: 2048, rows: 2048, columns: 2048 });
    const back = zoom(closer, 2, { row: 1024, column: 4095 }, 4096, 4096);
    expect(isWhole(back, 4096, 4096)).toBe(true);
    expect(zoom(closer, 1e-9, { row: 600, column: 2100 }, 4096, 4096)).toMatchObject({ rows: 8, columns: 8 });
    expect(zoom(wholeWindow(3, 2), 0.1, { row: 1, column: 1 }, 3, 2)).toMatchObject({ rows: 3, columns: 2 });
  });

  it("moves no farther than the edge", () => {
    const window = { row: 10, column: 10, rows: 20, columns: 20 };
    expect(pan(window, -50, 5, 100, 100)).toMatchObject({ row: 0, column: 15 });
    expect(pan(window, 500, 0, 100, 100)).toMatchObject({ row: 80 });
  });

  it("follows a row as little as it must", () => {
    const window = { row: 10, column: 10, rows: 20, columns: 20 };
    expect(follow(window, 9, 15)).toMatchObject({ row: 9, column: 10 });
    expect(follow(window, 40, null)).toMatchObject({ row: 21, column: 10 });
  });
});
