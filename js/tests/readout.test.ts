import { describe, expect, it } from "vitest";
import { ablationNote, keyEntries, rankKeys, restingNote, rowFoot, sentence } from "../src/readout.ts";
import { cellText } from "../src/table.ts";
import { type Head, MASKED, NOT_CAPTURED, type Row } from "../src/wire.ts";

const head: Head = {
  queries: 2,
  keys: 4,
  weights: Float32Array.from([0.25, 0.75, 0, 0, Number.NaN, 0.125, 0, 0.5]),
  states: Uint8Array.from([0, 0, MASKED, NOT_CAPTURED, 0, 0, 0, 0]),
  resting: 0.625,
};
const rows = ["eat", "drink"];
const columns = ["I", "pizza", "beer", "."];

describe("a row", () => {
  it("ranks its keys, NaN last, without masked and not captured ones", () => {
    expect(rankKeys(head, 0).map((k) => k.key)).toEqual([1, 0]);
    expect(rankKeys(head, 1).map((k) => k.key)).toEqual([3, 1, 2, 0]);
  });

  it("is ranked anew when it comes", () => {
    let here: Row | null = null;
    const tiled: Head = { ...head, tiles: { row: () => here, has: () => true } };
    expect(rankKeys(tiled, 0)).toEqual([]);
    here = { weights: Float32Array.of(0.1, 0.9, 0, 0), states: Uint8Array.of(0, 0, MASKED, MASKED) };
    expect(rankKeys(tiled, 0).map((k) => k.key)).toEqual([1, 0]);
    expect(rankKeys(tiled, 0)).toBe(rankKeys(tiled, 0));
  });

  it("makes entries of those keys that are shown alone", () => {
    const entries = keyEntries(head, rankKeys(head, 1), columns, 1);
    expect(entries.length).toBe(4);
    expect(entries.slice(0, 2)).toEqual([
      { name: ".", value: 0.5, text: "0.5000", current: false },
      { name: "pizza", value: 0.125, text: "0.1250", current: true },
    ]);
  });

  it("tells its sum and what has no weight", () => {
    expect(rowFoot(head, 0)).toBe("row sum 1.000 · 1 masked · 1 not captured");
    expect(rowFoot(head, 1)).toBe("row sum NaN");
    expect(rowFoot({ ...head, states: new Uint8Array(8).fill(MASKED) }, 0)).toBe("sees nothing · 4 masked");
  });
});

describe("the sentence", () => {
  it("names the strongest key, or the one pointed at", () => {
    expect(sentence("L1H3", head, rows, columns, 0, null)).toBe("L1H3: ‘eat’ looks at ‘pizza’ 0.7500");
    expect(sentence("L1H3", head, rows, columns, 1, 3)).toBe("L1H3: ‘drink’ looks at ‘.’ 0.5000");
  });

  it("keeps masked, zero, NaN and not captured apart, as the table does", () => {
    const said = [2, 3].map((column) => sentence("L0H0", head, rows, columns, 0, column));
    expect(said).toEqual(["L0H0: ‘eat’ cannot see ‘beer’ (masked)", "L0H0: ‘eat’ on ‘.’ was not captured"]);
    expect([0, 1, 2, 3].map((column) => cellText(head, 0, column))).toEqual(["0.2500", "0.7500", "masked", "not captured"]);
    expect([0, 2].map((column) => cellText(head, 1, column))).toEqual(["NaN", "0"]);
  });

  it("says of a head that it rests on the first token", () => {
    expect(restingNote(head, columns)).toBe("rests on the first token ‘I’ (mean 0.63)");
    expect(restingNote({ ...head, resting: 0.49 }, columns)).toBe("");
  });

  it("sets predictions without a head beside those with it", () => {
    const before = { tokens: ["pizza", "beer"], probabilities: [0.5, 0.98] };
    const after = { tokens: ["pizza", "milk"], probabilities: [0.4, 0.7] };
    const ablation = { before, after, still: [0.4, 0.2] };
    expect(ablationNote("L1H3", ablation, 0)).toBe("without L1H3: still ‘pizza’, 0.50 → 0.40");
    expect(ablationNote("L1H3", ablation, 1)).toBe("without L1H3: ‘beer’ 0.98 → ‘milk’ 0.70 (‘beer’ keeps 0.20)");
  });
});
