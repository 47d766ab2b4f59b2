import { describe, expect, it } from "vitest";
import { Kinds, layersText, tabOf } from "../src/kinds.ts";
import type { Spec } from "../src/model.ts";

const kinds = ["encoder", "encoder", "decoder", "cross", "decoder", "cross"] as const;
const axes = { encoder: [0, 0], decoder: [1, 1], cross: [1, 0] };
const blocks = kinds.map((kind, layer) => ({ kind, layer, heads: 2, queries: axes[kind][0], keys: axes[kind][1] }));
const spec = { frames: [{ blocks }] } as unknown as Spec;

describe("kinds of attention", () => {
  it("stand in the order of their first layers", () => {
    const found = new Kinds(spec);
    expect(found.all).toEqual(["encoder", "decoder", "cross"]);
    expect(found.layers("cross")).toEqual([3, 5]);
  });

  it("remember where they were left", () => {
    const found = new Kinds(spec);
    expect(found.layerOf("cross")).toBe(3);
    expect(found.visit(5)).toBe("cross");
    expect(found.visit(0)).toBe("encoder");
    expect(found.layerOf("cross")).toBe(5);
  });

  it("share rows between decoder and cross attention", () => {
    const found = new Kinds(spec);
    expect([found.shares("queries", 2, 3), found.shares("keys", 2, 3), found.shares("keys", 0, 3)]).toEqual([true, false, true]);
  });
});

it("tabs go round, and to the first and last", () => {
  expect(["ArrowLeft", "ArrowRight", "Home", "End", "x"].map((key) => tabOf(key, 0, 3))).toEqual([2, 1, 0, 2, null]);
});

it("layers are told briefly", () => {
  expect([[4], [0, 1, 2], [3, 5], [0, 1], [1, 3, 5, 7, 9]].map(layersText)).toEqual([
    "layer 4",
    "layers 0–2",
    "layers 3, 5",
    "layers 0, 1",
    "5 layers, 1 to 9",
  ]);
});
