import { describe, expect, it } from "vitest";
import fixture from "../../tests/data/panels.json";
import type { Frame } from "../src/model.ts";
import { bytes, decodeFrames, floats, type Head, MASKED, NOT_CAPTURED, rankHeads } from "../src/wire.ts";
import { combine } from "../src/lens.ts";

/** Bytes at an odd place in a larger buffer, as the comm may deliver them. */
function odd(base64: string): DataView {
  const content = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const buffer = new ArrayBuffer(content.length + 3);
  new Uint8Array(buffer, 3).set(content);
  return new DataView(buffer, 3);
}

const frames = fixture.frames as Frame[];
const decoded = decodeFrames(frames, odd(fixture.weights), odd(fixture.planes));

function head(weights: number[], states: number[] = weights.map(() => 0), queries = 1): Head {
  return { queries, keys: weights.length / queries, weights: Float32Array.from(weights), states: Uint8Array.from(states), resting: null };
}

describe("decodeFrames", () => {
  it.each(Object.entries(fixture.heads))("reads the weights of %s", (place, rows) => {
    const [layer = 0, number = 0] = place.split("/").map(Number);
    expect([...(decoded.get(`0/${layer}/${number}`)?.weights ?? [])]).toEqual(rows.flat().map(Number));
  });

  it("gives all heads of a layer the plane they share, else their own", () => {
    expect([...(decoded.get("0/0/0")?.states ?? [])]).toEqual(fixture.states["0"].flat());
    expect([...(decoded.get("0/0/1")?.states ?? [])]).toEqual(fixture.states["0"].flat());
    expect([...(decoded.get("0/1/1")?.states ?? [])]).toEqual(fixture.states["1/1"].flat());
  });

  it("keeps what the kernel told of a head resting on the first token", () => {
    expect(decoded.get("0/0/1")?.resting).toBe(0.5);
  });

  it("reads frames that were sent in part", () => {
    const [frame] = frames;
    const part = [{ ...frame!, sent: [1, 3], planes: [1, 1], resting: [0.5, 0.5] }];
    const weights = new DataView(new ArrayBuffer(40));
    weights.setFloat32(16, 0.5, true);
    const states = new DataView(new ArrayBuffer(10));
    states.setUint8(4, MASKED);
    const some = decodeFrames(part, weights, states);
    expect([...some.keys()]).toEqual(["0/0/1", "0/1/1"]);
    expect(some.get("0/1/1")?.weights[0]).toBe(0.5);
    expect(some.get("0/1/1")?.states[0]).toBe(MASKED);
  });

  it("says what is missing", () => {
    expect(() => floats(new DataView(new ArrayBuffer(8)), 4, 2)).toThrow("needs 8 bytes of weights at 4, has 8");
    expect(() => bytes(new DataView(new ArrayBuffer(2)), 0, 3)).toThrow("needs 3 states at 0, has 2");
  });
});

describe("the mean of heads", () => {
  it("counts masked as zero and not captured not at all", () => {
    const mean = combine([head([0.5, 0, 0.25, 0], [0, MASKED, 0, 2]), head([0.25, 0.5, 0, 0], [0, 0, NOT_CAPTURED, 2])], "mean");
    expect([...mean.weights]).toEqual([0.375, 0.25, 0.25, 0]);
    expect([...mean.states]).toEqual([0, 0, 0, NOT_CAPTURED]);
  });

  it("lets one NaN show", () => {
    expect(combine([head([Number.NaN]), head([0.5])], "mean").weights[0]).toBeNaN();
  });
});

describe("rankHeads", () => {
  it("sorts by weight, equals by place, NaN last, and leaves out what was not captured", () => {
    const ranked = rankHeads(
      [
        [1, 0, head([0.5])],
        [0, 1, head([0.5])],
        [0, 0, head([Number.NaN])],
        [1, 1, head([0.75])],
        [1, 2, head([0.9], [NOT_CAPTURED])],
      ],
      0,
      0,
    );
    expect(ranked.map(({ layer, head: h }) => `L${layer}H${h}`)).toEqual(["L1H1", "L0H1", "L1H0", "L0H0"]);
  });
});
