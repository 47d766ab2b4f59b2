import { afterEach, beforeEach, describe, expect, it, type Mock, vi } from "vitest";
import type { Reply } from "../src/link.ts";
import { Looks, refusal } from "../src/look.ts";
import type { Source } from "../src/source.ts";
import type { Axes, State } from "../src/state.ts";
import { Tiles } from "../src/tiles.ts";
import { type Head, isKnown } from "../src/wire.ts";

const blocks = [{ kind: "encoder", queries: 0, keys: 0, heads: 2 }, { kind: "cross", queries: 1, keys: 0, heads: 2 }];
const axes = { frame: { blocks }, block: blocks[0] } as unknown as Axes;
const state = (patch: Partial<State> = {}): State => ({ value: "weight", words: false, ...patch }) as State;

describe("what cannot be shown is refused as in the kernel", () => {
  it.each([
    [[[0, 0], [0, 1]], state(), ""],
    [[[0, 0], [1, 1]], state(), "heads of layers with other tokens cannot be combined; choose layers of one kind"],
    [[[1, 0]], state(), "heads of layers with other tokens cannot be combined; choose layers of one kind"],
    [[[0, 0], [0, 1]], state({ value: "score" }), "scores are those of one head; given 2; choose one, or show weights"],
    [[[0, 0]], state({ value: "score", words: true }), "scores do not add up over sub-words; show weights, or single tokens"],
  ] as [[number, number][], State, string][])("%j", (heads, asked, said) => {
    expect(refusal(axes, asked, heads)).toBe(said);
  });
});

it("the logarithm of zero is no number gone wrong, an infinite weight is", () => {
  const log = { low: -9, high: 0 } as Head;
  expect([isKnown(log, Number.NEGATIVE_INFINITY), isKnown(log, Number.NaN)]).toEqual([true, false]);
  expect(isKnown({} as Head, Number.NEGATIVE_INFINITY)).toBe(false);
});

describe("what is asked for ahead", () => {
  const view = (array: Uint8Array | Float32Array): DataView => new DataView(array.buffer);

  it("is one request for the picture and the row, and none when they are here", async () => {
    const ask = vi.fn(() => Promise.resolve<[Reply, DataView[]]>([{ low: 0, high: 1 }, [view(new Uint8Array(600 * 600 / 4)), view(new Float32Array(600).fill(0.5)), view(new Uint8Array(600))]]));
    const tiles = new Tiles(600, 600, ask, () => undefined, () => undefined);
    tiles.prefetch(7);
    expect(tiles.row(7)).toBeNull(); // on its way, not asked for again
    await Promise.resolve().then(() => Promise.resolve());
    expect(ask.mock.calls).toEqual([["tile", { rows: [0, 600], columns: [0, 600], step: 2, row: 7 }]]);
    expect([tiles.has(7), tiles.row(7)?.weights[3]]).toEqual([true, 0.5]);
    tiles.prefetch(7);
    expect(ask).toHaveBeenCalledTimes(1);
    tiles.prefetch(8);
    expect(ask.mock.calls[1]).toEqual(["row", { row: 8 }]);
  });
});

describe("a row that was refused", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("is asked for again after a second, not at once", async () => {
    const ask = vi.fn(() => Promise.reject(new Error("no kernel answers")));
    const failed = vi.fn();
    const tiles = new Tiles(4, 4, ask, () => tiles.row(0), failed);
    tiles.row(0);
    await vi.advanceTimersByTimeAsync(900);
    expect([ask.mock.calls.length, failed.mock.calls.length]).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(200);
    tiles.row(0);
    expect(ask).toHaveBeenCalledTimes(2);
  });
});

describe("an error that came while the panel was elsewhere", () => {
  const tokens = Array.from({ length: 600 }, (_, i) => String(i));
  const plain = { ...state(), moment: 0, layer: 0, head: 1, mean: false, query: 3, how: "mean", hide_special: false, threshold: 0, top: 0 } as State;
  const reject = (): Promise<never> => Promise.reject(new Error("no room"));

  function looking(size: number): { looks: Looks; failed: Mock; at: (head: number) => void } {
    const failed = vi.fn();
    const none = { peek: () => undefined, peekMatrix: () => undefined, picture: () => null, get: reject, askPart: reject };
    const looks = new Looks({ spec: { live: true }, ...none } as unknown as Source, () => undefined, failed);
    const own = { ...axes, rows: tokens.slice(0, size), columns: tokens.slice(0, size) } as Axes;
    const at = (head: number): void => {
      looks.begin();
      if (head < 0) looks.prefetch({ ...plain, head: 0 }, own);
      else looks.at({ ...plain, head }, own);
    };
    return { looks, failed, at };
  }
  const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 0));

  it("is said when the panel comes to a head that was asked for ahead", async () => {
    const { failed, at } = looking(600);
    at(-1);
    await settle();
    expect(failed).not.toHaveBeenCalled();
    at(0);
    expect(failed).toHaveBeenCalledWith("no room");
  });

  it("is said when the panel comes back to a head that is sent whole", async () => {
    const { looks, failed, at } = looking(3);
    at(0);
    looks.begin();
    await settle();
    expect(failed).not.toHaveBeenCalled();
    at(0);
    expect(failed).toHaveBeenCalledWith("no room");
  });
});
