import { describe, expect, it } from "vitest";
import { exact, field, headTable, toCsv } from "../src/csv.ts";

/** RFC 4180, read back by rules of its own. */
function parse(csv: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain = "", end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    rows.at(-1)?.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === "\r\n") rows.push([]);
  }
  return rows.slice(0, -1);
}

describe("a matrix as CSV", () => {
  it("has tokens, values, and names for what is no value", () => {
    const head = { keys: 3, weights: Float32Array.of(0.1, 0, NaN, Infinity, 0, 0), states: Uint8Array.of(0, 0, 0, 0, 1, 2) };
    const csv = toCsv(headTable(head, ["I", "love"], ["I", "love", "pizza"]));
    expect(csv).toBe("query \\ key,I,love,pizza\r\nI,0.1,0,NaN\r\nlove,inf,masked,not captured\r\n");
  });

  it("gives every float32 back", () => {
    for (const value of [1 / 3, 1e-30, 0.1, 123456789, -0.7, 1.401298464324817e-45, 3.4028234663852886e38]) {
      const float = Math.fround(value);
      expect(Math.fround(Number(exact(float)))).toBe(float);
    }
    expect(exact(Math.fround(0.1))).toBe("0.1");
    expect(exact(-Infinity)).toBe("-inf");
  });

  it.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])("makes the formula %j text", (token) => {
    expect(parse(`${field(token)}\r\n`)).toEqual([[`'${token}`]]);
  });

  it("leaves negative numbers numbers", () => {
    const table = { corner: "", columns: ["-"], rows: [{ name: "-", cells: [-0.5] }] };
    expect(toCsv(table)).toBe(",'-\r\n'-,-0.5\r\n");
  });

  it("quotes what would break a line, and survives reading back", () => {
    const tokens = ['say "hi"', "a,b", "a\r\nb", " edge ", "</script>", "👩‍👩‍👧", "", '"', "x".repeat(1000)];
    const rows = parse(toCsv({ corner: "c", columns: tokens, rows: tokens.map((name) => ({ name, cells: tokens.map(() => 1) })) }));
    expect(rows[0]).toEqual(["c", ...tokens]);
    expect(rows.slice(1).map((row) => row[0])).toEqual(tokens);
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([tokens.length + 1]));
  });
});
