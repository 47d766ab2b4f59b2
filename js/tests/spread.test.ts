import { describe, expect, it } from "vitest";
import type { Link } from "../src/link.ts";
import type { Frame } from "../src/model.ts";
import type { Scene } from "../src/scene.ts";
import { spreadAt, Spreads, spreadWords } from "../src/spread.ts";
import type { State } from "../src/state.ts";

const spec = { n: 12, align: "position" };

it("words say n and spread, and how many texts have a cell", () => {
  expect(spreadWords(spec, null)).toBe("mean of n = 12 texts");
  expect(spreadWords(spec, { sd: 0.08, count: 12 })).toBe("mean of n = 12 texts, sd 0.08000");
  expect(spreadWords(spec, { sd: 0.5, count: 7 })).toBe("mean of 7 of 12 texts, sd 0.5000");
  expect(spreadWords(spec, { sd: Number.NaN, count: 1 })).toBe("mean of 1 of 12 texts");
  expect(spreadWords(spec, { sd: Number.NaN, count: 0 })).toBe("in none of 12 texts");
});

describe("spreads", () => {
  const frame = { tokens: [["a", "b"]], blocks: [{ kind: "decoder", layer: 0, heads: 2, queries: 0, keys: 0 }], sent: [1] } as unknown as Frame;
  const data = new DataView(new ArrayBuffer(32));
  [0.1, 0.2, 0.3, 0.5].forEach((sd, i) => data.setFloat32(4 * i, sd, true));
  [12, 12, 3, 12].forEach((count, i) => data.setUint32(16 + 4 * i, count, true));

  it("are read from what was sent", () => {
    const spreads = new Spreads([frame], [spec], data, { live: false } as Link, () => undefined);
    expect(spreads.words(0, 0, 1, 1, 1)).toBe("mean of n = 12 texts, sd 0.5000");
    expect(spreads.words(0, 0, 1, 1, 0)).toBe("mean of 3 of 12 texts, sd 0.3000");
    expect(spreads.words(0, 0, 0, 1, 0)).toBe("mean of n = 12 texts");
    expect(new Spreads([frame], [null], data, { live: false } as Link, () => undefined).words(0, 0, 1, 1, 1)).toBe("");
  });

  it("are left out where they are not here", () => {
    const spreads = new Spreads([frame], [spec], new DataView(new ArrayBuffer(0)), { live: false } as Link, () => undefined);
    expect(spreads.words(0, 0, 1, 1, 1)).toBe("mean of n = 12 texts");
  });

  it("are those of the tokens on show, in one head", () => {
    const spreads = new Spreads([frame], [spec], data, { live: false } as Link, () => undefined);
    const state = { moment: 0, layer: 0, head: 1, mean: false, value: "weight" } as State;
    const head = { queries: 2, keys: 2, weights: Float32Array.of(1, 0, 0.7, 0.3), states: Uint8Array.of(0, 1, 0, 0) };
    const rows = { tokens: ["a", "b"], starts: [0, 1], stops: [1, 2], plain: true };
    const columns = { ...rows, tokens: ["b", "a"], starts: [1, 0], stops: [2, 1] };
    const scene = { picture: { head }, rows, columns } as unknown as Scene;
    expect(spreadAt(spreads, state, scene, 1, 0)).toBe("mean of n = 12 texts, sd 0.5000");
    expect(spreadAt(spreads, state, scene, 1, 1)).toBe("mean of 3 of 12 texts, sd 0.3000");
    expect(spreadAt(spreads, state, scene, 1, null)).toBe("mean of n = 12 texts, sd 0.5000");
    const alone = "mean of n = 12 texts";
    expect(spreadAt(spreads, state, scene, 0, 1)).toBe(alone); // masked
    expect(spreadAt(spreads, { ...state, mean: true }, scene, 1, 0)).toBe(alone);
    expect(spreadAt(spreads, { ...state, value: "score" }, scene, 1, 0)).toBe(alone);
    expect(spreadAt(spreads, state, { ...scene, columns: { ...columns, starts: [0], stops: [2] } }, 1, 0)).toBe(alone);
    expect(spreadAt(spreads, state, null, 1, 0)).toBe("");
  });

  it("are asked for once", async () => {
    let asked = 0;
    const link = {
      live: true,
      ask: () => {
        asked++;
        return Promise.resolve([{}, [new DataView(data.buffer, 0, 8), new DataView(data.buffer, 16, 8)]]);
      },
    } as unknown as Link;
    await new Promise<void>((came) => {
      const spreads = new Spreads([frame], [spec], data, link, () => {
        expect(spreads.words(0, 0, 0, 0, 1)).toBe("mean of n = 12 texts, sd 0.2000");
        came();
      });
      expect(spreads.words(0, 0, 0, 0, 1)).toBe("mean of n = 12 texts");
      spreads.words(0, 0, 0, 0, 0);
    });
    expect(asked).toBe(1);
  });
});
