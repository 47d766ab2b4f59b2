/** What the panel needs for a state and may have to wait for: the head, the ranking, the head switched off. */

import { type Ablation, headName } from "./model.ts";
import type { Source } from "./source.ts";
import { canAblate, type State } from "./state.ts";
import type { Found, Head } from "./wire.ts";

export class Answers {
  head: Head | null = null;
  found: Found[] = [];
  ablation: { name: string; result: Ablation } | null = null;
  #source: Source;
  #came: () => void;
  #failed: (reason: string) => void;
  #asked = { head: "", found: "", ablation: "" };

  constructor(source: Source, came: () => void, failed: (reason: string) => void) {
    this.#source = source;
    this.#came = came;
    this.#failed = failed;
  }

  /** Take what is here for a state and ask once for what is not. */
  follow(state: State): void {
    this.#followHead(state);
    this.#followFound(state);
    this.#followAblation(state);
  }

  #followHead({ moment, layer, head, mean }: State): void {
    const which = mean ? "mean" : head;
    this.head = this.#source.peek(moment, layer, which) ?? null;
    const wanted = `${moment}/${layer}/${which}`;
    const again = this.#asked.head === wanted;
    this.#asked.head = wanted;
    if (!this.head && !again) this.#wait(this.#source.get(moment, layer, which), () => undefined);
    if (this.head && !again && !mean && this.#source.spec.live) this.#prefetch(moment, layer, head);
  }

  /** Ask for the heads one step away before they are wanted. */
  #prefetch(moment: number, layer: number, head: number): void {
    const blocks = this.#source.spec.frames[moment]?.blocks ?? [];
    const near = [[layer, head + 1], [layer, head - 1], [layer + 1, head], [layer - 1, head]] as const;
    for (const [l, hd] of near) {
      if (hd >= 0 && hd < (blocks[l]?.heads ?? 0)) this.#source.get(moment, l, hd).catch(() => undefined);
    }
  }

  #followFound({ moment, layer, query, key }: State): void {
    const wanted = query === null || key === null ? "" : [moment, layer, query, key].join();
    if (wanted === this.#asked.found) return;
    this.#asked.found = wanted;
    this.found = [];
    if (query === null || key === null) return;
    this.#wait(this.#source.find(moment, query, key, layer), (found) => {
      if (this.#asked.found === wanted) this.found = found;
    });
  }

  #followAblation(state: State): void {
    const name = headName(state.layer, state.head);
    const wanted = state.ablated && canAblate(this.#source.spec, state) ? name : "";
    if (wanted === this.#asked.ablation) return;
    this.#asked.ablation = wanted;
    this.ablation = null;
    if (!wanted) return;
    this.#wait(this.#source.ablate(state.layer, state.head), (result) => {
      if (this.#asked.ablation === wanted) this.ablation = { name, result };
    });
  }

  #wait<T>(promise: Promise<T>, then: (value: T) => void): void {
    promise.then(
      (value) => {
        then(value);
        this.#came();
      },
      (error: Error) => this.#failed(error.message),
    );
  }
}
