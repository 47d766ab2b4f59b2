/** Requests to the kernel: each has an id, and each is answered, refused, or ended with its view or its kernel. */

import { type Channel, type Life, Pulse } from "./pulse.ts";

export type { Channel } from "./pulse.ts";
export type Reply = Record<string, unknown>;

interface Pending {
  resolve: (answer: [Reply, DataView[]]) => void;
  reject: (error: Error) => void;
}

/** Milliseconds after which a kernel that was never heard, neither a beat nor an answer, is taken not to be there. */
export const UNHEARD = 10_000;
const GONE = "the kernel is gone; run the cell again";

export class Link {
  #model: Channel;
  #signal: AbortSignal;
  #pulse: Pulse;
  /** Whether the page was made beside a kernel. */
  #made: boolean;
  #heard = false;
  #pending = new Map<string, Pending>();
  #view = Math.random().toString(36).slice(2);
  #count = 0;

  /** `refused` is told what the kernel would not take from this page. */
  constructor(model: Channel, live: boolean, signal: AbortSignal, refused: (reason: string) => void) {
    this.#model = model;
    this.#made = live;
    this.#signal = signal;
    this.#pulse = new Pulse(model, signal, (life) => this.#follow(life));
    const receive = (message: Reply, buffers: DataView[]): void => {
      this.#heard = true;
      const pending = typeof message["id"] === "string" ? this.#take(message["id"]) : undefined;
      const error = message["error"];
      if (pending) {
        if (typeof error === "string") pending.reject(new Error(error));
        else pending.resolve([message, buffers]);
      } else if (message["id"] === undefined && typeof error === "string") refused(error);
    };
    model.on("msg:custom", receive);
    signal.addEventListener("abort", () => {
      model.off("msg:custom", receive);
      this.#end("the panel was closed");
    });
  }

  /** Whether there is a kernel to ask. */
  get live(): boolean {
    return this.#made && this.#pulse.life !== "gone";
  }

  /** Whether the kernel owes an answer. */
  get waits(): boolean {
    return this.#pending.size > 0;
  }

  /** Ask for something; `what` names it in the message of a page that has no kernel. */
  ask(content: Record<string, unknown>, what: string): Promise<[Reply, DataView[]]> {
    if (this.#signal.aborted) return Promise.reject(new Error("the panel was closed"));
    if (!this.#made) return Promise.reject(new Error(`${what} is not in this page; open the notebook for it`));
    if (!this.live) return Promise.reject(new Error(`${what} was not loaded and ${GONE}`));
    this.#pulse.wake();
    const id = `${this.#view}-${this.#count++}`;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#model.send({ id, ...content });
      if (!this.#heard) setTimeout(() => this.#doubt(id, what), UNHEARD);
    });
  }

  #take(id: string): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  /** A notebook that was opened again may have a panel and no kernel behind it. */
  #doubt(id: string, what: string): void {
    if (this.#heard) return;
    this.#take(id)?.reject(new Error(`${what} was not loaded and no kernel answers; run the cell again`));
  }

  #follow(life: Life): void {
    if (life === "gone") this.#end(GONE);
  }

  #end(reason: string): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of all) reject(new Error(reason));
  }
}
