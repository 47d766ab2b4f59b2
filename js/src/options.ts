/** The second line of controls: what is made of the heads before they are shown. */

import { Toggle } from "./controls.ts";
import { h } from "./dom.ts";
import type { State } from "./state.ts";

/** A choice among a few named values. */
class Choice<T extends string> {
  readonly node: HTMLElement;
  #select = h("select", { class: "attn-select" });

  constructor(name: string, values: [T, string][], signal: AbortSignal, changed: (value: T) => void) {
    for (const [value, text] of values) this.#select.append(h("option", { value }, text));
    this.node = h("label", { class: "attn-option" }, h("span", { class: "attn-label" }, name), this.#select);
    this.#select.addEventListener("change", () => changed(this.#select.value as T), { signal });
  }

  /** Show a value; `without` is one that cannot be chosen now, and `why` not. */
  set(value: T, without: T | null = null, why = ""): void {
    this.#select.value = value;
    for (const option of this.#select.options) option.disabled = option.value === without;
    this.node.title = without === null ? "" : why;
  }
}

/** A number in a small field; what is not a number in its range is put back. */
class Amount {
  readonly node: HTMLElement;
  #input: HTMLInputElement;
  #value = 0;

  constructor(name: string, most: number, step: number, signal: AbortSignal, changed: (value: number) => void) {
    this.#input = h("input", { type: "number", min: 0, max: most, step, class: "attn-amount" });
    this.node = h("label", { class: "attn-option" }, h("span", { class: "attn-label" }, name), this.#input);
    this.#input.addEventListener(
      "change",
      () => {
        const value = Number(this.#input.value);
        const fits = Number.isFinite(value) && value >= 0 && value <= most && (step < 1 || Number.isInteger(value));
        if (fits) changed(value);
        else this.#input.value = String(this.#value);
      },
      { signal },
    );
  }

  set(value: number): void {
    this.#value = value;
    if (this.#input.value !== String(value)) this.#input.value = String(value);
  }
}

export class Options {
  readonly node: HTMLElement;
  #how: Choice<State["how"]>;
  #over: Choice<State["over"]>;
  #value: Choice<State["value"]>;
  #threshold: Amount;
  #top: Amount;
  #last: Amount;
  #words: Toggle;
  #special: Toggle;
  #sorted: Toggle;
  #pin: Toggle;

  constructor(signal: AbortSignal, set: (patch: Partial<State>) => void, pin: (on: boolean) => void) {
    this.#how = new Choice("Combine by", [["mean", "mean"], ["max", "maximum"]], signal, (how) => set({ how, mean: true }));
    this.#over = new Choice("over", [["layer", "this layer"], ["all", "all layers"], ["pinned", "pinned heads"]], signal, (over) => set({ over, mean: true }));
    this.#value = new Choice("Show", [["weight", "weights"], ["score", "raw scores"], ["log", "log weights"]], signal, (value) => set({ value }));
    this.#threshold = new Amount("At least", 1, 0.01, signal, (threshold) => set({ threshold }));
    this.#top = new Amount("Strongest of a row", 4096, 1, signal, (top) => set({ top }));
    this.#last = new Amount("Last rows", 1_000_000, 1, signal, (last) => set({ last }));
    this.#words = new Toggle("Merge sub-words", signal, (words) => set({ words }));
    this.#words.node.title = "sum over the keys of a word, mean over its queries";
    this.#special = new Toggle("Hide special tokens", signal, (hide_special) => set({ hide_special }));
    this.#sorted = new Toggle("Sort columns by weight", signal, (by_weight) => set({ by_weight }));
    this.#pin = new Toggle("Pin this head", signal, pin);
    this.#top.node.title = "0 shows all";
    this.#last.node.title = "0 shows all";
    this.node = h(
      "div",
      { class: "attn-controls attn-options", hidden: true, role: "group", "aria-label": "what is shown of the heads" },
      this.#pin.node, this.#how.node, this.#over.node, this.#value.node, this.#threshold.node, this.#top.node, this.#last.node,
      this.#words.node, this.#special.node, this.#sorted.node,
    );
  }

  /** Show a state; `hasWords` and `hasSpecial` where there is something to merge or hide; `tiled` for a large matrix. */
  set(state: State, hasWords: boolean, hasSpecial: boolean, tiled: boolean): void {
    this.#how.set(state.how);
    this.#over.set(state.over);
    this.#value.set(state.value, state.mean || state.words ? "score" : null, "raw scores are those of one head, and of single tokens");
    this.#threshold.set(state.threshold);
    this.#top.set(state.top);
    this.#last.set(state.last);
    this.#words.set(state.words);
    this.#words.node.hidden = !hasWords;
    this.#special.set(state.hide_special);
    this.#special.node.hidden = !hasSpecial;
    this.#sorted.set(state.by_weight);
    this.#sorted.node.disabled = tiled;
    this.#sorted.node.title = tiled ? "not for a matrix this large" : "";
    const pinned = state.pinned.some(([layer, head]) => layer === state.layer && head === state.head);
    this.#pin.set(pinned, pinned ? "Unpin this head" : "Pin this head");
    this.#pin.node.disabled = state.mean;
  }

  show(on: boolean): void {
    this.node.hidden = !on;
  }
}
