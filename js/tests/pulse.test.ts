import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Life, Pulse } from "../src/pulse.ts";
import { FakeModel, fakeTime, realTime } from "./life.ts";

let time: ReturnType<typeof fakeTime>;
let model: FakeModel;
let ended: AbortController;
let told: Life[];
let pulse: Pulse;

beforeEach(() => {
  time = fakeTime();
  model = new FakeModel();
  ended = new AbortController();
  told = [];
  pulse = new Pulse(model.channel, ended.signal, (life) => told.push(life));
});
afterEach(realTime);

test("a page that never heard a beat knows of no kernel that has gone", () => {
  vi.advanceTimersByTime(3_600_000);
  expect(pulse.life).toBe("unheard");
  model.say({ id: "a-0", found: [] });
  vi.advanceTimersByTime(3_600_000);
  expect(told).toEqual([]);
});

test("silence is noticed within five seconds", () => {
  time.beat(model, 20);
  model.say({ beat: true });
  vi.advanceTimersByTime(3000);
  expect(pulse.life).toBe("beating");
  vi.advanceTimersByTime(2000);
  expect(pulse.life).toBe("gone");
});

test("a kernel that was only slow comes back, with a beat or an answer", () => {
  for (const sign of [{ beat: true }, { id: "a-1" }]) {
    time.beat(model, 2);
    vi.advanceTimersByTime(6000);
    expect(pulse.life).toBe("gone");
    model.say(sign);
    expect(pulse.life).toBe("beating");
  }
});

test("a laptop that slept an hour has time to find its server again", () => {
  time.beat(model, 3);
  time.sleep(3_600_000);
  vi.advanceTimersByTime(20_000);
  expect(pulse.life).toBe("beating");
  time.beat(model, 5);
  expect(told).toEqual(["beating"]);
  vi.advanceTimersByTime(5000);
  expect(pulse.life).toBe("gone");
});

test("a kernel that died while the laptop slept is noticed after that", () => {
  time.beat(model, 3);
  time.sleep(3_600_000);
  vi.advanceTimersByTime(35_000);
  expect(pulse.life).toBe("gone");
});

test("timers that come once a minute, as in a hidden tab, are no silence", () => {
  time.beat(model, 3);
  for (let i = 0; i < 20; i++) {
    time.sleep(59_500);
    vi.advanceTimersByTime(500);
  }
  expect(pulse.life).toBe("beating");
});

test("resting is no silence, and whoever comes asks for the beat", () => {
  time.beat(model, 2);
  model.say({ beat: false });
  vi.advanceTimersByTime(3_600_000);
  expect(pulse.life).toBe("resting");
  expect(model.sent).toEqual([]);
  model.tell("change");
  expect(model.sent).toEqual([{ here: true }]);
  model.say({ beat: true });
  vi.advanceTimersByTime(1000);
  expect(pulse.life).toBe("beating");
});

test("a kernel that died while it rested is noticed when somebody comes", () => {
  model.say({ beat: false });
  model.tell("comm_live_update");
  vi.advanceTimersByTime(5000);
  expect(pulse.life).toBe("gone");
});

test("strange messages are no beat", () => {
  for (const message of [null, 7, "beat", [], { beat: 1 }, { beat: "true" }]) model.say(message);
  expect(told).toEqual([]);
});

test("a closed view leaves nothing behind", () => {
  time.beat(model, 2);
  ended.abort();
  expect(model.listeners).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});
