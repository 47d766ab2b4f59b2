import type { AnyModel } from "@anywidget/types";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { State } from "../src/state.ts";
import { type PairModel, Pairs } from "../src/vectorsource.ts";
import { FakeModel, fakeTime, realTime } from "./life.ts";

const blocks = [{ kind: "decoder", layer: 0, heads: 2, queries: 0, keys: 0 }];
const SPEC = { live: true, frames: [{ tokens: [["a", "b"]], blocks, predictions: [] }] };
const FIRST = { moment: 0, layer: 0, head: 0, query: 1, key: 0 };
const NEXT = { ...FIRST, head: 1 };
const STATE = { moment: 0, layer: 0, head: 0 } as State;

class Model extends FakeModel {
  get(name: string): unknown {
    return name === "_spec" ? SPEC : undefined;
  }
}

let model: Model;
let came: number;
let failed: string[];
let pairs: Pairs;

beforeEach(() => {
  fakeTime();
  model = new Model();
  came = 0;
  failed = [];
  pairs = new Pairs(model as unknown as AnyModel<PairModel>, new AbortController().signal, () => came++, (reason) => failed.push(reason));
});
afterEach(realTime);

async function refuse(): Promise<void> {
  model.say({ id: model.sent.at(-1)?.["id"], error: "no room" });
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

test("what was asked for ahead and failed is said when it is wanted, and not asked for again and again", async () => {
  pairs.prefetch([NEXT], STATE);
  pairs.get(NEXT, STATE); // stepped to while it is on its way
  await refuse();
  expect(came).toBe(1);
  pairs.prefetch([NEXT], STATE);
  expect([failed, model.sent.length]).toEqual([[], 1]);
  pairs.get(NEXT, STATE);
  expect(failed).toEqual(["no room"]);
  pairs.retry();
  pairs.get(NEXT, STATE);
  expect(model.sent).toHaveLength(2);
});

test("a late error is not put down to another pair", async () => {
  pairs.get(FIRST, STATE);
  await refuse();
  expect([failed, came]).toEqual([[], 1]);
});
