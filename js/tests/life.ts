/** Stand-ins for the tests of what comes from a kernel: a model, and a clock that can skip. */

import { vi } from "vitest";
import type { Channel } from "../src/pulse.ts";

type Listener = (...args: unknown[]) => void;

export class FakeModel {
  readonly sent: Record<string, unknown>[] = [];
  #listeners = new Map<string, Set<Listener>>();

  get channel(): Channel {
    return this as unknown as Channel;
  }

  on(event: string, listener: Listener): void {
    const of = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, of.add(listener));
  }

  off(event: string, listener: Listener): void {
    this.#listeners.get(event)?.delete(listener);
  }

  send(content: Record<string, unknown>): void {
    this.sent.push(content);
  }

  /** What the kernel sends. */
  say(content: unknown, buffers: DataView[] = []): void {
    this.tell("msg:custom", content, buffers);
  }

  tell(event: string, ...args: unknown[]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(...args);
  }

  get listeners(): number {
    return [...this.#listeners.values()].reduce((sum, of) => sum + of.size, 0);
  }
}

/** Fake timers, and a document that only knows who listens. */
export function fakeTime(): { beat: (model: FakeModel, seconds: number) => void; sleep: (ms: number) => void } {
  vi.useFakeTimers();
  vi.stubGlobal("document", { addEventListener: () => undefined });
  const clock = performance.now.bind(performance);
  let slept = 0;
  vi.spyOn(performance, "now").mockImplementation(() => clock() + slept);
  return {
    beat(model, seconds) {
      for (let i = 0; i < seconds; i++) {
        model.say({ beat: true });
        vi.advanceTimersByTime(1000);
      }
    },
    /** The clock goes on and no timer comes. */
    sleep(ms) {
      slept += ms;
    },
  };
}

export function realTime(): void {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
}
