/** Whether the kernel lives, heard from the beat that it pushes once a second (attn_widgets/panels/beat.py).
 *
 * Silence is counted in time that this page was awake: a laptop that slept, or a page whose timers were
 * held back, has missed nothing that it could have heard. A page that never heard a beat (an exported file, a
 * saved notebook, a host without beats) knows of no kernel, and so of none that has gone.
 */

import type { AnyModel } from "@anywidget/types";

/** What a pulse needs of a widget's model. */
export type Channel = Pick<AnyModel, "on" | "off" | "send">;

/** `unheard`: no beat yet; `resting`: the kernel has said that it will not beat until it hears from somebody. */
export type Life = "unheard" | "beating" | "resting" | "gone";

/** Milliseconds between two looks at the clock. */
export const LOOK = 500;
/** Awake milliseconds without a beat after which the kernel is gone: seen within 5 s of its end. */
export const SILENCE = 4000;
/** After a sleep the host has to find its server again. */
export const RECONNECT = 30_000;

export class Pulse {
  #model: Channel;
  #life: Life = "unheard";
  #silent = 0;
  #looked = performance.now();
  #changed: (life: Life) => void;

  /** `changed` is told each new state of life. */
  constructor(model: Channel, signal: AbortSignal, changed: (life: Life) => void) {
    this.#model = model;
    this.#changed = changed;
    const hear = (message: unknown): void => this.#hear(message);
    const wake = (): void => this.wake();
    model.on("msg:custom", hear);
    // What a person does here, and what the host says of the connection, ends a rest.
    model.on("change", wake);
    model.on("comm_live_update", wake);
    document.addEventListener("visibilitychange", wake, { signal });
    const timer = setInterval(() => this.#look(), LOOK);
    signal.addEventListener("abort", () => {
      clearInterval(timer);
      model.off("msg:custom", hear);
      model.off("change", wake);
      model.off("comm_live_update", wake);
    });
  }

  get life(): Life {
    return this.#life;
  }

  #hear(message: unknown): void {
    this.#silent = 0;
    const beat = typeof message === "object" && message !== null && "beat" in message ? message.beat : undefined;
    if (beat === true) this.#set("beating");
    else if (beat === false) this.#set("resting");
    else if (this.#life === "gone") this.#set("beating"); // an answer: it was only slow
  }

  /** Ask for the beat if it rests: somebody is here. */
  wake(): void {
    if (this.#life !== "resting") return;
    this.#silent = 0;
    this.#set("beating");
    this.#model.send({ here: true });
  }

  #look(): void {
    const now = performance.now();
    const passed = now - this.#looked;
    this.#looked = now;
    if (this.#life !== "beating") return;
    if (passed > SILENCE) this.#silent = -RECONNECT;
    else this.#silent += Math.min(passed, 2 * LOOK);
    if (this.#silent >= SILENCE) this.#set("gone");
  }

  #set(life: Life): void {
    if (life === this.#life) return;
    this.#life = life;
    this.#changed(life);
  }
}
