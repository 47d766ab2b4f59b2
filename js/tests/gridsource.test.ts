import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GridSource, type Wanted } from "../src/gridsource.ts";
import { FakeModel, fakeTime, realTime } from "./life.ts";

const METRICS = [{ name: "sink", title: "sink", about: "", share: true }];
const SIZE = { rows: 1, columns: 1, factor: 1, groups: 2 };

/** Three layers of two heads; of the last one the tokens are others. */
function makeModel(live: boolean): FakeModel {
  const blocks = [0, 1, 2].map((layer) => ({ kind: "decoder", layer, heads: 2, queries: layer === 2 ? 1 : 0, keys: 0 }));
  const frame = { step: null, tokens: [["a"], ["b"]], blocks, predictions: null, sent: [], planes: [], resting: [] };
  const grid = { side: 32, metrics: METRICS, layers: [[SIZE, SIZE, SIZE]], sent: [[]] };
  const traits: Record<string, unknown> = { _spec: { title: "", frames: [frame], live, note: "", grid } };
  const nothing = new DataView(new ArrayBuffer(0));
  return Object.assign(new FakeModel(), { get: (name: string) => traits[name] ?? nothing });
}

let model: FakeModel;
let ended: AbortController;
let failed: string[];

beforeEach(() => {
  fakeTime();
  ended = new AbortController();
  failed = [];
});
afterEach(realTime);

function open(live = true): GridSource {
  model = makeModel(live);
  return new GridSource(model as never, ended.signal, () => undefined, (reason) => reason && failed.push(reason));
}

const wanted = (patch: Partial<Wanted> = {}): Wanted => ({ moment: 0, first: [], found: null, ...patch });
const asked = (): string[] => model.sent.filter((m) => "ask" in m).map((m) => [m["ask"], m["layer"], m["first"] ?? m["query"]].join(" "));
const settle = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await Promise.resolve();
};

/** Answer the last request with `heads` heads from its first one on. */
async function answer(heads = 2): Promise<void> {
  const request = model.sent.filter((m) => "ask" in m).at(-1)!;
  const first = Number(request["first"] ?? 0);
  const pictures = new DataView(Uint8Array.from({ length: heads + 1 }, () => 0).buffer);
  model.say({ id: request["id"], first, heads, planes: 1 }, [pictures, new DataView(new ArrayBuffer(8 * heads))]);
  await settle();
}

describe("layers of the grid", () => {
  it("come one after the other, those in view first, a layer in pieces", async () => {
    const source = open();
    source.follow(wanted({ first: [1] }));
    expect(asked()).toEqual(["thumbnails 1 0"]);
    expect(source.progress).toEqual({ done: 0, all: 3, busy: true });
    await answer(1);
    expect(asked().at(-1)).toBe("thumbnails 1 1");
    expect(source.layer(0, 1)?.have).toBe(1);
    await answer(1);
    expect(source.progress.done).toBe(1);
    await answer();
    await answer();
    expect(asked()).toEqual(["thumbnails 1 0", "thumbnails 1 1", "thumbnails 0 0", "thumbnails 2 0"]);
    expect(source.progress).toEqual({ done: 3, all: 3, busy: false });
  });

  it("stop coming when told, and go on from there", async () => {
    const source = open();
    source.follow(wanted());
    source.stop(true);
    await answer();
    expect(asked()).toHaveLength(1);
    expect(source.progress).toEqual({ done: 1, all: 3, busy: false });
    source.follow(wanted());
    expect(asked()).toHaveLength(1);
    source.stop(false);
    expect(asked().at(-1)).toBe("thumbnails 1 0");
  });

  it("stop at an error, which is told, and are not asked for again until wished", async () => {
    const source = open();
    source.follow(wanted());
    model.say({ id: model.sent.at(-1)?.["id"], error: "no memory" });
    await settle();
    source.follow(wanted());
    expect(failed).toEqual(["no memory"]);
    expect(asked()).toHaveLength(1);
    expect(source.stopped).toBe(true);
  });

  it("are not asked for without a kernel", () => {
    open(false).follow(wanted());
    expect(asked()).toEqual([]);
  });

  it("end quietly with the view", async () => {
    open().follow(wanted());
    ended.abort();
    await settle();
    expect(failed).toEqual([]);
    expect(asked()).toHaveLength(1);
  });
});

describe("a cell looked for", () => {
  const found = { layer: 0, query: 3, key: 0 };

  async function tell(...weights: number[]): Promise<void> {
    const request = model.sent.filter((m) => "ask" in m).at(-1)!;
    model.say({ id: request["id"] }, [new DataView(Float32Array.from(weights).buffer), new DataView(new ArrayBuffer(2))]);
    await settle();
  }

  it("comes before pictures, of the layers with the same tokens", async () => {
    const source = open();
    source.follow(wanted({ found }));
    await tell(0.5, 0.25);
    await tell(0.125, 1);
    expect(asked()).toEqual(["found 0 3", "found 1 3", "thumbnails 0 0"]);
    expect([...(source.found(1)?.weights ?? [])]).toEqual([0.125, 1]);
    expect(source.found(2)).toBeUndefined();
  });

  it("is dropped when it comes late", async () => {
    const source = open();
    source.follow(wanted({ found }));
    source.follow(wanted({ found: { ...found, query: 2 } }));
    await tell(0.5, 0.25);
    expect(source.found(0)).toBeUndefined();
    expect(asked().at(-1)).toBe("found 0 2");
    await tell(0.75, 0);
    expect([...(source.found(0)?.weights ?? [])]).toEqual([0.75, 0]);
  });
});
