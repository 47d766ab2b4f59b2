import type { AnyModel } from "@anywidget/types";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FlowModel, FlowSource, isWhole, type Path, type Wanted } from "../src/flowsource.ts";
import { FakeModel, fakeTime, realTime } from "./life.ts";

/** Three layers over two tokens; all shares are the layer's number and a half. */
const blocks = [0, 1, 2].map((layer) => ({ kind: "decoder", layer, heads: 2, queries: 0, keys: 0 }));
const SPEC = { live: true, frames: [{ tokens: [["a", "b"]], blocks }], flow: { sent: [], refusals: [["", "", ""]] } };
const FIRST: Wanted = { moment: 0, layer: 0, query: 1, method: "rollout", heads: "mean", head: 0 };
const OTHER: Wanted = { ...FIRST, query: 0 };

class Model extends FakeModel {
  get(name: string): unknown {
    return name === "_spec" ? SPEC : new DataView(new ArrayBuffer(0));
  }
}

let model: Model;
let ended: AbortController;
let came: number;
let failed: string[];
let source: FlowSource;

beforeEach(() => {
  fakeTime();
  model = new Model();
  ended = new AbortController();
  came = 0;
  failed = [];
  source = new FlowSource(model as unknown as AnyModel<FlowModel>, ended.signal, () => came++, (reason) => failed.push(reason));
});
afterEach(realTime);

const view = (values: number[]): DataView => new DataView(Float32Array.from(values).buffer);

/** The kernel answers the last request with layers from `low` to the one under those that the page has. */
async function answer(low: number, of = model.sent.length - 1): Promise<void> {
  const { id, after } = model.sent[of] as { id: string; after: number };
  const layers = [0, 1, 2].slice(low, 3 - after);
  const shares = [...layers, 3 - after].flatMap((column) => [column + 0.5, column + 0.5]);
  const edges = layers.map(() => 0);
  const content = { id, all: [0, 1, 2], done: layers.length ? 3 - low : after, layers, counts: layers.map(() => 1) };
  model.say(content, layers.length ? [view(shares), view(edges), view(edges), view(edges)] : []);
  await settled();
}

/** Let promises that are settled say so. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

const columns = (path: Path | null): (number | undefined)[] => (path?.shares ?? []).map((shares) => shares[0]);

test("a path that comes at once is asked for once", async () => {
  expect(source.get(FIRST)).toBeNull();
  source.get(FIRST);
  await answer(0);
  expect(columns(source.get(FIRST))).toEqual([0.5, 1.5, 2.5, 3.5]);
  source.get({ ...FIRST, layer: 2 });
  expect(model.sent).toHaveLength(1);
});

test("a long one layer by layer, each drawn as it comes", async () => {
  const seen = [];
  for (const low of [2, 1, 0]) {
    source.get(FIRST);
    await answer(low);
    seen.push(columns(source.get(FIRST)));
  }
  expect(seen).toEqual([[undefined, undefined, 2.5, 3.5], [undefined, 1.5, 2.5, 3.5], [0.5, 1.5, 2.5, 3.5]]);
  expect(model.sent.map(({ after }) => after)).toEqual([0, 1, 2]);
  expect(came).toBe(3);
});

test("an answer without a layer is asked on", async () => {
  source.get(FIRST);
  await answer(3);
  expect(source.get(FIRST)).toBeNull();
  await answer(2);
  expect(source.get(FIRST)?.done).toBe(1);
  await answer(2);
  expect(source.get(FIRST)?.done).toBe(1);
  expect(model.sent.map(({ after }) => after)).toEqual([0, 0, 1, 1]);
});

test("who steps to another token asks no more for the first, and back there only for the rest", async () => {
  source.get(FIRST);
  await answer(2);
  source.get(FIRST);
  source.get(OTHER);
  await answer(1, 1); // late: the first token's second layer
  for (let i = 0; i < 3; i++) source.get(OTHER);
  expect(model.sent.map(({ query, after }) => [query, after])).toEqual([[1, 0], [1, 1], [0, 0]]);
  expect(source.get(FIRST)?.done).toBe(2);
  expect(model.sent.at(-1)).toMatchObject({ query: 1, after: 2 });
});

test("stopped, it waits until it is told to go on or another token is chosen", async () => {
  source.get(FIRST);
  await answer(2);
  source.stop(FIRST, true);
  expect(source.get(FIRST)?.done).toBe(1);
  expect([source.stopped, model.sent.length]).toEqual([true, 1]);
  source.stop(FIRST, false);
  source.get(FIRST);
  await answer(1);
  source.stop(FIRST, true);
  source.get(OTHER);
  expect([source.stopped, model.sent.length]).toEqual([false, 3]);
});

test("a closed panel asks no more", async () => {
  source.get(FIRST);
  await answer(2);
  ended.abort();
  source.get(FIRST);
  await Promise.resolve();
  expect(model.sent).toHaveLength(1);
});

test("what is refused is asked again when it is tried again", async () => {
  source.get(FIRST);
  model.say({ id: model.sent[0]?.["id"], error: "query=9 does not exist" });
  await settled();
  source.get(FIRST);
  expect(failed).toContain("query=9 does not exist");
  expect(model.sent).toHaveLength(1);
  source.retry();
  source.get(FIRST);
  await answer(0, 1);
  expect(isWhole(source.get(FIRST)!)).toBe(true);
});

test("a late error is said of its own path, not of the one stepped to", async () => {
  source.get(FIRST);
  source.get(OTHER);
  model.say({ id: model.sent[0]?.["id"], error: "no room" });
  await settled();
  source.get(OTHER);
  expect([failed, came]).toEqual([[], 1]);
  source.get(FIRST);
  expect(failed).toEqual(["no room"]);
});

test("an answer that cannot be read is an error, not asked for again and again", async () => {
  source.get(FIRST);
  model.say({ id: model.sent[0]?.["id"], all: [0, 1, 2], layers: [1], counts: [1] }, [view([1])]);
  await settled();
  source.get(FIRST);
  expect(failed).toEqual(["the kernel's answer lacks its path"]);
  expect([came, model.sent.length]).toEqual([1, 1]);
});
