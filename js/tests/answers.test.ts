import { expect, it, vi } from "vitest";
import { Answers } from "../src/answers.ts";
import type { Source } from "../src/source.ts";
import type { State } from "../src/state.ts";
import type { Head } from "../src/wire.ts";

const blocks = [{ kind: "decoder", layer: 0, heads: 2, queries: 0, keys: 0 }];
const frames = [{ step: null, tokens: [["a", "b"]], words: [], special: [], blocks, predictions: [] }];
const head: Head = { queries: 2, keys: 2, weights: new Float32Array(4), states: new Uint8Array(4), resting: null };
const state = (patch: Partial<State> = {}): State =>
  ({ moment: 0, layer: 0, head: 0, query: 1, key: null, mean: false, ablated: true, pinned: [], value: "weight", how: "mean", words: false, hide_special: false, threshold: 0, top: 0, ...patch }) as State;

it("an error is said as long as what failed is wanted, and asked for once", async () => {
  const ablate = vi.fn(() => Promise.reject(new Error("no such head")));
  const failed = vi.fn();
  const spec = { live: false, ablate: true, ablations: {}, frames };
  const answers = new Answers({ spec, peek: () => head, ablate } as unknown as Source, () => undefined, failed);
  answers.follow(state());
  await Promise.resolve().then(() => Promise.resolve());
  expect(failed.mock.calls).toEqual([["no such head"]]);
  answers.follow(state({ query: 0 }));
  expect(failed).toHaveBeenCalledTimes(2);
  answers.follow(state({ ablated: false }));
  answers.follow(state({ ablated: false, query: 1 }));
  expect(failed).toHaveBeenCalledTimes(2);
  expect(ablate).toHaveBeenCalledTimes(1);
});
