/** Requests to the kernel: each has an id, and each is answered, refused or ended with its view. */

import type { AnyModel } from "@anywidget/types";

export type Reply = Record<string, unknown>;

interface Pending {
  resolve: (answer: [Reply, DataView[]]) => void;
  reject: (error: Error) => void;
}

/** What a link needs of a widget's model, whatever its traits are. */
export type Channel = Pick<AnyModel, "on" | "off" | "send">;

export class Link {
  /** Whether there is a kernel to ask. */
  readonly live: boolean;
  #model: Channel;
  #pending = new Map<string, Pending>();
  #view = Math.random().toString(36).slice(2);
  #count = 0;

  /** `refused` is told what the kernel would not take from this page. */
  constructor(model: Channel, live: boolean, signal: AbortSignal, refused: (reason: string) => void) {
    this.live = live;
    this.#model = model;
    const receive = (message: Reply, buffers: DataView[]): void => {
      const pending = typeof message["id"] === "string" ? this.#pending.get(message["id"]) : undefined;
      const error = message["error"];
      if (pending) {
        this.#pending.delete(String(message["id"]));
        if (typeof error === "string") pending.reject(new Error(error));
        else pending.resolve([message, buffers]);
      } else if (message["id"] === undefined && typeof error === "string") refused(error);
    };
    model.on("msg:custom", receive);
    signal.addEventListener("abort", () => {
      model.off("msg:custom", receive);
      for (const { reject } of this.#pending.values()) reject(new Error("the panel was closed"));
      this.#pending.clear();
    });
  }

  /** Whether the kernel owes an answer. */
  get waits(): boolean {
    return this.#pending.size > 0;
  }

  /** Ask for something; `what` names it in the message of a page that has no kernel. */
  ask(content: Record<string, unknown>, what: string): Promise<[Reply, DataView[]]> {
    if (!this.live) return Promise.reject(new Error(`${what} is not in this page; open the notebook for it`));
    const id = `${this.#view}-${this.#count++}`;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#model.send({ id, ...content });
    });
  }
}
