/** What stands around the grid: what colours and sorts it, what is under way, how to read it. Knows nothing of the model. */

import { css } from "./colours.ts";
import { h, say } from "./dom.ts";
import type { Theme } from "./theme.ts";

/** A choice of one of several names. */
export class Pick {
  readonly node: HTMLElement;
  #select = h("select", { class: "attn-grid-select" });

  constructor(name: string, options: [value: string, text: string][], signal: AbortSignal, changed: (value: string) => void) {
    this.#select.setAttribute("aria-label", name);
    for (const [value, text] of options) this.#select.append(h("option", { value }, text));
    this.node = h("span", { class: "attn-grid-pick" }, h("span", { class: "attn-label" }, name), this.#select);
    this.#select.addEventListener("change", () => changed(this.#select.value), { signal });
  }

  set(value: string): void {
    if (this.#select.value !== value) this.#select.value = value;
  }
}

/** How many layers have come, and a button that stops them coming. */
export class Progress {
  readonly node: HTMLElement;
  #bar = h("i");
  #text = h("span", { class: "attn-grid-count" });
  #button = h("button", { type: "button", class: "attn-toggle" }, "Stop");
  #stopped = false;

  constructor(signal: AbortSignal, stop: (on: boolean) => void) {
    this.node = h("div", { class: "attn-grid-progress", hidden: true }, h("span", { class: "attn-grid-bar", "aria-hidden": "true" }, this.#bar), this.#text, this.#button);
    this.#button.addEventListener("click", () => stop(!this.#stopped), { signal });
  }

  set(done: number, all: number, stopped: boolean, shown: boolean): void {
    this.#stopped = stopped;
    this.node.hidden = !shown;
    this.#bar.style.width = `${(100 * done) / Math.max(1, all)}%`;
    say(this.#text, stopped ? `stopped, ${done} of ${all} layers` : `layer ${Math.min(done + 1, all)} of ${all}`);
    say(this.#button, stopped ? "Continue" : "Stop");
  }
}

/** The colour scale from 0 to where it ends, and what has no colour on it. */
export class GridLegend {
  readonly keys = h("div", { class: "attn-keys" });
  readonly reading = h("p", { class: "attn-reading" });
  #bar = h("span", { class: "attn-scale-bar" });
  #ends = [h("span"), h("span"), h("span")];
  #scale: HTMLElement;
  #states: Record<string, { node: HTMLElement; swatch: HTMLElement }> = {};

  constructor() {
    this.#scale = h("div", { class: "attn-scale", role: "img" }, this.#bar, h("span", { class: "attn-ticks" }, ...this.#ends));
    this.keys.append(this.#scale);
    for (const name of ["masked", "zero", "not a number", "not captured", "no row counts", "not here"]) {
      const swatch = h("span", { class: "attn-swatch", "aria-hidden": "true" });
      const node = h("span", { class: "attn-state" }, swatch, name);
      this.#states[name] = { node, swatch };
      this.keys.append(node);
    }
  }

  set(theme: Theme, what: string, end: string[], states: string[], reading: string): void {
    const stops = theme.palette.filter((_, i) => i % 15 === 0).map(css);
    this.#bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    this.#ends.forEach((node, i) => say(node, end[i] ?? ""));
    this.#scale.setAttribute("aria-label", `colour scale of ${what}, from ${end[0]} to ${end[2]}`);
    say(this.reading, reading);
    const ground = theme.palette[0] ? css(theme.palette[0]) : theme.surface;
    const looks: Record<string, string> = {
      masked: `repeating-linear-gradient(135deg, ${theme.hatch} 0 1px, transparent 1px 4px)`,
      zero: `radial-gradient(circle, ${theme.unknown} 1.2px, ${ground} 1.7px)`,
      "not a number": theme.nan,
      "not captured": theme.unknown,
      "no row counts": theme.unknown,
      "not here": "transparent",
    };
    for (const [name, { node, swatch }] of Object.entries(this.#states)) {
      node.hidden = !states.includes(name);
      swatch.style.background = looks[name] ?? "";
    }
  }
}
