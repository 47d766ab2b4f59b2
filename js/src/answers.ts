/** What the panel needs for a state and may have to wait for: the head, the ranking, the head switched off. */

import { type Ablation, headName } from "./model.ts";
import type { Source } from "./source.ts";
import { placeOf } from "./lens.ts";
import { type Look, Looks } from "./look.ts";
import { axesOf, canAblate, type State } from "./state.ts";
import type { Found, Head } from "./wire.ts";

const NOWHERE = { tokens: [], starts: [], stops: [], plain: true };

export class Answers {
  look: Look = { head: null, rows: NOWHERE, columns: NOWHERE };
  found: Found[] = [];
  ablation: { name: string; result: Ablation } | null = null;
  #source: Source;
  #came: () => void;
  #failed: (reason: string) => void;
  #asked = { near: "", found: "", ablation: "" };
  /** Why what was asked for did not come, as long as it is wanted. */
  #errors = { found: "", ablation: "" };
  #looks: Looks;

  constructor(source: Source, came: () => void, failed: (reason: string) => void) {
    this.#source = source;
    this.#came = came;
    this.#failed = failed;
    this.#looks = new Looks(source, came, failed);
  }

  /** One pinned head as the panel looks at heads now; null while it is not here, or where it has other tokens. */
  pinned(state: State, [layer, head]: [number, number]): Head | null {
    const there = { ...state, layer, head, mean: false };
    const [shown, axes] = [axesOf(this.#source.spec, state).block, axesOf(this.#source.spec, there)];
    if (axes.block.queries !== shown.queries || axes.block.keys !== shown.keys) return null;
    return this.#looks.at(there, axes, [[layer, head]]).head;
  }

  /** Take what is here for a state and ask once for what is not. */
  follow(state: State): void {
    const axes = axesOf(this.#source.spec, state);
    this.#looks.begin();
    this.look = this.#looks.at(state, axes);
    this.#prefetch(state);
    this.#followFound(state);
    this.#followAblation(state);
  }

  /** Ask for the heads one step away before they are wanted. */
  #prefetch(state: State): void {
    const { moment, layer, head } = state;
    const { value, words, hide_special, threshold, top } = state;
    const wanted = [moment, layer, head, value, words, hide_special, threshold, top].join();
    if (!this.look.head || state.mean || !this.#source.spec.live || this.#asked.near === wanted) return;
    const { rows, head: shown } = this.look;
    const row = state.query === null ? rows.tokens.length - 1 : placeOf(rows, state.query);
    if (shown.tiles && !shown.tiles.has(row)) return; // what is on show comes first
    this.#asked.near = wanted;
    const blocks = this.#source.spec.frames[moment]?.blocks ?? [];
    const near = [[layer, head + 1], [layer, head - 1], [layer + 1, head], [layer - 1, head]] as const;
    for (const [l, hd] of near) {
      if (hd < 0 || hd >= (blocks[l]?.heads ?? 0)) continue;
      const there = { ...state, layer: l, head: hd };
      this.#looks.prefetch(there, axesOf(this.#source.spec, there));
    }
  }

  #followFound({ moment, layer, query, key }: State): void {
    const wanted = query === null || key === null ? "" : [moment, layer, query, key].join();
    if (wanted === this.#asked.found) return this.#lament("found");
    this.#asked.found = wanted;
    this.#errors.found = "";
    this.found = [];
    if (query === null || key === null) return;
    this.#wait("found", wanted, this.#source.find(moment, query, key, layer), (found) => {
      this.found = found;
    });
  }

  #followAblation(state: State): void {
    const name = headName(state.layer, state.head);
    const wanted = state.ablated && canAblate(this.#source.spec, state) ? name : "";
    if (wanted === this.#asked.ablation) return this.#lament("ablation");
    this.#asked.ablation = wanted;
    this.#errors.ablation = "";
    this.ablation = null;
    if (!wanted) return;
    this.#wait("ablation", wanted, this.#source.ablate(state.layer, state.head), (result) => {
      this.ablation = { name, result };
    });
  }

  /** Say again what is still wrong: another row of the same head does not mend it. */
  #lament(what: "found" | "ablation"): void {
    if (this.#errors[what]) this.#failed(this.#errors[what]);
  }

  /** Take an answer, or say its error, while it is still `wanted`: the panel may have been stepped on. */
  #wait<T>(what: "found" | "ablation", wanted: string, promise: Promise<T>, then: (value: T) => void): void {
    promise.then(
      (value) => {
        if (this.#asked[what] !== wanted) return;
        then(value);
        this.#came();
      },
      (error: Error) => {
        if (this.#asked[what] !== wanted) return;
        this.#errors[what] = error.message;
        this.#failed(error.message);
      },
    );
  }
}
