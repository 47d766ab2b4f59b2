import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Link } from "../src/link.ts";
import { FakeModel, fakeTime, realTime } from "./life.ts";

let time: ReturnType<typeof fakeTime>;
let model: FakeModel;
let ended: AbortController;
let refused: string[];

beforeEach(() => {
  time = fakeTime();
  model = new FakeModel();
  ended = new AbortController();
  refused = [];
});
afterEach(realTime);

const open = (live = true): Link => new Link(model.channel, live, ended.signal, (reason) => refused.push(reason));
const idOf = (n: number): string => String(model.sent[n]?.["id"]);

test("answers out of order find their requests", async () => {
  const link = open();
  const asked = [0, 1, 2].map((head) => link.ask({ ask: "head", head }, `L0H${head}`));
  for (const n of [2, 0, 1]) model.say({ id: idOf(n), head: n });
  const answers = await Promise.all(asked);
  expect(answers.map(([reply]) => reply["head"])).toEqual([0, 1, 2]);
  expect(link.waits).toBe(false);
});

test("an answer that comes twice, or to nobody, is let pass", async () => {
  const link = open();
  const asked = link.ask({ ask: "head" }, "L0H0");
  model.say({ id: "somebody-else-0", error: "not ours" });
  model.say({ id: idOf(0), head: 1 });
  model.say({ id: idOf(0), head: 2 });
  expect((await asked)[0]["head"]).toBe(1);
  expect(refused).toEqual([]);
});

test("an error is the answer", async () => {
  const asked = open().ask({ ask: "head" }, "L0H0");
  model.say({ id: idOf(0), error: "head=9 does not exist" });
  await expect(asked).rejects.toThrow("head=9 does not exist");
});

test("what the kernel would not take is told", () => {
  open();
  model.say({ error: "layer=9 does not exist" });
  expect(refused).toEqual(["layer=9 does not exist"]);
});

test("closing ends what waits, and late answers and later questions find nobody", async () => {
  const link = open();
  const asked = link.ask({ ask: "head" }, "L0H0");
  ended.abort();
  await expect(asked).rejects.toThrow("the panel was closed");
  model.say({ id: idOf(0), head: 1 });
  await expect(link.ask({ ask: "head" }, "L0H1")).rejects.toThrow("the panel was closed");
  expect(model.sent).toHaveLength(1);
  expect(model.listeners).toBe(0);
});

test("an exported page says where the rest is", async () => {
  const link = open(false);
  expect(link.live).toBe(false);
  await expect(link.ask({ ask: "head" }, "L0H1")).rejects.toThrow("L0H1 is not in this page; open the notebook for it");
  expect(model.sent).toEqual([]);
});

test("a kernel that goes ends what waits, and nothing is asked of it", async () => {
  const link = open();
  time.beat(model, 3);
  const asked = link.ask({ ask: "head" }, "L0H0");
  const caught = expect(asked).rejects.toThrow("the kernel is gone; run the cell again");
  vi.advanceTimersByTime(6000);
  await caught;
  expect(link.live).toBe(false);
  await expect(link.ask({ ask: "head" }, "L0H1")).rejects.toThrow("L0H1 was not loaded and the kernel is gone; run the cell again");
  expect(model.sent).toHaveLength(1);
});

test("a kernel that comes back is asked again", async () => {
  const link = open();
  time.beat(model, 3);
  vi.advanceTimersByTime(6000);
  model.say({ beat: true });
  expect(link.live).toBe(true);
  const asked = link.ask({ ask: "head" }, "L0H0");
  model.say({ id: idOf(0) });
  await asked;
});

test("a busy kernel that beats is waited for", async () => {
  const link = open();
  const asked = link.ask({ ask: "head" }, "L0H0");
  time.beat(model, 60);
  expect(link.waits).toBe(true);
  model.say({ id: idOf(0), late: true });
  expect((await asked)[0]["late"]).toBe(true);
});

test("a notebook opened again without its kernel says so", async () => {
  const link = open();
  const caught = expect(link.ask({ ask: "head" }, "L0H0")).rejects.toThrow("L0H0 was not loaded and no kernel answers; run the cell again");
  vi.advanceTimersByTime(11_000);
  await caught;
  expect(link.waits).toBe(false);
});
